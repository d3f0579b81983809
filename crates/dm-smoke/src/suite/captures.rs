//! A test's `capture`.

use super::capture::{Capture, Part, Source};
use super::dependencies::SpannedName;
use super::expect::{header_name, regex};
use super::fields::{self, Fields, Value};
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
        return json(value, reader).map(|part| Source { part, regex: None });
    }
    let expected_form = "a JSONPath such as \"$.token\", or a table such as { header = \"location\" }, { cookie = \"sid\" }, \
                         { url = true } or { regex = \"id=(.*)\" }";
    let mut fields = Fields::from_value(value, expected_form, reader.diagnostics)?;
    let path = fields.get("json");
    let header = fields.text("header", reader.diagnostics);
    let cookie = fields.text("cookie", reader.diagnostics);
    let url = fields.get("url").map(|value| value.get_ref().as_bool() == Some(true));
    let has_regex = fields.get("regex").is_some();
    let regex = regex("regex", &mut fields, reader);
    fields.finish(reader.diagnostics);
    let part = match (path, header, cookie, url) {
        (Some(path), None, None, None) => json(path, reader)?,
        (None, Some(header), None, None) => {
            Part::Header(reader.diagnostics.unwrap_or_report(header.span(), header_name(header.get_ref()))?)
        }
        (None, None, Some(cookie), None) => Part::Cookie(reader.literal(&cookie)?),
        (None, None, None, Some(true)) => Part::Url,
        (None, None, None, None) if has_regex => Part::Body,
        _ => {
            reader.diagnostics.report(value.span(), format!("expected {expected_form}"));
            return None;
        }
    };
    Some(Source { part, regex })
}

fn json(value: &Value<'_>, reader: &mut TestReader<'_>) -> Option<Part> {
    let path = fields::text(value, "a JSONPath", reader.diagnostics)?;
    let literal = reader.literal(&path)?;
    reader.diagnostics.unwrap_or_report(path.span(), literal.parse()).map(Part::Json)
}
