//! A test's `expect`, for each kind of test.

mod conditions;
mod content;
mod cookies;
mod filters;
mod headers;
mod messages;
mod origin;
mod source;
mod status;
mod values;

use http_expect::JsonExpectation;

use crate::suite::assertion::{CommandExpected, HttpExpected};
use crate::suite::expected::{Encoding, Expected};
use crate::suite::fields::{Diagnostics, Fields, Value};
use crate::suite::reader::TestReader;
use conditions::{BODY, STDERR, STDOUT, add, non_empty_texts, texts};

pub(crate) use headers::header_name;
pub(crate) use source::{json_part, source};

const HTTP: [&str; 20] = [
    "status",
    "headers",
    "cookies",
    "body_contains",
    "body_not_contains",
    "body_matches",
    "body_not_matches",
    "body_equals",
    "body_file",
    "body_size",
    "sha256",
    "json",
    "json_absent",
    "value",
    "http_version",
    "redirects",
    "url",
    "certificate",
    "message",
    "max_latency",
];
const COMMAND: [&str; 9] = [
    "exit",
    "stdout_contains",
    "stdout_not_contains",
    "stdout_matches",
    "stdout_not_matches",
    "stderr_contains",
    "stderr_not_contains",
    "stderr_matches",
    "stderr_not_matches",
];

/// Reads the `expect` of an HTTP test.
pub(crate) fn http(entry: Option<&Value<'_>>, reader: &mut TestReader<'_>) -> Expected<HttpExpected> {
    let mut expected = Expected::<HttpExpected>::default();
    let Some(mut fields) = fields(entry, reader.diagnostics) else { return expected };
    refuse(&mut fields, &COMMAND, "an http test", &HTTP, reader.diagnostics);
    if let Some(value) = fields.get("status") {
        expected.fixed.response.status = status::statuses(value, reader);
    }
    headers::read(&mut fields, &mut expected, reader);
    cookies::read(&mut fields, &mut expected, reader);
    content::read(&mut fields, &mut expected, reader);
    origin::read(&mut fields, &mut expected, reader);
    messages::read(&mut fields, &mut expected, reader);
    values::read(&mut fields, &mut expected, reader);
    texts(BODY, &mut fields, &mut expected, |expected| &mut expected.response.body, reader);
    for text in non_empty_texts("json", &mut fields, reader.diagnostics) {
        add(&text, Encoding::of_json(text.get_ref()), &mut expected, reader, |text, expected| {
            expected.response.json.push(text.parse()?);
            Ok(())
        });
    }
    for text in non_empty_texts("json_absent", &mut fields, reader.diagnostics) {
        add(&text, Encoding::Json, &mut expected, reader, |text, expected| {
            expected.response.json.push(JsonExpectation::absent(text)?);
            Ok(())
        });
    }
    expected.fixed.max_latency = fields.duration("max_latency", reader.diagnostics);
    fields.finish(reader.diagnostics);
    expected
}

/// Whether an `expect` says which statuses are expected.
pub(crate) fn has_status(entry: Option<&Value<'_>>) -> bool {
    let table = entry.and_then(|entry| entry.get_ref().as_table());
    table.is_some_and(|table| table.keys().any(|key| key.get_ref() == "status"))
}

/// Reads the `expect` of a command test.
pub(crate) fn command(entry: Option<&Value<'_>>, reader: &mut TestReader<'_>) -> Expected<CommandExpected> {
    let mut expected = Expected::<CommandExpected>::default();
    let Some(mut fields) = fields(entry, reader.diagnostics) else { return expected };
    refuse(&mut fields, &HTTP, "a command test", &COMMAND, reader.diagnostics);
    let exit = fields.number("exit", 0..256, reader.diagnostics);
    expected.fixed.exit = exit.and_then(|code| u8::try_from(code).ok()).unwrap_or_default();
    texts(STDOUT, &mut fields, &mut expected, |expected| &mut expected.stdout, reader);
    texts(STDERR, &mut fields, &mut expected, |expected| &mut expected.stderr, reader);
    fields.finish(reader.diagnostics);
    expected
}

fn fields<'t>(entry: Option<&'t Value<'t>>, diagnostics: &mut Diagnostics) -> Option<Fields<'t>> {
    Fields::from_value(entry?, "a table such as { status = 200 }", diagnostics)
}

/// Reports fields that belong to the other kind of test.
fn refuse(
    fields: &mut Fields<'_>,
    other_kind: &[&'static str],
    kind: &str,
    allowed: &[&str],
    diagnostics: &mut Diagnostics,
) {
    for name in other_kind {
        if let Some(value) = fields.misplaced(name) {
            diagnostics.report(value.span(), format!("{kind} takes no {name}, only {}", allowed.join(", ")));
        }
    }
}
