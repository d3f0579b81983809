//! Conditions on a text: what it is, contains or matches, and what not.

use http_expect::{TextCondition, TextExpectation, excerpt};
use regex::bytes::Regex;
use toml::Spanned;

use crate::suite::assertion::HttpExpected;
use crate::suite::expected::{Encoding, Expected};
use crate::suite::fields::{Diagnostics, Fields, Value, text};
use crate::suite::reader::TestReader;

/// The fields that say something about a text, in the order of [`CONDITIONS`].
pub(super) type TextFields = [&'static str; 4];

pub(super) const BODY: TextFields =
    ["body_contains", "body_not_contains", "body_matches", "body_not_matches"];
pub(super) const STDOUT: TextFields =
    ["stdout_contains", "stdout_not_contains", "stdout_matches", "stdout_not_matches"];
pub(super) const STDERR: TextFields =
    ["stderr_contains", "stderr_not_contains", "stderr_matches", "stderr_not_matches"];
pub(super) const VALUE: TextFields = ["contains", "not_contains", "matches", "not_matches"];

/// A condition, made of its text.
pub(super) type MakeCondition = fn(&str) -> Result<TextCondition, String>;

pub(super) const CONDITIONS: [(Encoding, MakeCondition); 4] = [
    (Encoding::Plain, |text| Ok(TextCondition::Contains(text.to_owned()))),
    (Encoding::Plain, |text| Ok(TextCondition::NotContains(text.to_owned()))),
    (Encoding::Regex, |text| parse_regex(text).map(TextCondition::Matches)),
    (Encoding::Regex, |text| parse_regex(text).map(TextCondition::NotMatches)),
];

/// Reads the conditions of one text.
pub(super) fn texts<T: Clone + 'static>(
    names: TextFields,
    fields: &mut Fields<'_>,
    expected: &mut Expected<T>,
    of: fn(&mut T) -> &mut TextExpectation,
    reader: &mut TestReader<'_>,
) {
    for (name, (encoding, condition)) in names.into_iter().zip(CONDITIONS) {
        for text in non_empty_texts(name, fields, reader.diagnostics) {
            add(&text, encoding, expected, reader, move |text, expected| {
                of(expected).0.push(condition(text)?);
                Ok(())
            });
        }
    }
}

/// Adds an expectation whose text is a template.
pub(super) fn add<T: Clone>(
    text: &Spanned<&str>,
    encoding: Encoding,
    expected: &mut Expected<T>,
    reader: &mut TestReader<'_>,
    add: impl Fn(&str, &mut T) -> Result<(), String> + Send + Sync + 'static,
) {
    if let Some(template) = reader.template(text) {
        let added = expected.add(template, encoding, Box::new(add));
        // The text can contain a secret of the environment.
        let added = added.map_err(|error| reader.redact(&error));
        reader.diagnostics.unwrap_or_report(text.span(), added);
    }
}

/// A string or an array of strings, of which none may be empty: every text contains the empty string, so that it would
/// test nothing.
pub(super) fn non_empty_texts<'t>(
    name: &'static str,
    fields: &mut Fields<'t>,
    diagnostics: &mut Diagnostics,
) -> Vec<Spanned<&'t str>> {
    if let Some(value) = fields.get(name)
        && value.get_ref().as_array().is_some_and(|list| list.is_empty())
    {
        diagnostics
            .report(value.span(), format!("{name} must not be an empty array: it would match everything"));
    }
    let mut texts = fields.texts(name, diagnostics);
    texts.retain(|text| {
        let is_empty = text.get_ref().is_empty();
        if is_empty {
            diagnostics.report(text.span(), format!("{name} must not be empty: it would match everything"));
        }
        !is_empty
    });
    texts
}

/// Reads what a text should be: a string or an array of strings that it equals, or a table of conditions.
pub(super) fn text_conditions(
    value: &Value<'_>,
    expected: &mut Expected<HttpExpected>,
    push: impl Fn(&mut HttpExpected, TextCondition) + Copy + Send + Sync + 'static,
    reader: &mut TestReader<'_>,
) {
    let form = "a string, or a table such as { contains = \"shop\" } or { matches = \"^https:\" }";
    if !value.get_ref().is_table() {
        for text in strings(value, form, reader.diagnostics) {
            add(&text, Encoding::Plain, expected, reader, move |text, expected| {
                push(expected, TextCondition::Equals(text.to_owned()));
                Ok(())
            });
        }
        return;
    }
    let Some(mut fields) = Fields::from_value(value, form, reader.diagnostics) else { return };
    let conditions = value_conditions(&mut fields, expected, push, reader);
    fields.finish(reader.diagnostics);
    if conditions == 0 {
        reader.diagnostics.report(value.span(), format!("expected {form}"));
    }
}

/// Reads the conditions in a table, and returns how many fields have one.
pub(super) fn value_conditions(
    fields: &mut Fields<'_>,
    expected: &mut Expected<HttpExpected>,
    push: impl Fn(&mut HttpExpected, TextCondition) + Copy + Send + Sync + 'static,
    reader: &mut TestReader<'_>,
) -> usize {
    let mut conditions = 0;
    for (field, (encoding, condition)) in VALUE.into_iter().zip(CONDITIONS) {
        conditions += usize::from(fields.get(field).is_some());
        for text in non_empty_texts(field, fields, reader.diagnostics) {
            add(&text, encoding, expected, reader, move |text, expected| {
                push(expected, condition(text)?);
                Ok(())
            });
        }
    }
    conditions
}

/// Reads a field that is a regular expression. It takes no values.
pub(super) fn regex(
    name: &'static str,
    fields: &mut Fields<'_>,
    reader: &mut TestReader<'_>,
) -> Option<Regex> {
    let text = fields.text(name, reader.diagnostics)?;
    if text.get_ref().is_empty() {
        let message = format!("{name} must not be empty: it would match everything");
        reader.diagnostics.report(text.span(), message);
        return None;
    }
    let literal = reader.literal(&text)?;
    reader.diagnostics.unwrap_or_report(text.span(), parse_regex(&literal))
}

fn parse_regex(text: &str) -> Result<Regex, String> {
    Regex::new(text).map_err(|error| one_line_error(&error))
}

/// What is wrong with an expression, in one line.
pub(super) fn one_line_error(error: &regex::Error) -> String {
    excerpt::one_line(&error.to_string())
}

/// A string or an array of strings that is not empty.
pub(super) fn strings<'t>(
    value: &'t Value<'t>,
    expected_form: &str,
    diagnostics: &mut Diagnostics,
) -> Vec<Spanned<&'t str>> {
    match value.get_ref().as_array() {
        Some(list) if !list.is_empty() => {
            list.iter().filter_map(|value| text(value, expected_form, diagnostics)).collect()
        }
        _ => text(value, expected_form, diagnostics).into_iter().collect(),
    }
}
