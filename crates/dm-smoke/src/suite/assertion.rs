//! Compares the observed result of a test with the expected one. Pure, without I/O.

use std::time::Duration;

use common::duration;
use common::event::Reason;
use http_expect::{Response, ResponseExpectation, TextExpectation, excerpt};

/// An expectation that was not met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch<'a> {
    /// The class of the failure.
    pub reason: Reason,
    /// The actual and the expected value, for people.
    pub what: String,
    /// The output that shows it, of any length. It can contain secrets.
    pub evidence: &'a [u8],
}

/// What an HTTP test expects.
#[derive(Debug, Clone, Default)]
pub struct HttpExpected {
    /// The expected status, headers and body.
    pub response: ResponseExpectation,
    /// The most time until the response is complete.
    pub max_latency: Option<Duration>,
}

/// The observed result of an HTTP test.
#[derive(Debug)]
pub struct HttpObserved {
    /// The response.
    pub response: Response,
    /// The time from the start of the connection to the last byte.
    pub latency: Duration,
}

impl HttpExpected {
    /// Compares the response first: it explains a long latency. `redact` masks the secrets in a message.
    pub fn check<'a>(
        &'a self,
        observed: &'a HttpObserved,
        redact: impl Fn(&str) -> String,
    ) -> Result<(), Mismatch<'a>> {
        self.response.check(&observed.response).map_err(|mismatch| Mismatch {
            reason: reason(&mismatch),
            what: mismatch.summary(redact),
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
pub struct CommandExpected {
    /// The exit code.
    pub exit: u8,
    /// The expected output.
    pub stdout: TextExpectation,
    /// The expected error output.
    pub stderr: TextExpectation,
}

/// The observed result of a command test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandObserved {
    /// The exit code; `None` if a signal killed the command.
    pub exit: Option<i32>,
    /// The signal that killed the command.
    pub signal: Option<i32>,
    /// Whether stdout and stderr were longer than the part that was kept.
    pub truncated: [bool; 2],
    /// The beginning of its stdout.
    pub stdout: Vec<u8>,
    /// The beginning of its stderr.
    pub stderr: Vec<u8>,
}

impl CommandExpected {
    /// Compares the exit code first: it explains a wrong output.
    pub fn check<'a>(&self, observed: &'a CommandObserved) -> Result<(), Mismatch<'a>> {
        let output =
            if observed.stderr.trim_ascii().is_empty() { &observed.stdout } else { &observed.stderr };
        if observed.exit != Some(i32::from(self.exit)) {
            let (reason, actual) = match (observed.exit, observed.signal) {
                (Some(code), _) => (Reason::ExitCode, format!("exit code {code}")),
                (None, Some(signal)) => (Reason::Signal, format!("killed by signal {signal}")),
                (None, None) => (Reason::Other, "no exit code".to_owned()),
            };
            let what = format!("{actual}, expected exit code {}", self.exit);
            return Err(Mismatch { reason, what, evidence: output });
        }
        let [stdout_truncated, stderr_truncated] = observed.truncated;
        check_output(&self.stdout, "stdout", &observed.stdout, stdout_truncated)?;
        check_output(&self.stderr, "stderr", &observed.stderr, stderr_truncated)
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
