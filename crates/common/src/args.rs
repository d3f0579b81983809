//! The flags that several tools share, as typed.

use std::ffi::OsStr;
use std::fmt::Debug;
use std::str::FromStr;

use clap::builder::{OsStringValueParser, TypedValueParser};
use secrecy::SecretString;

use crate::label::Label;

/// A value that counts as absent if it is empty: CI systems set variables for which they have no value to "".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmptyAsNone<T>(pub Option<T>);

impl<T> EmptyAsNone<T> {
    /// Parses a non-empty value with `read`. For use as a clap value parser.
    ///
    /// # Errors
    /// The error of `read`.
    pub fn parse_with<E>(text: &str, read: impl FnOnce(&str) -> Result<T, E>) -> Result<Self, E> {
        if text.is_empty() { Ok(Self(None)) } else { read(text).map(|value| Self(Some(value))) }
    }
}

impl<T: FromStr<Err: Debug>> FromStr for EmptyAsNone<T> {
    type Err = T::Err;
    fn from_str(text: &str) -> Result<Self, T::Err> {
        Self::parse_with(text, str::parse)
    }
}

/// The label of a flag or its variable. Text that is no label is changed into one: the `main` of every tool warns of that in
/// a variable, and rejects it on the command line.
fn read_label(text: &OsStr) -> EmptyAsNone<Label> {
    let text = text.to_string_lossy();
    EmptyAsNone(text.parse().ok().or_else(|| Label::sanitize(&text)))
}

/// The same for a version, which may have spaces around it.
fn read_version(text: &OsStr) -> EmptyAsNone<Label> {
    read_label(text.to_string_lossy().trim().as_ref())
}

fn label_parser(read: fn(&OsStr) -> EmptyAsNone<Label>) -> impl TypedValueParser<Value = EmptyAsNone<Label>> {
    OsStringValueParser::new().map(move |text| read(&text))
}

/// Parses a secret, or `None` if it is empty. For use as a clap value parser.
///
/// # Errors
/// Never; clap expects a `Result`.
pub fn parse_secret(text: &str) -> Result<EmptyAsNone<SecretString>, String> {
    Ok(EmptyAsNone((!text.is_empty()).then(|| text.into())))
}

/// The form of a tool's stdout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Sentences to read; in colour on a terminal unless NO_COLOR is set
    Human,
    /// JSON Lines: one record per line
    Jsonl,
}

impl Format {
    /// The default format: human-readable on a terminal, JSON Lines in a pipe.
    pub fn for_stdout(is_terminal: bool) -> Self {
        if is_terminal { Self::Human } else { Self::Jsonl }
    }
}

/// The deployment that the tool works for.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Deployment")]
pub struct DeploymentArgs {
    /// Service that is deployed [default: from the CI system, otherwise the name of the repository's folder]
    #[arg(long, env = "DM_SERVICE", value_name = "NAME", value_parser = label_parser(read_label))]
    pub service: Option<EmptyAsNone<Label>>,
    /// Environment to deploy to [default: from the CI system, otherwise "development"]
    #[arg(long, env = "DM_ENVIRONMENT", value_name = "NAME", value_parser = label_parser(read_label))]
    pub environment: Option<EmptyAsNone<Label>>,
    /// Id of the deployment, the same for all its tools [default: the CI run, otherwise a new id]
    #[arg(long, env = "DM_DEPLOYMENT_ID", value_name = "ID", value_parser = label_parser(read_label))]
    pub deployment_id: Option<EmptyAsNone<Label>>,
    /// Version that is deployed [default: the tag, otherwise the commit]
    #[arg(long, env = "DM_VERSION", value_name = "VERSION", value_parser = label_parser(read_version))]
    pub app_version: Option<EmptyAsNone<Label>>,
    /// Commit that is deployed [default: from the CI system, otherwise from git]
    #[arg(long, env = "DM_COMMIT", value_name = "HASH", value_parser = label_parser(read_label))]
    pub commit: Option<EmptyAsNone<Label>>,
    /// Page of the CI run [default: from the CI system]
    #[arg(long, env = "DM_RUN_URL", value_name = "URL", value_parser = label_parser(read_label))]
    pub run_url: Option<EmptyAsNone<Label>>,
}

/// The value of a flag or its variable, where one was given and is not empty.
pub fn non_empty<T: Clone>(flag: Option<&EmptyAsNone<T>>) -> Option<T> {
    flag.and_then(|EmptyAsNone(value)| value.clone())
}
