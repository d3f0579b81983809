//! A test's `expect`, for each kind of test.

use http_expect::{
    HeaderExpectation, HeaderPattern, JsonExpectation, StatusPattern, StatusPatterns, TextCondition,
    TextExpectation, excerpt,
};
use regex::bytes::Regex;
use reqwest::header::HeaderName;
use toml::Spanned;

use crate::suite::assertion::{CommandExpected, HttpExpected};
use crate::suite::expected::{Encoding, Expected};
use crate::suite::fields::{Diagnostics, Fields, Value, integer, mistyped, text};
use crate::suite::reader::TestReader;

const HTTP: [&str; 9] = [
    "status",
    "headers",
    "body_contains",
    "body_not_contains",
    "body_matches",
    "body_not_matches",
    "json",
    "json_absent",
    "max_latency",
];
const COMMAND: [&str; 9] = [
    "exit",
    "stdout_contains",
    "stdout_not_contains",
    "stdout_matches",
    "stdout_not_matches",
    "stderr_contains",
    "stderr_not_contains",
    "stderr_matches",
    "stderr_not_matches",
];

/// The fields that say something about a text, in the order of [`CONDITIONS`].
type TextFields = [&'static str; 4];

const BODY: TextFields = ["body_contains", "body_not_contains", "body_matches", "body_not_matches"];
const STDOUT: TextFields = ["stdout_contains", "stdout_not_contains", "stdout_matches", "stdout_not_matches"];
const STDERR: TextFields = ["stderr_contains", "stderr_not_contains", "stderr_matches", "stderr_not_matches"];
const VALUE: TextFields = ["contains", "not_contains", "matches", "not_matches"];

/// A condition, made of its text.
type MakeCondition = fn(&str) -> Result<TextCondition, String>;

const CONDITIONS: [(Encoding, MakeCondition); 4] = [
    (Encoding::Plain, |text| Ok(TextCondition::Contains(text.to_owned()))),
    (Encoding::Plain, |text| Ok(TextCondition::NotContains(text.to_owned()))),
    (Encoding::Regex, |text| parse_regex(text).map(TextCondition::Matches)),
    (Encoding::Regex, |text| parse_regex(text).map(TextCondition::NotMatches)),
];

/// Reads the `expect` of an HTTP test.
pub(crate) fn http(entry: Option<&Value<'_>>, reader: &mut TestReader<'_>) -> Expected<HttpExpected> {
    let mut expected = Expected::<HttpExpected>::default();
    let Some(mut fields) = fields(entry, reader.diagnostics) else { return expected };
    refuse(&mut fields, &COMMAND, "an http test", &HTTP, reader.diagnostics);
    if let Some(value) = fields.get("status") {
        expected.fixed.response.status = statuses(value, reader.diagnostics);
    }
    headers(&mut fields, &mut expected, reader);
    texts(BODY, &mut fields, &mut expected, |expected| &mut expected.response.body, reader);
    for text in non_empty_texts("json", &mut fields, reader.diagnostics) {
        let is_regex = text.get_ref().contains("=~");
        let encoding = if is_regex { Encoding::JsonRegex } else { Encoding::Json };
        add(&text, encoding, &mut expected, reader, |text, expected| {
            expected.response.json.push(text.parse()?);
            Ok(())
        });
    }
    for text in non_empty_texts("json_absent", &mut fields, reader.diagnostics) {
        add(&text, Encoding::Json, &mut expected, reader, |text, expected| {
            expected.response.json.push(JsonExpectation::absent(text)?);
            Ok(())
        });
    }
    expected.fixed.max_latency = fields.duration("max_latency", reader.diagnostics);
    fields.finish(reader.diagnostics);
    expected
}

/// Reads the `expect` of a command test.
pub(crate) fn command(entry: Option<&Value<'_>>, reader: &mut TestReader<'_>) -> Expected<CommandExpected> {
    let mut expected = Expected::<CommandExpected>::default();
    let Some(mut fields) = fields(entry, reader.diagnostics) else { return expected };
    refuse(&mut fields, &HTTP, "a command test", &COMMAND, reader.diagnostics);
    let exit = fields.number("exit", 0..256, reader.diagnostics);
    expected.fixed.exit = exit.and_then(|code| u8::try_from(code).ok()).unwrap_or_default();
    texts(STDOUT, &mut fields, &mut expected, |expected| &mut expected.stdout, reader);
    texts(STDERR, &mut fields, &mut expected, |expected| &mut expected.stderr, reader);
    fields.finish(reader.diagnostics);
    expected
}

/// Reads the conditions of one text.
fn texts<T: Clone + 'static>(
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
fn add<T: Clone>(
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
fn non_empty_texts<'t>(
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

fn fields<'t>(entry: Option<&'t Value<'t>>, diagnostics: &mut Diagnostics) -> Option<Fields<'t>> {
    Fields::from_value(entry?, "a table such as { status = 200 }", diagnostics)
}

/// Reports fields that belong to the other kind of test.
fn refuse(
    fields: &mut Fields<'_>,
    other_kind: &[&'static str],
    kind: &str,
    allowed: &[&str],
    diagnostics: &mut Diagnostics,
) {
    for name in other_kind {
        if let Some(value) = fields.misplaced(name) {
            diagnostics.report(value.span(), format!("{kind} takes no {name}, only {}", allowed.join(", ")));
        }
    }
}

/// Reads a field that is a regular expression. It takes no values.
pub(crate) fn regex(
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
    Regex::new(text).map_err(|error| excerpt::one_line(&error.to_string()))
}

fn headers(fields: &mut Fields<'_>, expected: &mut Expected<HttpExpected>, reader: &mut TestReader<'_>) {
    for (name, value) in fields.entries("headers", reader.diagnostics) {
        let checked = header_name(name.get_ref());
        let Some(name) = reader.diagnostics.unwrap_or_report(name.span(), checked) else { continue };
        if value.get_ref().is_table() {
            header_table(&name, value, expected, reader);
        } else {
            let expected_form = "a string, an array of strings, or a table such as { contains = \"json\" }";
            for text in strings(value, expected_form, reader.diagnostics) {
                let name = name.clone();
                add(&text, Encoding::Plain, expected, reader, move |text, expected| {
                    let pattern = HeaderPattern::Equals(text.to_owned());
                    expected.response.headers.push(HeaderExpectation { name: name.clone(), pattern });
                    Ok(())
                });
            }
        }
    }
}

fn header_table(
    name: &HeaderName,
    value: &Value<'_>,
    expected: &mut Expected<HttpExpected>,
    reader: &mut TestReader<'_>,
) {
    let expected_form =
        "a string, or a table such as { contains = \"json\" }, { matches = \"^text/\" } or { absent = true }";
    let Some(mut fields) = Fields::from_value(value, expected_form, reader.diagnostics) else { return };
    let mut conditions = 0;
    for (field, (encoding, condition)) in VALUE.into_iter().zip(CONDITIONS) {
        conditions += usize::from(fields.get(field).is_some());
        for text in non_empty_texts(field, &mut fields, reader.diagnostics) {
            let name = name.clone();
            add(&text, encoding, expected, reader, move |text, expected| {
                let pattern = HeaderPattern::Text(condition(text)?);
                expected.response.headers.push(HeaderExpectation { name: name.clone(), pattern });
                Ok(())
            });
        }
    }
    let absent = fields.get("absent").map(|value| value.get_ref().as_bool());
    fields.finish(reader.diagnostics);
    match (absent, conditions) {
        (Some(Some(true)), 0) => {
            let header = HeaderExpectation { name: name.clone(), pattern: HeaderPattern::Absent };
            expected.fixed.response.headers.push(header);
        }
        (None, 1..) => {}
        _ => reader.diagnostics.report(value.span(), format!("expected {expected_form}")),
    }
}

/// A string or an array of strings that is not empty.
fn strings<'t>(
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

/// Parses the name of a header.
pub(crate) fn header_name(text: &str) -> Result<HeaderName, &'static str> {
    HeaderName::try_from(text).map_err(|_| "the name of a header consists of letters, digits and -")
}

const A_STATUS: &str = "a status such as 200, a class such as \"2xx\", or an array of these";

fn statuses(value: &Value<'_>, diagnostics: &mut Diagnostics) -> StatusPatterns {
    let patterns: Vec<StatusPattern> = match value.get_ref().as_array() {
        Some(list) => {
            if list.is_empty() {
                diagnostics.report(value.span(), format!("an empty array; expected {A_STATUS}"));
            }
            list.iter().filter_map(|value| status(value, diagnostics)).collect()
        }
        None => status(value, diagnostics).into_iter().collect(),
    };
    StatusPatterns(patterns)
}

fn status(value: &Value<'_>, diagnostics: &mut Diagnostics) -> Option<StatusPattern> {
    if let Some(number) = integer(value) {
        let pattern = u16::try_from(number).ok().filter(|status| (100..600).contains(status));
        if pattern.is_none() {
            diagnostics.report(value.span(), format!("{number} is not an HTTP status; expected {A_STATUS}"));
        }
        return pattern.map(StatusPattern::Exact);
    }
    if !value.get_ref().is_str() {
        return mistyped(value, A_STATUS, diagnostics);
    }
    let text = text(value, A_STATUS, diagnostics)?;
    if let [digit @ b'1'..=b'5', b'x', b'x'] = text.get_ref().as_bytes() {
        return Some(StatusPattern::Class(u16::from(digit - b'0')));
    }
    let message = format!("{:?} is not a class of HTTP statuses; expected {A_STATUS}", text.get_ref());
    diagnostics.report(value.span(), message);
    None
}
