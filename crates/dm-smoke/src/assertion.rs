//! What was expected against what was observed. Pure: nothing in here acts.

use std::fmt;
use std::time::Duration;

use common::duration;
use common::event::Reason;

use crate::excerpt;

/// Statuses that are good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statuses(pub Vec<StatusPattern>);

/// One status, or a hundred of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatusPattern {
    /// This one.
    Exactly(u16),
    /// Those that begin with this digit: 2 is `2xx`.
    Class(u16),
}

impl Default for Statuses {
    fn default() -> Self {
        Self(vec![StatusPattern::Class(2)])
    }
}

impl Statuses {
    fn include(&self, status: u16) -> bool {
        self.0.iter().any(|pattern| match *pattern {
            StatusPattern::Exactly(one) => status == one,
            StatusPattern::Class(digit) => status / 100 == digit,
        })
    }
}

impl fmt::Display for Statuses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, pattern) in self.0.iter().enumerate() {
            f.write_str(if place == 0 { "" } else { " or " })?;
            match pattern {
                StatusPattern::Exactly(status) => write!(f, "{status}")?,
                StatusPattern::Class(digit) => write!(f, "{digit}xx")?,
            }
        }
        Ok(())
    }
}

/// An expectation that was not met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch<'a> {
    /// The class.
    pub reason: Reason,
    /// What came and what was expected, for people.
    pub what: String,
    /// The text that shows it, as it came: of any length, and perhaps with secrets in it.
    pub evidence: &'a [u8],
}

/// What an HTTP test expects.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HttpExpected {
    /// The status.
    pub status: Statuses,
    /// A part of the body.
    pub body_contains: Option<String>,
    /// The time that the whole answer may take.
    pub max_latency: Option<Duration>,
}

/// What an HTTP test observed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpObserved {
    /// The status.
    pub status: u16,
    /// The body, as far as it was read.
    pub body: Vec<u8>,
    /// Whether there was more of it.
    pub cut: bool,
    /// From the first step to the last byte read.
    pub latency: Duration,
}

impl HttpExpected {
    /// Compares; the status first, for it explains what else is wrong.
    pub fn check<'a>(&self, observed: &'a HttpObserved) -> Result<(), Mismatch<'a>> {
        if !self.status.include(observed.status) {
            return Err(Mismatch {
                reason: Reason::BadStatus,
                what: format!("status {}, expected {}", observed.status, self.status),
                evidence: &observed.body,
            });
        }
        if let Some(part) = &self.body_contains
            && !contains(&observed.body, part)
        {
            let extent = if observed.cut { "the first MiB of the body" } else { "the body" };
            return Err(Mismatch {
                reason: Reason::BodyMismatch,
                what: format!("{extent} does not contain {}", excerpt::quoted(part)),
                evidence: &observed.body,
            });
        }
        match self.max_latency {
            Some(most) if observed.latency > most => Err(Mismatch {
                reason: Reason::TooSlow,
                what: format!(
                    "took {}, expected at most {}",
                    duration::show(observed.latency),
                    duration::show(most)
                ),
                evidence: b"",
            }),
            _ => Ok(()),
        }
    }
}

/// What a command test expects.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CommandExpected {
    /// The exit code.
    pub exit: u8,
    /// A part of what it prints.
    pub stdout_contains: Option<String>,
}

/// What a command test observed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandObserved {
    /// The exit code; `None` for a command that a signal killed.
    pub exit: Option<i32>,
    /// The signal that killed it.
    pub signal: Option<i32>,
    /// Its output, as far as it was kept.
    pub stdout: Vec<u8>,
    /// Its errors, as far as they were kept.
    pub stderr: Vec<u8>,
}

impl CommandExpected {
    /// Compares; the exit code first, for it explains what else is wrong.
    pub fn check<'a>(&self, observed: &'a CommandObserved) -> Result<(), Mismatch<'a>> {
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
        match &self.stdout_contains {
            Some(part) if !contains(&observed.stdout, part) => Err(Mismatch {
                reason: Reason::Assertion,
                what: format!("stdout does not contain {}", excerpt::quoted(part)),
                evidence: &observed.stdout,
            }),
            _ => Ok(()),
        }
    }
}

