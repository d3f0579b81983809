//! A test's `capture`.

use http_expect::Source;

use super::capture::Capture;
use super::dependencies::SpannedName;
use super::expect::{self, json_part};
use super::fields::{Fields, Value};
use super::reader::TestReader;
use super::template::value_name;

/// Reads a test's `capture`; returns the captures and the positions of their names.
pub(crate) fn read(test: &mut Fields<'_>, reader: &mut TestReader<'_>) -> (Vec<Capture>, Vec<SpannedName>) {
    let mut captures = Vec::new();
    let mut names = Vec::new();
    for (name, value) in test.entries("capture", reader.diagnostics) {
        let Some(valid_name) = reader.diagnostics.unwrap_or_report(name.span(), value_name(name.get_ref()))
        else {
            continue;
        };
        names.push((valid_name.clone(), name.span()));
        captures.extend(source(value, reader).map(|source| Capture { name: valid_name, source }));
    }
    (captures, names)
}

fn source(value: &Value<'_>, reader: &mut TestReader<'_>) -> Option<Source> {
    if value.get_ref().is_str() {
        return json_part(value, reader).map(|part| Source { part, regex: None, filters: Vec::new() });
    }
    let form = "a JSONPath such as \"$.token\", or a table such as { header = \"location\" }, { cookie = \"sid\" }, \
                { url = true }, { regex = \"id=(.*)\" } or { json = \"$.data\", filters = [\"base64_decode\"] }";
    let mut fields = Fields::from_value(value, form, reader.diagnostics)?;
    let source = expect::source(&mut fields, value, form, reader);
    fields.finish(reader.diagnostics);
    source
}
