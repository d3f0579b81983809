//! The headers that a test expects.

use http_expect::{HeaderExpectation, HeaderPattern};
use reqwest::header::HeaderName;

use super::conditions::{CONDITIONS, VALUE, add, non_empty_texts, strings};
use crate::suite::assertion::HttpExpected;
use crate::suite::expected::{Encoding, Expected};
use crate::suite::fields::{Fields, Value};
use crate::suite::reader::TestReader;

/// The most headers of one name that a test can count.
const MAX_COUNT: u32 = 1000;

/// Reads the `headers` of an `expect`.
pub(super) fn read(
    fields: &mut Fields<'_>,
    expected: &mut Expected<HttpExpected>,
    reader: &mut TestReader<'_>,
) {
    for (name, value) in fields.entries("headers", reader.diagnostics) {
        let checked = header_name(name.get_ref());
        let Some(name) = reader.diagnostics.unwrap_or_report(name.span(), checked) else { continue };
        if value.get_ref().is_table() {
            table(&name, value, expected, reader);
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

fn table(
    name: &HeaderName,
    value: &Value<'_>,
    expected: &mut Expected<HttpExpected>,
    reader: &mut TestReader<'_>,
) {
    let expected_form = "a string, or a table such as { contains = \"json\" }, { matches = \"^text/\" }, { count = 2 }, \
                         { present = true } or { absent = true }";
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
    let count = fields.number("count", 0..MAX_COUNT, reader.diagnostics).map(HeaderPattern::Count);
    let flag = |is_set: Option<&Value<'_>>| is_set.map(|value| value.get_ref().as_bool());
    let [present, absent] = ["present", "absent"].map(|field| flag(fields.get(field)));
    fields.finish(reader.diagnostics);
    let pattern = match (present, absent, conditions) {
        (Some(Some(true)), None, _) => Some(HeaderPattern::Present),
        (None, Some(Some(true)), 0) if count.is_none() => Some(HeaderPattern::Absent),
        (None, None, _) if conditions > 0 || count.is_some() => None,
        _ => return reader.diagnostics.report(value.span(), format!("expected {expected_form}")),
    };
    let patterns = pattern.into_iter().chain(count);
    let headers = patterns.map(|pattern| HeaderExpectation { name: name.clone(), pattern });
    expected.fixed.response.headers.extend(headers);
}

/// Parses the name of a header.
pub(crate) fn header_name(text: &str) -> Result<HeaderName, &'static str> {
    HeaderName::try_from(text).map_err(|_| "the name of a header consists of letters, digits and -")
}
