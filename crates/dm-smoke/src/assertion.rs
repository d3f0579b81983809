//! What was expected against what was observed. Pure: nothing in here acts.

use std::time::Duration;

use common::duration;
use common::event::Reason;
use http_expect::{Response, ResponseExpectation, TextExpectation};

use crate::redact::SuiteRedactor;
use http_expect::excerpt;

/// An expectation that was not met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mismatch<'a> {
    /// The class.
    pub(crate) reason: Reason,
    /// What came and what was expected, for people.
    pub(crate) what: String,
    /// The text that shows it, as it came: of any length, and perhaps with secrets in it.
    pub(crate) evidence: &'a [u8],
}

/// What an HTTP test expects.
#[derive(Debug, Clone, Default)]
pub(crate) struct HttpExpected {
    /// The status, the headers and the body.
    pub(crate) response: ResponseExpectation,
    /// The time that the whole answer may take.
    pub(crate) max_latency: Option<Duration>,
}

/// What an HTTP test observed.
#[derive(Debug)]
pub(crate) struct HttpObserved {
    /// The response.
    pub(crate) response: Response,
    /// From the first step to the last byte read.
    pub(crate) latency: Duration,
}

impl HttpExpected {
    /// Compares; the response first, for it explains what else is wrong.
    pub(crate) fn check<'a>(
        &'a self,
        observed: &'a HttpObserved,
        redactor: &SuiteRedactor<'_>,
    ) -> Result<(), Mismatch<'a>> {
        self.response.check(&observed.response).map_err(|mismatch| Mismatch {
            reason: reason(&mismatch),
            what: mismatch.summary(|text| redactor.redact(text)),
            evidence: mismatch.evidence(),
        })?;
        match self.max_latency {
            Some(most) if observed.latency > most => Err(Mismatch {
                reason: Reason::TooSlow,
                what: format!(
                    "took {}, expected at most {}",
                    duration::format_duration(observed.latency),
                    duration::format_duration(most)
                ),
                evidence: b"",
            }),
            _ => Ok(()),
        }
    }
}

fn reason(mismatch: &http_expect::Mismatch<'_>) -> Reason {
    use http_expect::Mismatch::{Body, Header, Json, NotJson, Status};
    match mismatch {
        Status { .. } => Reason::BadStatus,
        Header { .. } => Reason::Assertion,
        Body { .. } | Json { .. } | NotJson { .. } => Reason::BodyMismatch,
    }
}

/// What a command test expects.
#[derive(Debug, Clone, Default)]
pub(crate) struct CommandExpected {
    /// The exit code.
    pub(crate) exit: u8,
    /// What it prints.
    pub(crate) stdout: TextExpectation,
    /// What it says on stderr.
    pub(crate) stderr: TextExpectation,
}

/// What a command test observed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CommandObserved {
    /// The exit code; `None` for a command that a signal killed.
    pub(crate) exit: Option<i32>,
    /// The signal that killed it.
    pub(crate) signal: Option<i32>,
    /// Whether there was more of its output, and of its errors.
    pub(crate) cut: [bool; 2],
    /// Its output, as far as it was kept.
    pub(crate) stdout: Vec<u8>,
    /// Its errors, as far as they were kept.
    pub(crate) stderr: Vec<u8>,
}

impl CommandExpected {
    /// Compares; the exit code first, for it explains what else is wrong.
    pub(crate) fn check<'a>(&self, observed: &'a CommandObserved) -> Result<(), Mismatch<'a>> {
        let spoken =
            if observed.stderr.trim_ascii().is_empty() { &observed.stdout } else { &observed.stderr };
        if observed.exit != Some(i32::from(self.exit)) {
            let (reason, came) = match (observed.exit, observed.signal) {
                (Some(code), _) => (Reason::ExitCode, format!("exit code {code}")),
                (None, Some(signal)) => (Reason::Signal, format!("killed by signal {signal}")),
                (None, None) => (Reason::Other, "no exit code".to_owned()),
            };
            let what = format!("{came}, expected exit code {}", self.exit);
            return Err(Mismatch { reason, what, evidence: spoken });
        }
        let [stdout_cut, stderr_cut] = observed.cut;
        check_output(&self.stdout, "stdout", &observed.stdout, stdout_cut)?;
        check_output(&self.stderr, "stderr", &observed.stderr, stderr_cut)
    }
}

fn check_output<'a>(
    expected: &TextExpectation,
    name: &str,
    output: &'a [u8],
    truncated: bool,
) -> Result<(), Mismatch<'a>> {
    expected.check(output).map_err(|mismatch| {
        let mismatch = mismatch.describe(excerpt::quoted);
        let extent = if truncated { "the first MiB of " } else { "" };
        Mismatch { reason: Reason::Assertion, what: format!("{extent}{name} {mismatch}"), evidence: output }
    })
}

#[cfg(test)]
mod tests;
