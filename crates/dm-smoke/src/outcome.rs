//! What one test came to, before it has a place in a report.

use common::event::{Reason, TestResult};

use crate::excerpt;
use crate::secret::Hidden;
use crate::suite::assertion::Mismatch;

/// Why a test did not pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// `fail` or `error`.
    pub result: TestResult,
    /// The class.
    pub reason: Reason,
    /// For people; without secrets.
    pub message: String,
}

impl Failure {
    /// An expectation that was not met.
    pub fn unmet(mismatch: &Mismatch<'_>, hidden: &Hidden<'_>) -> Self {
        let message = if mismatch.evidence.trim_ascii().is_empty() {
            mismatch.what.clone()
        } else {
            format!("{}: {}", mismatch.what, excerpt::of(mismatch.evidence, hidden))
        };
        Self { result: TestResult::Fail, reason: mismatch.reason, message }
    }

    /// A test that could not be carried out.
    pub fn error(reason: Reason, message: impl Into<String>) -> Self {
        Self { result: TestResult::Error, reason, message: message.into() }
    }

    /// The same with what was tested.
    #[must_use]
    pub fn of(self, tested: &str) -> Self {
        Self { message: format!("{}: {}", excerpt::bounded(tested), self.message), ..self }
    }
}
