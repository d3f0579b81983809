//! What a test expects of where a response came from.

use http::Version;

use super::conditions::text_conditions;
use crate::suite::assertion::HttpExpected;
use crate::suite::expected::Expected;
use crate::suite::fields::Fields;
use crate::suite::http::MAX_REDIRECTS;
use crate::suite::reader::TestReader;

const VERSIONS: [(&str, Version); 3] =
    [("1.0", Version::HTTP_10), ("1.1", Version::HTTP_11), ("2", Version::HTTP_2)];

/// The most days that a test can expect a certificate to last.
const MAX_DAYS: u32 = 100_000;

/// Reads `http_version`, `redirects`, `url` and `certificate`.
pub(super) fn read(
    fields: &mut Fields<'_>,
    expected: &mut Expected<HttpExpected>,
    reader: &mut TestReader<'_>,
) {
    expected.fixed.response.version = fields.text("http_version", reader.diagnostics).and_then(|text| {
        let known = VERSIONS.into_iter().find(|(name, _)| name == text.get_ref()).map(|(_, version)| version);
        let known = known.ok_or("http_version is one of \"1.0\", \"1.1\" and \"2\"");
        reader.diagnostics.unwrap_or_report(text.span(), known)
    });
    expected.fixed.response.redirects = fields.number("redirects", 0..MAX_REDIRECTS + 1, reader.diagnostics);
    if let Some(url) = fields.get("url") {
        text_conditions(url, expected, |expected, condition| expected.response.url.push(condition), reader);
    }
    let Some(value) = fields.get("certificate") else { return };
    let form = "a table such as { min_days = 14 } or { issuer = { contains = \"Let's Encrypt\" } }";
    let Some(mut table) = Fields::from_value(value, form, reader.diagnostics) else { return };
    let min_days = table.number("min_days", 0..MAX_DAYS, reader.diagnostics);
    expected.fixed.response.certificate.min_days = min_days;
    if let Some(issuer) = table.get("issuer") {
        let push =
            |expected: &mut HttpExpected, condition| expected.response.certificate.issuer.push(condition);
        text_conditions(issuer, expected, push, reader);
    }
    if let Some(subject) = table.get("subject") {
        let push =
            |expected: &mut HttpExpected, condition| expected.response.certificate.subject.push(condition);
        text_conditions(subject, expected, push, reader);
    }
    table.finish(reader.diagnostics);
    if value.get_ref().as_table().is_some_and(|table| table.is_empty()) {
        reader.diagnostics.report(value.span(), format!("expected {form}"));
    }
}
