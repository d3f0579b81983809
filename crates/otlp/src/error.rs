//! What is wrong with a variable.

use thiserror::Error;

/// A variable has a value that cannot be used. The message contains no value, which may be a secret.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("{variable} {problem}")]
pub struct SettingsError {
    variable: String,
    problem: String,
}

impl SettingsError {
    pub(crate) fn new(variable: &str, problem: impl Into<String>) -> Self {
        Self { variable: variable.to_owned(), problem: problem.into() }
    }
}
