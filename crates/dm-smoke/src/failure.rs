//! Why a test did not pass.

use common::event::{Reason, TestResult};
use http_expect::excerpt;

use crate::redact::SuiteRedactor;
use crate::suite::assertion::Mismatch;

/// The failure of one attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    /// `Fail` or `Error`.
    pub(crate) result: TestResult,
    /// The class of the failure.
    pub(crate) reason: Reason,
    /// An explanation without secrets.
    pub(crate) message: String,
}

impl Failure {
    /// An expectation was not met.
    pub(crate) fn from_mismatch(mismatch: &Mismatch<'_>, redactor: &SuiteRedactor<'_>) -> Self {
        let message = if mismatch.evidence.trim_ascii().is_empty() {
            mismatch.what.clone()
        } else {
            format!("{}: {}", mismatch.what, redactor.excerpt(mismatch.evidence))
        };
        Self { result: TestResult::Fail, reason: mismatch.reason, message }
    }

    /// The test could not run to its end.
    pub(crate) fn error(reason: Reason, message: impl Into<String>) -> Self {
        Self { result: TestResult::Error, reason, message: message.into() }
    }

    /// Puts the request or the program before the message.
    #[must_use]
    pub(crate) fn with_subject(self, subject: &str) -> Self {
        Self { message: format!("{}: {}", excerpt::bounded(subject), self.message), ..self }
    }
}
