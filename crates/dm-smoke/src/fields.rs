//! The tables of a suite's file, read field by field: everything that cannot be meant is noted with its place, so that
//! all of it can be told at once.

use std::fmt::Display;
use std::ops::Range;
use std::time::Duration;

use common::duration;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A value and its place.
pub(crate) type Value<'t> = Spanned<DeValue<'t>>;

/// Names that are less alike are not suggested.
const ALIKE: f64 = 0.6;

/// Something in the file that cannot be meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    /// Where, in bytes.
    pub(crate) at: Range<usize>,
    /// What.
    pub(crate) message: String,
}

/// All that was found.
#[derive(Debug, Default)]
pub(crate) struct Faults(Vec<Fault>);

impl Faults {
    /// Notes a fault.
    pub(crate) fn note(&mut self, at: Range<usize>, message: impl Into<String>) {
        self.0.push(Fault { at, message: message.into() });
    }

    /// Notes what was wrong with the value, where anything was.
    pub(crate) fn sift<T>(&mut self, at: Range<usize>, read: Result<T, impl Display>) -> Option<T> {
        read.map_err(|error| self.note(at, error.to_string())).ok()
    }

    /// The faults in the order of the file; `Ok` for none.
    pub(crate) fn told(mut self) -> Result<(), Vec<Fault>> {
        self.0.sort_by_key(|fault| fault.at.start);
        if self.0.is_empty() { Ok(()) } else { Err(self.0) }
    }
}

/// A table of which every field has to be asked for.
#[derive(Debug)]
pub(crate) struct Fields<'t> {
    table: &'t DeTable<'t>,
    known: Vec<&'static str>,
    /// Known, and refused elsewhere: never to be suggested.
    foreign: Vec<&'static str>,
}

impl<'t> Fields<'t> {
    /// The fields of a table.
    pub(crate) fn new(table: &'t DeTable<'t>) -> Self {
        Self { table, known: Vec::new(), foreign: Vec::new() }
    }

    /// The fields of a value, which has to be a table; `such_as` says how one looks.
    pub(crate) fn of(value: &'t Value<'t>, such_as: &str, faults: &mut Faults) -> Option<Self> {
        match value.get_ref().as_table() {
            Some(table) => Some(Self::new(table)),
            None => mistyped(value, such_as, faults),
        }
    }

    /// A field, where it is there.
    pub(crate) fn get(&mut self, name: &'static str) -> Option<&'t Value<'t>> {
        if !self.known.contains(&name) {
            self.known.push(name);
        }
        self.find(name)
    }

    /// A field that does not belong here.
    pub(crate) fn foreign(&mut self, name: &'static str) -> Option<&'t Value<'t>> {
        self.foreign.push(name);
        self.find(name)
    }

    fn find(&self, name: &str) -> Option<&'t Value<'t>> {
        self.table.iter().find(|(key, _)| key.get_ref() == name).map(|(_, value)| value)
    }

    /// A text, where it is there.
    pub(crate) fn text(&mut self, name: &'static str, faults: &mut Faults) -> Option<Spanned<&'t str>> {
        text(self.get(name)?, "a text", faults)
    }

    /// A text that is not empty: everything contains nothing, and such an expectation would only look like one.
    pub(crate) fn part(&mut self, name: &'static str, faults: &mut Faults) -> Option<String> {
        let text = self.text(name, faults)?;
        if text.get_ref().is_empty() {
            faults.note(text.span(), format!("{name} must not be empty"));
            return None;
        }
        Some((*text.get_ref()).to_owned())
    }

    /// A duration longer than zero.
    pub(crate) fn duration(&mut self, name: &'static str, faults: &mut Faults) -> Option<Duration> {
        let text = text(self.get(name)?, "a duration such as \"500ms\" or \"5s\"", faults)?;
        faults.sift(text.span(), duration::parse_positive(text.get_ref()))
    }

    /// A whole number of this range.
    pub(crate) fn number(
        &mut self,
        name: &'static str,
        range: Range<u32>,
        faults: &mut Faults,
    ) -> Option<u32> {
        let value = self.get(name)?;
        let such_as = format!("a whole number from {} to {}", range.start, range.end - 1);
        let Some(number) = integer(value) else { return mistyped(value, &such_as, faults) };
        let number = u32::try_from(number).ok().filter(|number| range.contains(number));
        if number.is_none() {
            faults.note(value.span(), format!("{name} is {such_as}"));
        }
        number
    }

    /// A list of texts; a text alone is a list of one.
    pub(crate) fn texts(&mut self, name: &'static str, faults: &mut Faults) -> Vec<Spanned<&'t str>> {
        let Some(value) = self.get(name) else { return Vec::new() };
        match value.get_ref().as_array() {
            Some(list) => list.iter().filter_map(|value| text(value, "a text", faults)).collect(),
            None => text(value, "a text, or a list of texts", faults).into_iter().collect(),
        }
    }

    /// The entries of a table whose keys are free, in the order of the file.
    pub(crate) fn entries(&mut self, name: &'static str, faults: &mut Faults) -> Vec<Entry<'t>> {
        let Some(value) = self.get(name) else { return Vec::new() };
        let Some(table) = value.get_ref().as_table() else {
            return mistyped(value, "a table such as { name = \"value\" }", faults).unwrap_or_default();
        };
        let mut entries: Vec<_> = table
            .iter()
            .map(|(key, value)| (Spanned::new(key.span(), key.get_ref().as_ref()), value))
            .collect();
        entries.sort_by_key(|(key, _)| key.span().start);
        entries
    }

    /// Notes the fields that nobody asked for.
    pub(crate) fn finish(self, faults: &mut Faults) {
        for key in self.table.keys() {
            let name = key.get_ref().as_ref();
            if self.known.contains(&name) || self.foreign.contains(&name) {
                continue;
            }
            let hint = alike(name, self.known.iter().copied()).map_or_else(
                || format!("expected {}", one_of(&self.known)),
                |known| format!("did you mean `{known}`?"),
            );
            faults
                .note(key.span(), format!("unknown field `{}`, {hint}", http_expect::excerpt::bounded(name)));
        }
    }
}

/// A key and its value.
pub(crate) type Entry<'t> = (Spanned<&'t str>, &'t Value<'t>);

/// A text; the value has to be one.
pub(crate) fn text<'t>(value: &'t Value<'t>, such_as: &str, faults: &mut Faults) -> Option<Spanned<&'t str>> {
    match value.get_ref().as_str() {
        Some(text) => Some(Spanned::new(value.span(), text)),
        None => mistyped(value, such_as, faults),
    }
}

/// An integer.
pub(crate) fn integer(value: &Value<'_>) -> Option<i64> {
    let integer = value.get_ref().as_integer()?;
    i64::from_str_radix(integer.as_str(), integer.radix()).ok()
}

/// Notes that a value has the wrong type.
pub(crate) fn mistyped<T>(value: &Value<'_>, such_as: &str, faults: &mut Faults) -> Option<T> {
    faults.note(value.span(), format!("invalid type: {}, expected {such_as}", value.get_ref().type_str()));
    None
}

/// The known name that was probably meant.
pub(crate) fn alike<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    known
        .map(|known| (strsim::normalized_damerau_levenshtein(name, known), known))
        .filter(|(likeness, _)| *likeness >= ALIKE)
        .max_by(|(one, _), (other, _)| one.total_cmp(other))
        .map(|(_, known)| known)
}

fn one_of(names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    quoted.join(", ")
}
