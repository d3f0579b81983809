//! Reads and validates a suite file as a whole, before any test runs.

use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result, anyhow};
use common::fs::bounded;
use common::label::Label;
use common::secrets::Redactor;

use super::dependencies::{self, References};
use super::fields::{Diagnostic, Diagnostics};
use super::loader::{Loader, MAX_BYTES, Source};
use super::model::{Section, Suite, Test};
use super::position::line_and_column;
use super::reader::SuiteOptions;
use crate::args::TOOL;
use crate::redact;

/// The most errors that are reported at once.
const MAX_DIAGNOSTICS: usize = 20;

/// Reads and validates a suite file, and those that it includes.
///
/// # Errors
///
/// If a file cannot be read, or if they are not a valid suite. The message then has a line for each error, with its file,
/// line and column.
pub(crate) fn read(path: &Path, options: &SuiteOptions<'_>) -> Result<Suite> {
    let text =
        bounded::read_text(path, MAX_BYTES).with_context(|| format!("cannot read {}", path.display()))?;
    parse(path, text, options)
        .map_err(|(sources, diagnostics)| anyhow!(format_diagnostics(&sources, &diagnostics, TOOL.name)))
}

/// A line for each error, of which each but the first begins with the name of the tool.
pub(super) fn format_diagnostics(sources: &[Source], diagnostics: &[Diagnostic], tool: &str) -> String {
    let mut lines = String::new();
    for Diagnostic { source, at, message } in diagnostics.iter().take(MAX_DIAGNOSTICS) {
        let Some(Source { path, text }) = sources.get(*source) else { continue };
        let (line, column) = line_and_column(text, at.start);
        // Messages of the TOML parser have several lines.
        let message = message.lines().map(str::trim).collect::<Vec<_>>().join("; ");
        let prefix = if lines.is_empty() { String::new() } else { format!("\n{tool}: ") };
        // Writing to a String cannot fail.
        let _ = write!(lines, "{prefix}{}:{line}:{column}: {message}", path.display());
    }
    if let Some(more @ 1..) = diagnostics.len().checked_sub(MAX_DIAGNOSTICS) {
        let _ = write!(lines, "\n{tool}: and {more} more");
    }
    lines
}

/// Parses a suite. Returns all errors, in the order of the files and in the order of their texts.
fn parse(
    path: &Path,
    text: String,
    options: &SuiteOptions<'_>,
) -> Result<Suite, (Vec<Source>, Vec<Diagnostic>)> {
    let mut loader = Loader::new(options);
    let (name, _) = loader.load(path, text);
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let Loader { sources, mut tests, mut diagnostics, mut secrets, .. } = loader;
    tests.sort_by_key(|(test, _)| test.section);
    let tests = link(tests, &mut diagnostics);
    if let Err(diagnostics) = diagnostics.into_result() {
        return Err((sources, diagnostics));
    }
    secrets.sort_unstable();
    secrets.dedup();
    let mut redactor = Redactor::default();
    redactor.add(redact::encoded_forms(&secrets));
    // A request can go to the base URL, and a command can print the variable that contains it.
    redactor.add(options.base_url.map(redact::url_secrets).unwrap_or_default());
    let name = name.or_else(|| Label::sanitize(&stem)).ok_or_else(|| (sources, Vec::new()))?;
    Ok(Suite { name, tests, secrets: redactor })
}

/// Finds the dependencies of the tests.
fn link(tests: Vec<(Test, References)>, diagnostics: &mut Diagnostics) -> Vec<Arc<Test>> {
    let (tests, references): (Vec<_>, Vec<_>) = tests.into_iter().unzip();
    let dependencies = dependencies::resolve(&references, diagnostics);
    let sections: Vec<Section> = tests.iter().map(|test| test.section).collect();
    let setups = sections.iter().filter(|section| **section == Section::Setup).count();
    let mut linked = Vec::with_capacity(tests.len());
    for ((test, mut depends_on), References { source, at, .. }) in
        tests.into_iter().zip(dependencies).zip(references)
    {
        if depends_on.iter().any(|&on| sections.get(on).is_some_and(|section| *section > test.section)) {
            diagnostics.source = source;
            diagnostics
                .report(at, "the test depends on one that runs later: setup runs first, and teardown last");
        }
        if test.section == Section::Test {
            depends_on.extend((0..setups).filter(|setup| !depends_on.contains(setup)).collect::<Vec<_>>());
        }
        linked.push(Arc::new(Test { depends_on, ..test }));
    }
    linked
}

#[cfg(test)]
mod tests;
