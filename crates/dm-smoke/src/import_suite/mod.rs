//! Writes a suite from what another tool has: a Hurl file, a Postman collection, or an OpenAPI description. What cannot be
//! expressed in a suite is listed, and nothing of it is guessed.

mod draft;
mod expectation;
mod hurl;
mod json_body;
mod openapi;
mod placeholder;
mod postman;
mod secret;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use common::cli::warn;
use common::exit::Exit;
use common::fs::bounded;
use common::output;

use crate::args::TOOL;
use draft::Draft;

/// The largest file, in bytes.
const MAX_BYTES: u64 = 32 * 1024 * 1024;

/// The most problems that are listed.
const MAX_LISTED: usize = 200;

/// What to write a suite from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Language {
    /// A Hurl file.
    Hurl,
    /// A Postman collection, version 2.
    Postman,
    /// An OpenAPI description, or one of Swagger 2.
    OpenApi,
}

/// A suite to write.
#[derive(Debug)]
pub struct Translation {
    /// The file that it is made of.
    path: PathBuf,
    draft: Draft,
}

/// Translates a file.
///
/// # Errors
/// The file cannot be read, or it is not written in the language.
pub(crate) fn read(language: Language, path: PathBuf) -> Result<Translation> {
    let failed = || format!("cannot read {}", path.display());
    let text = bounded::read_text(&path, MAX_BYTES).with_context(failed)?;
    let draft = translate(language, &text).with_context(failed)?;
    Ok(Translation { path, draft })
}

/// Writes the suite to stdout, and to stderr what it lacks. The exit code says whether anything is lacking.
///
/// # Errors
/// Stdout cannot be written.
pub(crate) fn write_suite(Translation { path, draft }: Translation) -> Result<Exit> {
    let (suite, draft) = draft.finish();
    output::print(&suite).context("cannot write to stdout")?;
    report(&path, &draft);
    Ok(if draft.problems.is_empty() { Exit::Success } else { Exit::Failure })
}

fn translate(language: Language, text: &str) -> Result<Draft> {
    match language {
        Language::Hurl => hurl::translate(text),
        Language::Postman => postman::translate(text),
        Language::OpenApi => openapi::translate(text),
    }
}

fn report(path: &Path, draft: &Draft) {
    for problem in draft.problems.iter().take(MAX_LISTED) {
        let at = if problem.line > 0 { format!(":{}", problem.line) } else { String::new() };
        warn(TOOL.name, &[format!("{}{at}: {}", path.display(), problem.what)]);
    }
    if let Some(more @ 1..) = draft.problems.len().checked_sub(MAX_LISTED) {
        warn(TOOL.name, &[format!("and {more} more")]);
    }
    for note in &draft.notes {
        warn(TOOL.name, &[format!("note: {note}")]);
    }
}

#[cfg(test)]
mod tests;
