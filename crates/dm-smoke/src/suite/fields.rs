//! Typed access to the tables of a suite file. Every error is collected with its position, so that all errors are reported
//! at once.

use std::fmt::Display;
use std::ops::Range;
use std::time::Duration;

use common::duration;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A TOML value and its position.
pub(crate) type Value<'t> = Spanned<DeValue<'t>>;

/// The least similarity of a name that is suggested, from 0 to 1.
const MIN_SIMILARITY: f64 = 0.6;

/// An error in the suite file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Diagnostic {
    /// The index of the file.
    pub(crate) source: usize,
    /// The position, in bytes.
    pub(crate) at: Range<usize>,
    /// An explanation.
    pub(crate) message: String,
}

/// The errors found so far.
#[derive(Debug, Default)]
pub(crate) struct Diagnostics {
    list: Vec<Diagnostic>,
    /// The index of the file that is being read.
    pub(crate) source: usize,
}

impl Diagnostics {
    /// Adds an error.
    pub(crate) fn report(&mut self, at: Range<usize>, message: impl Into<String>) {
        self.list.push(Diagnostic { source: self.source, at, message: message.into() });
    }

    /// Adds an error that concerns many places, at the first one only.
    pub(crate) fn report_once(&mut self, at: Range<usize>, message: &str) {
        if !self.list.iter().any(|known| known.message == message) {
            self.report(at, message);
        }
    }

    /// Returns the value, or adds its error and returns `None`.
    pub(crate) fn unwrap_or_report<T>(
        &mut self,
        at: Range<usize>,
        result: Result<T, impl Display>,
    ) -> Option<T> {
        result.map_err(|error| self.report(at, error.to_string())).ok()
    }

    /// The number of errors.
    pub(crate) fn len(&self) -> usize {
        self.list.len()
    }

    /// Returns the errors in the order of the files, or `Ok` if there are none.
    pub(crate) fn into_result(mut self) -> Result<(), Vec<Diagnostic>> {
        self.list.sort_by_key(|diagnostic| (diagnostic.source, diagnostic.at.start));
        if self.list.is_empty() { Ok(()) } else { Err(self.list) }
    }
}

/// A table that finds its unknown fields: those that nobody has read at the end.
#[derive(Debug)]
pub(crate) struct Fields<'t> {
    table: &'t DeTable<'t>,
    known: Vec<&'static str>,
    /// Fields that another kind of test takes. They are reported elsewhere and never suggested.
    misplaced: Vec<&'static str>,
}

impl<'t> Fields<'t> {
    /// The fields of a table.
    pub(crate) fn new(table: &'t DeTable<'t>) -> Self {
        Self { table, known: Vec::new(), misplaced: Vec::new() }
    }

    /// The fields of a value that must be a table; `expected_form` describes it for the error.
    pub(crate) fn from_value(
        value: &'t Value<'t>,
        expected_form: &str,
        diagnostics: &mut Diagnostics,
    ) -> Option<Self> {
        match value.get_ref().as_table() {
            Some(table) => Some(Self::new(table)),
            None => mistyped(value, expected_form, diagnostics),
        }
    }

    /// A field, if it is set.
    pub(crate) fn get(&mut self, name: &'static str) -> Option<&'t Value<'t>> {
        if !self.known.contains(&name) {
            self.known.push(name);
        }
        self.find(name)
    }

    /// A field that this table must not have, if it is set.
    pub(crate) fn misplaced(&mut self, name: &'static str) -> Option<&'t Value<'t>> {
        self.misplaced.push(name);
        self.find(name)
    }

    fn find(&self, name: &str) -> Option<&'t Value<'t>> {
        self.table.iter().find(|(key, _)| key.get_ref() == name).map(|(_, value)| value)
    }

