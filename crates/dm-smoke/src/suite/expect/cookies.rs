//! The cookies that a test expects.

use http_expect::{CookieExpectation, SameSite};

use super::conditions::{text_conditions, value_conditions};
use crate::suite::assertion::HttpExpected;
use crate::suite::expected::Expected;
use crate::suite::fields::{Fields, Value, integer, mistyped};
use crate::suite::reader::TestReader;

const SAME_SITE: [(&str, SameSite); 3] =
    [("Lax", SameSite::Lax), ("None", SameSite::None), ("Strict", SameSite::Strict)];

/// Reads the `cookies` of an `expect`.
pub(super) fn read(
    fields: &mut Fields<'_>,
    expected: &mut Expected<HttpExpected>,
    reader: &mut TestReader<'_>,
) {
    for (name, value) in fields.entries("cookies", reader.diagnostics) {
        let Some(name) = reader.literal(&name) else { continue };
        let index = expected.fixed.response.cookies.len();
        expected.fixed.response.cookies.push(CookieExpectation { name, ..CookieExpectation::default() });
        let push = move |expected: &mut HttpExpected, condition| {
            if let Some(cookie) = expected.response.cookies.get_mut(index) {
                cookie.value.push(condition);
            }
        };
        if !value.get_ref().is_table() {
            text_conditions(value, expected, push, reader);
            continue;
        }
        let form =
            "a string, or a table such as { matches = \"^[0-9a-f]+$\", secure = true } or { absent = true }";
        let Some(mut table) = Fields::from_value(value, form, reader.diagnostics) else { continue };
        value_conditions(&mut table, expected, push, reader);
        if let Some(cookie) = expected.fixed.response.cookies.get_mut(index) {
            attributes(&mut table, cookie, reader);
        }
        table.finish(reader.diagnostics);
        if value.get_ref().as_table().is_some_and(toml::map::Map::is_empty) {
            reader.diagnostics.report(value.span(), format!("expected {form}"));
        }
    }
}

fn attributes(table: &mut Fields<'_>, cookie: &mut CookieExpectation, reader: &mut TestReader<'_>) {
    if let Some(absent) = table.get("absent") {
        cookie.is_absent = absent.get_ref().as_bool() == Some(true);
        if !cookie.is_absent {
            reader.diagnostics.report(absent.span(), "absent can only be true");
        }
    }
    cookie.secure = table.boolean("secure", reader.diagnostics);
    cookie.http_only = table.boolean("http_only", reader.diagnostics);
    cookie.same_site = table.text("same_site", reader.diagnostics).and_then(|text| {
        let known = SAME_SITE.into_iter().find(|(name, _)| name == text.get_ref()).map(|(_, site)| site);
        reader
            .diagnostics
            .unwrap_or_report(text.span(), known.ok_or("same_site is one of Lax, None and Strict"))
    });
    let mut literal = |field| {
        let text = table.text(field, reader.diagnostics)?;
        reader.literal(&text)
    };
    (cookie.path, cookie.domain) = (literal("path"), literal("domain"));
    cookie.max_age = table.get("max_age").and_then(|value: &Value<'_>| {
        integer(value).or_else(|| mistyped(value, "a number of seconds", reader.diagnostics))
    });
}
