//! A test's `expect`, by the kind of the test.

use http_expect::{
    HeaderExpectation, HeaderPattern, JsonExpectation, ResponseExpectation, StatusPattern, StatusPatterns,
    TextExpectation,
};
use regex::bytes::Regex;
use reqwest::header::HeaderName;

use crate::assertion::{CommandExpected, HttpExpected};
use crate::fields::{Faults, Fields, Value, integer, mistyped, text};
use http_expect::excerpt;

const HTTP: [&str; 6] = ["status", "headers", "body_contains", "body_matches", "json", "max_latency"];
const COMMAND: [&str; 4] = ["exit", "stdout_contains", "stdout_matches", "stderr_contains"];

/// What an HTTP test expects.
pub(crate) fn http(entry: Option<&Value<'_>>, faults: &mut Faults) -> HttpExpected {
    let Some(mut fields) = fields(entry, faults) else { return HttpExpected::default() };
    if let Some(value) =
        fields.get("json").filter(|value| value.get_ref().as_array().is_some_and(|list| list.is_empty()))
    {
        faults.note(value.span(), "an empty list expects nothing");
    }
    refuse(&mut fields, &COMMAND, "an http test", &HTTP, faults);
    let expected = HttpExpected {
        response: ResponseExpectation {
            status: fields.get("status").map(|value| statuses(value, faults)).unwrap_or_default(),
            headers: headers(&mut fields, faults),
            body: TextExpectation {
                contains: fields.part("body_contains", faults),
                matches: regex("body_matches", &mut fields, faults),
            },
            json: fields
                .texts("json", faults)
                .into_iter()
                .filter_map(|text| faults.sift(text.span(), text.get_ref().parse::<JsonExpectation>()))
                .collect(),
        },
        max_latency: fields.duration("max_latency", faults),
    };
    fields.finish(faults);
    expected
}

/// What a command test expects.
pub(crate) fn command(entry: Option<&Value<'_>>, faults: &mut Faults) -> CommandExpected {
    let Some(mut fields) = fields(entry, faults) else { return CommandExpected::default() };
    refuse(&mut fields, &HTTP, "a command test", &COMMAND, faults);
    let expected = CommandExpected {
        exit: fields
            .number("exit", 0..256, faults)
            .and_then(|code| u8::try_from(code).ok())
            .unwrap_or_default(),
        stdout: TextExpectation {
            contains: fields.part("stdout_contains", faults),
            matches: regex("stdout_matches", &mut fields, faults),
        },
        stderr: TextExpectation { contains: fields.part("stderr_contains", faults), matches: None },
    };
    fields.finish(faults);
    expected
}

fn fields<'t>(entry: Option<&'t Value<'t>>, faults: &mut Faults) -> Option<Fields<'t>> {
    Fields::of(entry?, "a table such as { status = 200 }", faults)
}

/// Notes what belongs to the other kind of test.
fn refuse(
    fields: &mut Fields<'_>,
    foreign: &[&'static str],
    kind: &str,
    fitting: &[&str],
    faults: &mut Faults,
) {
    for name in foreign {
        if let Some(value) = fields.foreign(name) {
            faults.note(
                value.span(),
                format!("{name} does not fit {kind}, which takes {}", fitting.join(", ")),
            );
        }
    }
}

/// A field that is a regular expression.
pub(crate) fn regex(name: &'static str, fields: &mut Fields<'_>, faults: &mut Faults) -> Option<Regex> {
    let text = fields.text(name, faults)?;
    if text.get_ref().is_empty() {
        faults.note(text.span(), format!("{name} must not be empty: nothing would not match"));
        return None;
    }
    faults
        .sift(text.span(), Regex::new(text.get_ref()).map_err(|error| excerpt::one_line(&error.to_string())))
}

fn headers(fields: &mut Fields<'_>, faults: &mut Faults) -> Vec<HeaderExpectation> {
    let mut headers = Vec::new();
    for (name, value) in fields.entries("headers", faults) {
        let checked = header_name(name.get_ref());
        let Some(name) = faults.sift(name.span(), checked) else { continue };
        let pattern = if let Some(text) = value.get_ref().as_str() {
            Some(HeaderPattern::Equals(text.to_owned()))
        } else {
            one_of_two(value, faults)
        };
        headers.extend(pattern.map(|pattern| HeaderExpectation { name, pattern }));
    }
    headers
}

fn one_of_two(value: &Value<'_>, faults: &mut Faults) -> Option<HeaderPattern> {
    let such_as = "a text, or a table such as { contains = \"json\" } or { matches = \"^text/\" }";
    let mut fields = Fields::of(value, such_as, faults)?;
    let contains = fields.part("contains", faults).map(HeaderPattern::Contains);
    let matches = regex("matches", &mut fields, faults).map(HeaderPattern::Matches);
    fields.finish(faults);
    if contains.is_some() == matches.is_some() {
        faults.note(value.span(), format!("expected {such_as}"));
    }
    contains.or(matches)
}

/// A header's name.
pub(crate) fn header_name(text: &str) -> Result<HeaderName, &'static str> {
    HeaderName::try_from(text).map_err(|_| "a header's name is letters, digits and -")
}

const A_STATUS: &str = "a status such as 200, a class such as \"2xx\", or a list of these";

fn statuses(value: &Value<'_>, faults: &mut Faults) -> StatusPatterns {
    let patterns: Vec<StatusPattern> = match value.get_ref().as_array() {
        Some(list) => {
            if list.is_empty() {
                faults.note(value.span(), format!("an empty list; expected {A_STATUS}"));
            }
            list.iter().filter_map(|value| status(value, faults)).collect()
        }
        None => status(value, faults).into_iter().collect(),
    };
    StatusPatterns(patterns)
}

fn status(value: &Value<'_>, faults: &mut Faults) -> Option<StatusPattern> {
    if let Some(number) = integer(value) {
        let pattern = u16::try_from(number).ok().filter(|status| (100..600).contains(status));
        if pattern.is_none() {
            faults.note(value.span(), format!("{number} is no HTTP status; expected {A_STATUS}"));
        }
        return pattern.map(StatusPattern::Exact);
    }
    if !value.get_ref().is_str() {
        return mistyped(value, A_STATUS, faults);
    }
    let text = text(value, A_STATUS, faults)?;
    if let [digit @ b'1'..=b'5', b'x', b'x'] = text.get_ref().as_bytes() {
        return Some(StatusPattern::Class(u16::from(digit - b'0')));
    }
    let message = format!("{:?} is no class of HTTP statuses; expected {A_STATUS}", text.get_ref());
    faults.note(value.span(), message);
    None
}
