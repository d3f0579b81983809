//! A test's `expect`, for each kind of test.

use http_expect::{
    HeaderExpectation, HeaderPattern, JsonExpectation, ResponseExpectation, StatusPattern, StatusPatterns,
    TextExpectation, excerpt,
};
use regex::bytes::Regex;
use reqwest::header::HeaderName;

use crate::suite::assertion::{CommandExpected, HttpExpected};
use crate::suite::fields::{Diagnostics, Fields, Value, integer, mistyped, text};

const HTTP: [&str; 6] = ["status", "headers", "body_contains", "body_matches", "json", "max_latency"];
const COMMAND: [&str; 4] = ["exit", "stdout_contains", "stdout_matches", "stderr_contains"];

/// Reads the `expect` of an HTTP test.
pub fn http(entry: Option<&Value<'_>>, diagnostics: &mut Diagnostics) -> HttpExpected {
    let Some(mut fields) = fields(entry, diagnostics) else { return HttpExpected::default() };
    if let Some(value) =
        fields.get("json").filter(|value| value.get_ref().as_array().is_some_and(|list| list.is_empty()))
    {
        diagnostics.report(value.span(), "json must not be an empty array: it would match everything");
    }
    refuse(&mut fields, &COMMAND, "an http test", &HTTP, diagnostics);
    let expected = HttpExpected {
        response: ResponseExpectation {
            status: fields.get("status").map(|value| statuses(value, diagnostics)).unwrap_or_default(),
            headers: headers(&mut fields, diagnostics),
            body: TextExpectation {
                contains: fields.non_empty_text("body_contains", diagnostics),
                matches: regex("body_matches", &mut fields, diagnostics),
            },
            json: fields
                .texts("json", diagnostics)
                .into_iter()
                .filter_map(|text| {
                    diagnostics.unwrap_or_report(text.span(), text.get_ref().parse::<JsonExpectation>())
                })
                .collect(),
        },
        max_latency: fields.duration("max_latency", diagnostics),
    };
    fields.finish(diagnostics);
    expected
}

/// Reads the `expect` of a command test.
pub fn command(entry: Option<&Value<'_>>, diagnostics: &mut Diagnostics) -> CommandExpected {
    let Some(mut fields) = fields(entry, diagnostics) else { return CommandExpected::default() };
    refuse(&mut fields, &HTTP, "a command test", &COMMAND, diagnostics);
    let expected = CommandExpected {
        exit: fields
            .number("exit", 0..256, diagnostics)
            .and_then(|code| u8::try_from(code).ok())
            .unwrap_or_default(),
        stdout: TextExpectation {
            contains: fields.non_empty_text("stdout_contains", diagnostics),
            matches: regex("stdout_matches", &mut fields, diagnostics),
        },
        stderr: TextExpectation {
            contains: fields.non_empty_text("stderr_contains", diagnostics),
            matches: None,
        },
    };
    fields.finish(diagnostics);
    expected
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

/// Reads a field that is a regular expression.
pub fn regex(name: &'static str, fields: &mut Fields<'_>, diagnostics: &mut Diagnostics) -> Option<Regex> {
    let text = fields.text(name, diagnostics)?;
    if text.get_ref().is_empty() {
        diagnostics.report(text.span(), format!("{name} must not be empty: it would match everything"));
        return None;
    }
    diagnostics.unwrap_or_report(
        text.span(),
        Regex::new(text.get_ref()).map_err(|error| excerpt::one_line(&error.to_string())),
    )
}

fn headers(fields: &mut Fields<'_>, diagnostics: &mut Diagnostics) -> Vec<HeaderExpectation> {
    let mut headers = Vec::new();
    for (name, value) in fields.entries("headers", diagnostics) {
        let checked = header_name(name.get_ref());
        let Some(name) = diagnostics.unwrap_or_report(name.span(), checked) else { continue };
        let pattern = if let Some(text) = value.get_ref().as_str() {
            Some(HeaderPattern::Equals(text.to_owned()))
        } else {
            header_pattern(value, diagnostics)
        };
        headers.extend(pattern.map(|pattern| HeaderExpectation { name, pattern }));
    }
    headers
}

fn header_pattern(value: &Value<'_>, diagnostics: &mut Diagnostics) -> Option<HeaderPattern> {
    let expected_form = "a string, or a table such as { contains = \"json\" } or { matches = \"^text/\" }";
    let mut fields = Fields::from_value(value, expected_form, diagnostics)?;
    let contains = fields.non_empty_text("contains", diagnostics).map(HeaderPattern::Contains);
    let matches = regex("matches", &mut fields, diagnostics).map(HeaderPattern::Matches);
    fields.finish(diagnostics);
    if contains.is_some() == matches.is_some() {
        diagnostics.report(value.span(), format!("expected {expected_form}"));
    }
    contains.or(matches)
}

/// Parses the name of a header.
pub fn header_name(text: &str) -> Result<HeaderName, &'static str> {
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
