//! Reads and validates a suite file as a whole, before any test runs.

use std::collections::HashMap;
use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result, anyhow};
use common::fs::bounded;
use common::label::Label;
use common::secrets::Redactor;
use toml::de::{DeArray, DeTable, DeValue};

use super::fields::{self, Diagnostic, Diagnostics, Fields};
use super::model::{Suite, Test};
use super::position::{LineCounter, line_and_column};
use super::reader::{SuiteOptions, TestReader};
use super::{defaults, dependencies, test};
use crate::args::TOOL;
use crate::redact;

/// The most errors that are reported at once.
const MAX_DIAGNOSTICS: usize = 20;

/// The largest suite file, in bytes.
const MAX_BYTES: u64 = 32 * 1024 * 1024;

/// Reads and validates a suite file.
///
/// # Errors
///
/// If the file cannot be read, or if it is not a valid suite. The message then has a line for each error, with its line
/// and column.
pub(crate) fn read(path: &Path, options: &SuiteOptions<'_>) -> Result<Suite> {
    let text =
        bounded::read_text(path, MAX_BYTES).with_context(|| format!("cannot read {}", path.display()))?;
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    parse(&text, &stem, options).map_err(|diagnostics| anyhow!(format_diagnostics(&text, path, &diagnostics)))
}

fn format_diagnostics(text: &str, path: &Path, diagnostics: &[Diagnostic]) -> String {
    let mut lines = String::new();
    for Diagnostic { at, message } in diagnostics.iter().take(MAX_DIAGNOSTICS) {
        let (line, column) = line_and_column(text, at.start);
        // Messages of the TOML parser have several lines.
        let message = message.lines().map(str::trim).collect::<Vec<_>>().join("; ");
        let prefix = if lines.is_empty() { String::new() } else { format!("\n{}: ", TOOL.name) };
        // Writing to a String cannot fail.
        let _ = write!(lines, "{prefix}{}:{line}:{column}: {message}", path.display());
    }
    if let Some(more @ 1..) = diagnostics.len().checked_sub(MAX_DIAGNOSTICS) {
        let _ = write!(lines, "\n{}: and {more} more", TOOL.name);
    }
    lines
}

/// Parses a suite; `stem` is its name if the text sets none. Returns all errors in the order of the text.
fn parse(text: &str, stem: &str, options: &SuiteOptions<'_>) -> Result<Suite, Vec<Diagnostic>> {
    let (document, errors) = DeTable::parse_recoverable(text);
    let mut diagnostics = Diagnostics::default();
    for error in errors {
        diagnostics.report(error.span().unwrap_or_default(), error.message());
    }
    // The content of a file that is not TOML is undefined.
    diagnostics.into_result()?;
    let mut diagnostics = Diagnostics::default();
    let suite = suite(document.into_inner(), text, stem, options, &mut diagnostics);
    diagnostics.into_result()?;
    suite.ok_or_else(Vec::new)
}

fn suite(
    document: DeTable<'_>,
    text: &str,
    stem: &str,
    options: &SuiteOptions<'_>,
    diagnostics: &mut Diagnostics,
) -> Option<Suite> {
    let mut fields = Fields::new(&document);
    let name = match fields.text("name", diagnostics) {
        Some(name) => diagnostics.unwrap_or_report(name.span(), name.get_ref().parse::<Label>()),
        None => Label::sanitize(stem),
    };
    if let Some(value) = fields.get("test").filter(|value| !value.get_ref().is_array()) {
        fields::mistyped::<()>(value, "[[test]]", diagnostics);
    }
    let mut secrets = Vec::new();
    let mut reader =
        TestReader { options, diagnostics, secrets: &mut secrets, defaults: &[], uses: Vec::new() };
    let defaults = defaults::read(fields.get("defaults"), &mut reader);
    fields.finish(diagnostics);
    let tests = tests(document, text, options, &defaults, &mut secrets, diagnostics);
    secrets.sort_unstable();
    secrets.dedup();
    let mut redactor = Redactor::default();
    redactor.add(redact::encoded_forms(&secrets));
    // A request can go to the base URL, and a command can print the variable that contains it.
    redactor.add(options.base_url.map(redact::url_secrets).unwrap_or_default());
    Some(Suite { name: name?, tests, secrets: redactor })
}

fn tests(
    document: DeTable<'_>,
    source: &str,
    options: &SuiteOptions<'_>,
    defaults: &[defaults::Header],
    secrets: &mut Vec<String>,
    diagnostics: &mut Diagnostics,
) -> Vec<Arc<Test>> {
    let entries =
        document.into_iter().find(|(key, _)| key.get_ref() == "test").map(|(_, value)| value.into_inner());
    let entries = if let Some(DeValue::Array(entries)) = entries { entries } else { DeArray::new() };
    let mut line_of_name = HashMap::new();
    let mut lines = LineCounter::new(source);
    let (mut tests, mut references) = (Vec::with_capacity(entries.len()), Vec::with_capacity(entries.len()));
    // Each entry is dropped as soon as it is read: together they need more memory than the tests.
    for entry in entries {
        let mut reader = TestReader { options, diagnostics, secrets, defaults, uses: Vec::new() };
        let Some((mut test, names)) = test::read(&entry, &mut reader) else { continue };
        test.line = lines.line_at(names.at.start);
        if let Some(first) = line_of_name.insert(test.name.clone(), test.line) {
            diagnostics.report(names.at.clone(), format!("line {first} already has a test of this name"));
        }
        tests.push(test);
        references.push(names);
    }
    let dependencies = dependencies::resolve(&references, diagnostics);
    tests
        .into_iter()
        .zip(dependencies)
        .map(|(test, depends_on)| Arc::new(Test { depends_on, ..test }))
        .collect()
}

#[cfg(test)]
mod tests;
