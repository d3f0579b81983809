//! Which part of a response is meant, in a capture or in an expectation.

use http_expect::{Part, Source};

use super::conditions::regex;
use super::filters;
use super::headers::header_name;
use crate::suite::fields::{self, Fields, Value};
use crate::suite::reader::TestReader;

/// Reads the part, the expression and the filters in a table. `at` is the table, and `form` describes it.
pub(crate) fn source(
    fields: &mut Fields<'_>,
    at: &Value<'_>,
    form: &str,
    reader: &mut TestReader<'_>,
) -> Option<Source> {
    let path = fields.get("json");
    let header = fields.text("header", reader.diagnostics);
    let cookie = fields.text("cookie", reader.diagnostics);
    let flags = [("url", Part::Url), ("status", Part::Status), ("body", Part::Body), ("bytes", Part::Bytes)];
    let mut parts: Vec<Option<Part>> = Vec::new();
    for (name, part) in flags {
        if let Some(flag) = fields.get(name) {
            parts.push((flag.get_ref().as_bool() == Some(true)).then_some(part));
        }
    }
    let is_body = fields.get("regex").is_some() || fields.get("filters").is_some();
    let regex = regex("regex", fields, reader);
    let filters = filters::read(fields, reader);
    if let Some(path) = path {
        parts.push(Some(json_part(path, reader)?));
    }
    if let Some(header) = header {
        let name = reader.diagnostics.unwrap_or_report(header.span(), header_name(header.get_ref()))?;
        parts.push(Some(Part::Header(name)));
    }
    if let Some(cookie) = cookie {
        parts.push(Some(Part::Cookie(reader.literal(&cookie)?)));
    }
    if parts.is_empty() && is_body {
        parts.push(Some(Part::Body));
    }
    let only = if parts.len() == 1 { parts.pop().flatten() } else { None };
    let Some(part) = only else {
        reader.diagnostics.report(at.span(), format!("expected {form}"));
        return None;
    };
    Some(Source { part, regex, filters })
}

/// Reads a JSONPath.
pub(crate) fn json_part(value: &Value<'_>, reader: &mut TestReader<'_>) -> Option<Part> {
    let path = fields::text(value, "a JSONPath", reader.diagnostics)?;
    let literal = reader.literal(&path)?;
    reader.diagnostics.unwrap_or_report(path.span(), literal.parse()).map(Part::Json)
}
