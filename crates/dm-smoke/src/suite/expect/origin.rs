//! What a test expects of where a response came from.

use http::Version;
use http_expect::{CertificateExpectation, TextCondition};
use toml::Spanned;

use super::conditions::{add, strings, text_conditions};
use crate::suite::assertion::HttpExpected;
use crate::suite::connection::MAX_REDIRECTS;
use crate::suite::expected::{Encoding, Expected};
use crate::suite::fields::Fields;
use crate::suite::reader::TestReader;

const VERSIONS: [(&str, Version); 3] =
    [("1.0", Version::HTTP_10), ("1.1", Version::HTTP_11), ("2", Version::HTTP_2)];

/// The texts of a certificate.
const CERTIFICATE: [(&str, Conditions); 4] = [
    ("issuer", |certificate| &mut certificate.issuer),
    ("subject", |certificate| &mut certificate.subject),
    ("serial", |certificate| &mut certificate.serial),
    ("names", |certificate| &mut certificate.names),
];

type Conditions = fn(&mut CertificateExpectation) -> &mut Vec<TextCondition>;

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
    redirects(fields, expected, reader);
    if let Some(url) = fields.get("url") {
        text_conditions(url, expected, |expected, condition| expected.response.url.push(condition), reader);
    }
    let Some(value) = fields.get("certificate") else { return };
    let form = "a table such as { min_days = 14 } or { issuer = { contains = \"Let's Encrypt\" } }";
    let Some(mut table) = Fields::from_value(value, form, reader.diagnostics) else { return };
    let min_days = table.number("min_days", 0..MAX_DAYS, reader.diagnostics);
    expected.fixed.response.certificate.min_days = min_days;
    for (name, conditions) in CERTIFICATE {
        if let Some(value) = table.get(name) {
            let push = move |expected: &mut HttpExpected, condition| {
                conditions(&mut expected.response.certificate).push(condition);
            };
            text_conditions(value, expected, push, reader);
        }
    }
    table.finish(reader.diagnostics);
    if value.get_ref().as_table().is_some_and(toml::map::Map::is_empty) {
        reader.diagnostics.report(value.span(), format!("expected {form}"));
    }
}

/// Reads a number of redirects, or where they led.
fn redirects(fields: &mut Fields<'_>, expected: &mut Expected<HttpExpected>, reader: &mut TestReader<'_>) {
    let Some(list) = fields.get("redirects").filter(|value| value.get_ref().is_array()) else {
        let number = fields.number("redirects", 0..MAX_REDIRECTS + 1, reader.diagnostics);
        expected.fixed.response.redirects = number.and_then(|number| usize::try_from(number).ok());
        return;
    };
    let urls = strings(list, "a number, or an array of URLs", reader.diagnostics);
    // One template: they stay in their order, whichever contain captured values. No URL contains a line feed.
    let joined = urls.iter().map(|url| *url.get_ref()).collect::<Vec<_>>().join("\n");
    if !urls.is_empty() {
        add(
            &Spanned::new(list.span(), joined.as_str()),
            Encoding::Plain,
            expected,
            reader,
            |text, expected| {
                expected.response.redirect_urls = Some(text.split('\n').map(str::to_owned).collect());
                Ok(())
            },
        );
    }
}
