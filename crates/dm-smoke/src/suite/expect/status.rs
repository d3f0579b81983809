//! The statuses that a test expects.

use http_expect::{StatusPattern, StatusPatterns};

use crate::suite::fields::{Value, integer, mistyped, text};
use crate::suite::reader::TestReader;

const A_STATUS: &str = "a status such as 200, a class such as \"2xx\", or an array of these";

/// Reads a status, a class of them, or an array of these.
pub(super) fn statuses(value: &Value<'_>, reader: &mut TestReader<'_>) -> StatusPatterns {
    let patterns: Vec<StatusPattern> = match value.get_ref().as_array() {
        Some(list) => {
            if list.is_empty() {
                reader.diagnostics.report(value.span(), format!("an empty array; expected {A_STATUS}"));
            }
            list.iter().filter_map(|value| status(value, reader)).collect()
        }
        None => status(value, reader).into_iter().collect(),
    };
    StatusPatterns(patterns)
}

fn status(value: &Value<'_>, reader: &mut TestReader<'_>) -> Option<StatusPattern> {
    if let Some(number) = integer(value) {
        let pattern = u16::try_from(number).ok().filter(|status| (100..600).contains(status));
        if pattern.is_none() {
            reader
                .diagnostics
                .report(value.span(), format!("{number} is not an HTTP status; expected {A_STATUS}"));
        }
        return pattern.map(StatusPattern::Exact);
    }
    if !value.get_ref().is_str() {
        return mistyped(value, A_STATUS, reader.diagnostics);
    }
    let text = text(value, A_STATUS, reader.diagnostics)?;
    if text.get_ref().contains("{{") {
        let written = reader.literal(&text)?;
        return reader.diagnostics.unwrap_or_report(text.span(), written.parse());
    }
    if let [digit @ b'1'..=b'5', b'x', b'x'] = text.get_ref().as_bytes() {
        return Some(StatusPattern::Class(u16::from(digit - b'0')));
    }
    let message = format!("{:?} is not a class of HTTP statuses; expected {A_STATUS}", text.get_ref());
    reader.diagnostics.report(value.span(), message);
    None
}
