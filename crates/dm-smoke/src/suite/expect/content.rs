//! What a test expects of a whole body.

use http_expect::{ContentCondition, TextCondition};

use super::conditions::{add, strings};
use crate::suite::assertion::HttpExpected;
use crate::suite::expected::{Encoding, Expected};
use crate::suite::fields::{Fields, Value, integer};
use crate::suite::reader::TestReader;

/// Reads `body_equals`, `body_file`, `body_size` and `sha256`.
pub(super) fn read(
    fields: &mut Fields<'_>,
    expected: &mut Expected<HttpExpected>,
    reader: &mut TestReader<'_>,
) {
    if let Some(value) = fields.get("body_equals") {
        for text in strings(value, "a string", reader.diagnostics) {
            add(&text, Encoding::Plain, expected, reader, |text, expected| {
                expected.response.body.0.push(TextCondition::Equals(text.to_owned()));
                Ok(())
            });
        }
    }
    if let Some(text) = fields.text("sha256", reader.diagnostics) {
        // One that is inserted is not known yet.
        if !text.get_ref().contains("{{") && !ContentCondition::is_sha256(text.get_ref()) {
            reader.diagnostics.report(text.span(), "a SHA-256 has 64 hexadecimal digits");
        }
        add(&text, Encoding::Plain, expected, reader, |text, expected| {
            expected.response.content.push(ContentCondition::Sha256(text.to_owned()));
            Ok(())
        });
        expected.fixed.measures_body = true;
    }
    if let Some(size) = fields.get("body_size") {
        expected.fixed.response.content.extend(body_size(size, reader));
        expected.fixed.measures_body = true;
    }
    if let Some(file) = fields.get("body_file") {
        expected.fixed.body_file = reader.path(file);
        expected.fixed.measures_body = true;
    }
}

fn body_size(value: &Value<'_>, reader: &mut TestReader<'_>) -> Option<ContentCondition> {
    let form = "a number of bytes, or a table such as { min = 1, max = 4096 }";
    let bytes = |value: &Value<'_>| integer(value).and_then(|bytes| u64::try_from(bytes).ok());
    if let Some(size) = bytes(value) {
        return Some(ContentCondition::Size { min: Some(size), max: Some(size) });
    }
    let Some(table) = value.get_ref().as_table().filter(|table| !table.is_empty()) else {
        reader.diagnostics.report(value.span(), format!("expected {form}"));
        return None;
    };
    let mut fields = Fields::new(table);
    let [min, max] = ["min", "max"].map(|name| {
        let value = fields.get(name)?;
        let size = bytes(value);
        if size.is_none() {
            reader.diagnostics.report(value.span(), format!("expected {form}"));
        }
        size
    });
    fields.finish(reader.diagnostics);
    Some(ContentCondition::Size { min, max })
}
