//! The parts of a response that a test expects something of, after filters.

use http_expect::{JsonExpectation, TextCondition, ValueExpectation};

use super::conditions::{add, non_empty_texts, strings, value_conditions};
use super::source::source;
use crate::suite::assertion::HttpExpected;
use crate::suite::expected::{Encoding, Expected};
use crate::suite::fields::{Fields, Value};
use crate::suite::reader::TestReader;

const FORM: &str = "a table such as { json = \"$.token\", filters = [\"base64_decode\"], contains = \"admin\" } or \
                    { header = \"x-ids\", filters = [{ split = \",\" }, \"count\"], is = \"== 3\" }";

/// Reads `value`: a table, or an array of tables.
pub(super) fn read(
    fields: &mut Fields<'_>,
    expected: &mut Expected<HttpExpected>,
    reader: &mut TestReader<'_>,
) {
    let Some(value) = fields.get("value") else { return };
    let values = match value.get_ref().as_array() {
        Some(list) => list,
        None => std::slice::from_ref(value),
    };
    if values.is_empty() {
        reader.diagnostics.report(value.span(), "value must not be an empty array: it would expect nothing");
    }
    for value in values {
        read_one(value, expected, reader);
    }
}

fn read_one(value: &Value<'_>, expected: &mut Expected<HttpExpected>, reader: &mut TestReader<'_>) {
    let Some(mut fields) = Fields::from_value(value, FORM, reader.diagnostics) else { return };
    let index = expected.fixed.response.values.len();
    if let Some(source) = source(&mut fields, value, FORM, reader) {
        let (text, json) = (Vec::new(), Vec::new());
        expected.fixed.response.values.push(ValueExpectation { source, text, json });
    }
    let push = move |expected: &mut HttpExpected, condition: TextCondition| {
        if let Some(value) = expected.response.values.get_mut(index) {
            value.text.push(condition);
        }
    };
    value_conditions(&mut fields, expected, push, reader);
    if let Some(equal) = fields.get("equals") {
        for text in strings(equal, "a string", reader.diagnostics) {
            add(&text, Encoding::Plain, expected, reader, move |text, expected| {
                push(expected, TextCondition::Equals(text.to_owned()));
                Ok(())
            });
        }
    }
    for text in non_empty_texts("is", &mut fields, reader.diagnostics) {
        add(&text, Encoding::of_json(text.get_ref()), expected, reader, move |text, expected| {
            let json = JsonExpectation::of_whole(text)?;
            if let Some(value) = expected.response.values.get_mut(index) {
                value.json.push(json);
            }
            Ok(())
        });
    }
    fields.finish(reader.diagnostics);
}
