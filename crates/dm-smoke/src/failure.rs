//! Why a test did not pass.

use std::time::Duration;

use common::duration;
use common::event::{Reason, TestResult};
use http_expect::excerpt;

use crate::redact::SuiteRedactor;
use crate::suite::assertion::Mismatch;

/// The most expectations of a test that a message names.
const MAX_MISMATCHES: usize = 5;

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
    /// Expectations that were not met; `None` if all were. The first gives the class: it often explains the others.
    pub(crate) fn from_mismatches(mismatches: &[Mismatch<'_>], redactor: &SuiteRedactor<'_>) -> Option<Self> {
        let reason = mismatches.first()?.reason;
        let mut shown: Vec<&[u8]> = Vec::new();
        let mut parts = Vec::new();
        for Mismatch { what, evidence, .. } in mismatches.iter().take(MAX_MISMATCHES) {
            // The same body can show several mismatches.
            let is_new = !evidence.trim_ascii().is_empty() && !shown.contains(evidence);
            parts.push(if is_new { format!("{what}: {}", redactor.excerpt(evidence)) } else { what.clone() });
            shown.push(evidence);
        }
        if let Some(more @ 1..) = mismatches.len().checked_sub(MAX_MISMATCHES) {
            parts.push(format!("and {more} more"));
        }
        Some(Self { result: TestResult::Fail, reason, message: parts.join("; ") })
    }

    /// The test could not run to its end.
    pub(crate) fn error(reason: Reason, message: impl Into<String>) -> Self {
        Self { result: TestResult::Error, reason, message: message.into() }
    }

    /// Says that this is how the last of several attempts ended, in a test that was repeated for the time `until`.
    #[must_use]
    pub(crate) fn of_the_last(self, attempts: u32, until: Duration) -> Self {
        let until = duration::format_duration(until);
        let times = if attempts == 1 { "1 attempt".to_owned() } else { format!("{attempts} attempts") };
        Self { message: format!("{}; not met within {until} ({times})", self.message), ..self }
    }

    /// Puts the request or the program before the message.
    #[must_use]
    pub(crate) fn with_subject(self, subject: &str) -> Self {
        Self { message: format!("{}: {}", excerpt::bounded(subject), self.message), ..self }
    }
}

/// A captured value makes an expectation invalid.
pub(crate) fn inserted_badly(why: &str) -> Failure {
    let message = format!("a captured value does not fit into an expectation: {}", excerpt::one_line(why));
    Failure::error(Reason::Other, excerpt::bounded(&message))
}