    /// A string, if it is set.
    pub(crate) fn text(
        &mut self,
        name: &'static str,
        diagnostics: &mut Diagnostics,
    ) -> Option<Spanned<&'t str>> {
        text(self.get(name)?, "a string", diagnostics)
    }

    /// A duration above zero, if it is set.
    pub(crate) fn duration(&mut self, name: &'static str, diagnostics: &mut Diagnostics) -> Option<Duration> {
        let text = text(self.get(name)?, "a duration such as \"500ms\" or \"5s\"", diagnostics)?;
        diagnostics.unwrap_or_report(text.span(), duration::parse_positive(text.get_ref()))
    }

    /// A boolean, if it is set.
    pub(crate) fn boolean(&mut self, name: &'static str, diagnostics: &mut Diagnostics) -> Option<bool> {
        let value = self.get(name)?;
        value.get_ref().as_bool().or_else(|| mistyped(value, "true or false", diagnostics))
    }

    /// An integer in a range, if it is set.
    pub(crate) fn number(
        &mut self,
        name: &'static str,
        range: Range<u32>,
        diagnostics: &mut Diagnostics,
    ) -> Option<u32> {
        let value = self.get(name)?;
        let expected_form = format!("an integer from {} to {}", range.start, range.end - 1);
        let Some(number) = integer(value) else { return mistyped(value, &expected_form, diagnostics) };
        let number = u32::try_from(number).ok().filter(|number| range.contains(number));
        if number.is_none() {
            diagnostics.report(value.span(), format!("{name} must be {expected_form}"));
        }
        number
    }

    /// An array of strings; a single string counts as an array of one.
    pub(crate) fn texts(
        &mut self,
        name: &'static str,
        diagnostics: &mut Diagnostics,
    ) -> Vec<Spanned<&'t str>> {
        let Some(value) = self.get(name) else { return Vec::new() };
        match value.get_ref().as_array() {
            Some(list) => list.iter().filter_map(|value| text(value, "a string", diagnostics)).collect(),
            None => text(value, "a string, or an array of strings", diagnostics).into_iter().collect(),
        }
    }

    /// The entries of a table with arbitrary keys, in the order of the file.
    pub(crate) fn entries(&mut self, name: &'static str, diagnostics: &mut Diagnostics) -> Vec<Entry<'t>> {
        let Some(value) = self.get(name) else { return Vec::new() };
        let Some(table) = value.get_ref().as_table() else {
            return mistyped(value, "a table such as { name = \"value\" }", diagnostics).unwrap_or_default();
        };
        let mut entries: Vec<_> = table
            .iter()
            .map(|(key, value)| (Spanned::new(key.span(), key.get_ref().as_ref()), value))
            .collect();
        entries.sort_by_key(|(key, _)| key.span().start);
        entries
    }

    /// Reports the unknown fields.
    pub(crate) fn finish(self, diagnostics: &mut Diagnostics) {
        for key in self.table.keys() {
            let name = key.get_ref().as_ref();
            if self.known.contains(&name) || self.misplaced.contains(&name) {
                continue;
            }
            let hint = closest(name, self.known.iter().copied()).map_or_else(
                || format!("expected {}", one_of(&self.known)),
                |known| format!("did you mean `{known}`?"),
            );
            diagnostics.report(
                key.span(),
                format!("unknown field `{}`, {hint}", http_expect::excerpt::bounded(name)),
            );
        }
    }
}

/// A key and its value.
pub(crate) type Entry<'t> = (Spanned<&'t str>, &'t Value<'t>);

/// A value that must be a string.
pub(crate) fn text<'t>(
    value: &'t Value<'t>,
    expected_form: &str,
    diagnostics: &mut Diagnostics,
) -> Option<Spanned<&'t str>> {
    match value.get_ref().as_str() {
        Some(text) => Some(Spanned::new(value.span(), text)),
        None => mistyped(value, expected_form, diagnostics),
    }
}

/// The value of an integer; `None` for other types and for values out of range.
pub(crate) fn integer(value: &Value<'_>) -> Option<i64> {
    let integer = value.get_ref().as_integer()?;
    i64::from_str_radix(integer.as_str(), integer.radix()).ok()
}

/// Reports a value of the wrong type.
pub(crate) fn mistyped<T>(
    value: &Value<'_>,
    expected_form: &str,
    diagnostics: &mut Diagnostics,
) -> Option<T> {
    diagnostics.report(
        value.span(),
        format!("invalid type: {}, expected {expected_form}", value.get_ref().type_str()),
    );
    None
}

/// The known name that is most similar, if one is similar enough to be suggested.
pub(crate) fn closest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    known
        .map(|known| (strsim::normalized_damerau_levenshtein(name, known), known))
        .filter(|(similarity, _)| *similarity >= MIN_SIMILARITY)
        .max_by(|(one, _), (other, _)| one.total_cmp(other))
        .map(|(_, known)| known)
}

fn one_of(names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    quoted.join(", ")
}
