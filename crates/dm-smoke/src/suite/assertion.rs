//! Compares the observed result of a test with the expected one. Pure, without I/O.

use std::path::PathBuf;
use std::time::Duration;

use common::duration;
use common::event::Reason;
use http_expect::{MessageExpectation, Response, ResponseExpectation, TextExpectation, excerpt};

/// An expectation that was not met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mismatch<'a> {
    /// The class of the failure.
    pub(crate) reason: Reason,
    /// The actual and the expected value, for people.
    pub(crate) what: String,
    /// The output that shows it, of any length. It can contain secrets.
    pub(crate) evidence: &'a [u8],
}

/// What an HTTP test expects.
#[derive(Debug, Clone, Default)]
pub(crate) struct HttpExpected {
    /// The expected status, headers and body.
    pub(crate) response: ResponseExpectation,
    /// A file that the body should be the same as.
    pub(crate) body_file: Option<PathBuf>,
    /// Whether the whole body has to be measured, however long it is.
    pub(crate) measures_body: bool,
    /// The messages of a stream, in this order; others may come in between.
    pub(crate) messages: Vec<MessageExpectation>,
    /// The most time until the response is complete.
    pub(crate) max_latency: Option<Duration>,
}

/// The observed result of an HTTP test.
#[derive(Debug)]
pub(crate) struct HttpObserved {
    /// The response.
    pub(crate) response: Response,
    /// The time from the start of the connection to the last byte.
    pub(crate) latency: Duration,
    /// The messages that came, if it was a stream.
    pub(crate) stream: Option<Stream>,
}

impl HttpExpected {
    /// Compares the response first: it explains a long latency. `redact` masks the secrets in a message.
    pub(crate) fn check<'a>(
        &'a self,
        observed: &'a HttpObserved,
        redact: impl Fn(&str) -> String,
    ) -> Vec<Mismatch<'a>> {
        let unmet = self.response.check(&observed.response);
        let mut mismatches: Vec<_> = unmet
            .into_iter()
            .map(|mismatch| Mismatch {
                reason: reason(&mismatch),
                what: mismatch.summary(&redact),
                evidence: mismatch.evidence(),
            })
            .collect();
        match &observed.stream {
            Some(stream) => mismatches.extend(stream.unmet(self.messages.len(), None)),
            // A wrong status says enough.
            None if mismatches.is_empty() && !self.messages.is_empty() => {
                let what =
                    "the response is not a stream of events: its content-type is not text/event-stream";
                mismatches.push(Mismatch { reason: Reason::Assertion, what: what.to_owned(), evidence: b"" });
            }
            None => {}
        }
        if let Some(most) = self.max_latency.filter(|most| observed.latency > *most) {
            let took = duration::format_duration(observed.latency);
            let what = format!("took {took}, expected at most {}", duration::format_duration(most));
            mismatches.push(Mismatch { reason: Reason::TooSlow, what, evidence: b"" });
        }
        mismatches
    }
}

/// The messages of a stream that have come.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stream {
    /// The number of expected ones that came.
    pub(crate) met: usize,
    /// The number of all.
    pub(crate) seen: u64,
    /// The last one.
    pub(crate) last: Vec<u8>,
}

impl Stream {
    /// The mismatch if fewer than `expected` of the expected messages came, before the stream ended or within a limit.
    pub(crate) fn unmet(&self, expected: usize, limit: Option<Duration>) -> Option<Mismatch<'_>> {
        if self.met >= expected {
            return None;
        }
        let which = if expected == 1 {
            "the expected message".to_owned()
        } else {
            format!("expected message {}", self.met + 1)
        };
        let when = limit.map_or_else(
            || "before the stream ended".to_owned(),
            |limit| format!("within {}", duration::format_duration(limit)),
        );
        let seen = match self.seen {
            0 => "no message came".to_owned(),
            1 => "1 message came".to_owned(),
            seen => format!("{seen} messages came, the last one is"),
        };
        let reason = if limit.is_some() { Reason::ReadTimeout } else { Reason::BodyMismatch };
        Some(Mismatch { reason, what: format!("{which} did not come {when}: {seen}"), evidence: &self.last })
    }
}

fn reason(mismatch: &http_expect::Mismatch<'_>) -> Reason {
    use http_expect::Mismatch::{Body, Fact, Header, Json, NotJson, Status, Value};
    match mismatch {
        Status { .. } => Reason::BadStatus,
        Header { .. } | Fact { is_of_body: false, .. } => Reason::Assertion,
        Body { .. } | Json { .. } | Value { .. } | NotJson { .. } | Fact { is_of_body: true, .. } => {
            Reason::BodyMismatch
        }
    }
}

/// What a command test expects.
#[derive(Debug, Clone, Default)]
pub(crate) struct CommandExpected {
    /// The exit code.
    pub(crate) exit: u8,
    /// The expected output.
    pub(crate) stdout: TextExpectation,
    /// The expected error output.
    pub(crate) stderr: TextExpectation,
}

/// The observed result of a command test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CommandObserved {
    /// The exit code; `None` if a signal killed the command.
    pub(crate) exit: Option<i32>,
    /// The signal that killed the command.
    pub(crate) signal: Option<i32>,
    /// Whether stdout and stderr were longer than the part that was kept.
    pub(crate) truncated: [bool; 2],
    /// The beginning of its stdout.
    pub(crate) stdout: Vec<u8>,
    /// The beginning of its stderr.
    pub(crate) stderr: Vec<u8>,
}

impl CommandExpected {
    /// Compares the exit code first: it explains a wrong output. `redact` masks the secrets in a message.
    pub(crate) fn check<'a>(
        &self,
        observed: &'a CommandObserved,
        redact: impl Fn(&str) -> String,
    ) -> Vec<Mismatch<'a>> {
        let output =
            if observed.stderr.trim_ascii().is_empty() { &observed.stdout } else { &observed.stderr };
        let mut mismatches = Vec::new();
        if observed.exit != Some(i32::from(self.exit)) {
            let (reason, actual) = match (observed.exit, observed.signal) {
                (Some(code), _) => (Reason::ExitCode, format!("exit code {code}")),
                (None, Some(signal)) => (Reason::Signal, format!("killed by signal {signal}")),
                (None, None) => (Reason::Other, "no exit code".to_owned()),
            };
            let what = format!("{actual}, expected exit code {}", self.exit);
            mismatches.push(Mismatch { reason, what, evidence: output });
        }
        let outputs =
            [("stdout", &self.stdout, &observed.stdout), ("stderr", &self.stderr, &observed.stderr)];
        for ((name, expected, output), truncated) in outputs.into_iter().zip(observed.truncated) {
            let extent = if truncated { "the first MiB of " } else { "" };
            mismatches.extend(expected.unmet(output).map(|condition| {
                let unmet = condition.describe_unmet(|text| excerpt::quoted(&redact(text)));
                Mismatch {
                    reason: Reason::Assertion,
                    what: format!("{extent}{name} {unmet}"),
                    evidence: output,
                }
            }));
        }
        mismatches
    }
}

#[cfg(test)]
mod tests;
