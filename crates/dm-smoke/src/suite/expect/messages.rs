//! The messages of a stream that a test expects.

use http_expect::{MessageExpectation, TextCondition};

use super::conditions::{add, non_empty_texts, value_conditions};
use crate::suite::assertion::HttpExpected;
use crate::suite::expected::{Encoding, Expected};
use crate::suite::fields::{Fields, Value};
use crate::suite::reader::TestReader;

/// Reads `message`: a table, or an array of tables for messages that come one after the other.
pub(super) fn read(
    fields: &mut Fields<'_>,
    expected: &mut Expected<HttpExpected>,
    reader: &mut TestReader<'_>,
) {
    let Some(value) = fields.get("message") else { return };
    let messages = match value.get_ref().as_array() {
        Some(list) => list,
        None => std::slice::from_ref(value),
    };
    if messages.is_empty() {
        reader
            .diagnostics
            .report(value.span(), "message must not be an empty array: it would expect nothing");
    }
    for message in messages {
        read_one(message, expected, reader);
    }
}

fn read_one(value: &Value<'_>, expected: &mut Expected<HttpExpected>, reader: &mut TestReader<'_>) {
    let form = "a table such as { event = \"price\", json = \"$.price > 0\" } or { contains = \"hello\" }";
    let Some(mut fields) = Fields::from_value(value, form, reader.diagnostics) else { return };
    let index = expected.fixed.messages.len();
    let event = fields.text("event", reader.diagnostics).and_then(|event| reader.literal(&event));
    expected.fixed.messages.push(MessageExpectation { event, ..MessageExpectation::default() });
    let push = move |expected: &mut HttpExpected, condition: TextCondition| {
        if let Some(message) = expected.messages.get_mut(index) {
            message.text.0.push(condition);
        }
    };
    value_conditions(&mut fields, expected, push, reader);
    for text in non_empty_texts("json", &mut fields, reader.diagnostics) {
        add(&text, Encoding::of_json(text.get_ref()), expected, reader, move |text, expected| {
            let json = text.parse()?;
            if let Some(message) = expected.messages.get_mut(index) {
                message.json.push(json);
            }
            Ok(())
        });
    }
    fields.finish(reader.diagnostics);
}
