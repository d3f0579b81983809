//! A `[[test]]` of the suite file.

use std::mem;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use toml::Spanned;

use super::dependencies::References;
use super::fields::{self, Diagnostics, Fields, Value};
use super::model::{CommandTest, Polling, Section, Test, TestKind};
use super::reader::TestReader;
use super::{captures, command, http};
use crate::args::MAX_RETRIES;

/// The time between two polls of a test that does not set it.
const DEFAULT_INTERVAL: Duration = Duration::from_secs(1);

/// Reads a test and its references to other tests. Returns `None` if the entry has no usable name.
pub(crate) fn read(
    entry: &Value<'_>,
    section: Section,
    file: &Arc<Path>,
    reader: &mut TestReader<'_>,
) -> Option<(Test, References)> {
    let mut fields = Fields::from_value(entry, "a table", reader.diagnostics)?;
    let name = fields.get("name");
    if name.is_none() {
        reader.diagnostics.report(entry.span(), "missing field `name`");
    }
    let name = name.and_then(|name| fields::text(name, "a string", reader.diagnostics));
    let (http, command, env) = (fields.get("http"), fields.get("command"), fields.get("env"));
    let env_entries = fields.entries("env", reader.diagnostics);
    let expect = fields.get("expect");
    let timeout = fields.duration("timeout", reader.diagnostics);
    let retries = fields.number("retries", 0..MAX_RETRIES + 1, reader.diagnostics);
    let polling = polling(&mut fields, reader);
    let delay = fields.duration("delay", reader.diagnostics);
    let each = fields.get("each");
    let tags = fields.texts("tags", reader.diagnostics);
    let depends_on = fields.texts("depends_on", reader.diagnostics);
    let (captures, captured_names) = captures::read(&mut fields, reader);
    let capture = fields.get("capture");
    fields.finish(reader.diagnostics);
    let literal_name = name.as_ref().and_then(|name| reader.literal(name));
    if let Some(name) = &name {
        check_name(name, reader.diagnostics);
        if each.is_some() && !name.get_ref().contains("row.") {
            let message =
                "the name needs a value such as {{row.user}}, so that the test of each row has its own";
            reader.diagnostics.report(name.span(), message);
        }
    }
    let kind = match (http, command) {
        (Some(http), None) => {
            if let Some(env) = env {
                reader.diagnostics.report(env.span(), "an http test takes no env; use {{env.NAME}}");
            }
            http::read(http, expect, captures, reader).map(|http| TestKind::Http(Box::new(http)))
        }
        (None, Some(argv)) => {
            if let Some(capture) = capture {
                reader.diagnostics.report(capture.span(), "a command test takes no capture");
            }
            command::read(argv, expect, env_entries, reader).map(TestKind::Command)
        }
        (Some(_), Some(argv)) => {
            reader.diagnostics.report(argv.span(), "a test takes either http or command, not both");
            None
        }
        (None, None) => {
            reader.diagnostics.report(entry.span(), "a test needs http or command");
            None
        }
    };
    let name = name?;
    let references = References {
        name: literal_name.unwrap_or_else(|| (*name.get_ref()).to_owned()),
        source: reader.diagnostics.source,
        at: name.span(),
        depends_on: depends_on.iter().filter_map(|name| Some((reader.literal(name)?, name.span()))).collect(),
        captures: captured_names,
        uses: mem::take(&mut reader.uses),
    };
    let test = Test {
        name: references.name.clone(),
        section,
        file: Arc::clone(file),
        line: 0,
        timeout: timeout.unwrap_or(reader.options.timeout),
        // A test with an error never runs, but other tests can refer to its name.
        kind: kind.unwrap_or_else(|| TestKind::Command(CommandTest::default())),
        retries,
        polling,
        delay,
        tags: tags.iter().filter_map(|tag| reader.literal(tag)).collect(),
        depends_on: Vec::new(),
    };
    Some((test, references))
}

/// Reads `until` and `interval`.
fn polling(fields: &mut Fields<'_>, reader: &mut TestReader<'_>) -> Option<Polling> {
    let interval_given = fields.get("interval");
    let interval = fields.duration("interval", reader.diagnostics).unwrap_or(DEFAULT_INTERVAL);
    let retries = fields.get("retries");
    if fields.get("until").is_none() {
        if let Some(interval) = interval_given {
            reader.diagnostics.report(interval.span(), "interval needs until");
        }
        return None;
    }
    if let Some(retries) = retries {
        reader.diagnostics.report(retries.span(), "a test takes only one of until and retries");
    }
    fields.duration("until", reader.diagnostics).map(|until| Polling { until, interval })
}

fn check_name(name: &Spanned<&str>, diagnostics: &mut Diagnostics) {
    if name.get_ref().trim().is_empty() {
        diagnostics.report(name.span(), "the name of a test must not be empty");
    } else if name.get_ref().chars().any(|c| c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}')) {
        diagnostics.report(name.span(), "the name of a test must be one line without control characters");
    }
}