/// Bytes, not text: neither a body nor an output has to be UTF-8.
fn contains(text: &[u8], part: &str) -> bool {
    text.windows(part.len().max(1)).any(|window| window == part.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    use StatusPattern::{Class, Exactly};

    fn answer(status: u16, body: &str, ms: u64) -> HttpObserved {
        HttpObserved { status, body: body.into(), cut: false, latency: Duration::from_millis(ms) }
    }

    fn ended(exit: Option<i32>, signal: Option<i32>, stdout: &str, stderr: &str) -> CommandObserved {
        CommandObserved { exit, signal, stdout: stdout.into(), stderr: stderr.into() }
    }

    #[test]
    fn http() {
        let expected = |statuses: &[StatusPattern], body: Option<&str>, ms: Option<u64>| HttpExpected {
            status: Statuses(statuses.to_vec()),
            body_contains: body.map(str::to_owned),
            max_latency: ms.map(Duration::from_millis),
        };
        let table = [
            (HttpExpected::default(), answer(204, "", 1), None),
            (
                HttpExpected::default(),
                answer(301, "", 1),
                Some((Reason::BadStatus, "status 301, expected 2xx")),
            ),
            (expected(&[Exactly(404)], None, None), answer(404, "", 1), None),
            (
                expected(&[Exactly(200), Class(3)], None, None),
                answer(201, "", 1),
                Some((Reason::BadStatus, "status 201, expected 200 or 3xx")),
            ),
            (expected(&[Class(2)], Some("ok"), None), answer(200, "all ok", 1), None),
            (
                expected(&[Class(2)], Some("ok\n"), None),
                answer(200, "ko", 1),
                Some((Reason::BodyMismatch, "the body does not contain \"ok\\n\"")),
            ),
            (expected(&[Class(2)], None, Some(500)), answer(200, "", 500), None),
            (
                expected(&[Class(2)], None, Some(500)),
                answer(200, "", 501),
                Some((Reason::TooSlow, "took 501ms, expected at most 500ms")),
            ),
            // The first thing that is wrong is told.
            (
                expected(&[Class(2)], Some("ok"), Some(1)),
                answer(500, "ko", 9),
                Some((Reason::BadStatus, "status 500, expected 2xx")),
            ),
        ];
        for (expected, observed, wanted) in table {
            let told = expected.check(&observed).err().map(|mismatch| (mismatch.reason, mismatch.what));
            assert_eq!(told, wanted.map(|(reason, what)| (reason, what.to_owned())), "{expected:?}");
        }
    }

    #[test]
    fn a_body_that_was_cut_is_said_to_be() {
        let expected = HttpExpected { body_contains: Some("ok".to_owned()), ..HttpExpected::default() };
        let observed = HttpObserved { cut: true, ..answer(200, "k", 1) };
        let mismatch = expected.check(&observed).unwrap_err();
        assert_eq!(mismatch.what, "the first MiB of the body does not contain \"ok\"");
    }

    #[test]
    fn command() {
        let expected =
            |exit, stdout: Option<&str>| CommandExpected { exit, stdout_contains: stdout.map(str::to_owned) };
        let table = [
            (expected(0, None), ended(Some(0), None, "", ""), None),
            (expected(3, Some("1.2")), ended(Some(3), None, "v1.2.0", ""), None),
            (
                expected(0, None),
                ended(Some(7), None, "out", "err"),
                Some((Reason::ExitCode, "exit code 7, expected exit code 0", "err")),
            ),
            (
                expected(0, None),
                ended(None, Some(9), "out", "\n"),
                Some((Reason::Signal, "killed by signal 9, expected exit code 0", "out")),
            ),
            (
                expected(0, Some("1.3")),
                ended(Some(0), None, "v1.2.0", "noise"),
                Some((Reason::Assertion, "stdout does not contain \"1.3\"", "v1.2.0")),
            ),
        ];
        for (expected, observed, wanted) in table {
            let told = expected.check(&observed).err();
            let wanted = wanted.map(|(reason, what, evidence)| Mismatch {
                reason,
                what: what.to_owned(),
                evidence: evidence.as_bytes(),
            });
            assert_eq!(told, wanted, "{expected:?}");
        }
    }

    #[test]
    fn bytes_that_are_no_text_can_be_searched() {
        assert!(contains(b"\xff\xfeok\x00", "ok"));
        assert!(!contains(b"\xff", "ok"));
        assert!(!contains(b"", "ok"));
    }
}
