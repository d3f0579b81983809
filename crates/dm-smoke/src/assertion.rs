//! What was expected against what was observed. Pure: nothing in here acts.

use std::fmt;
use std::time::Duration;

use common::duration;
use common::event::Reason;
use common::json_path::{Difference, Expectation};
use regex::bytes::Regex;
use reqwest::header::{HeaderMap, HeaderName};
use serde_json::Value;

use crate::excerpt;
use crate::secret::Hidden;

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
#[derive(Debug, Clone, Default)]
pub struct HttpExpected {
    /// The status.
    pub status: Statuses,
    /// Headers.
    pub headers: Vec<(HeaderName, HeaderExpected)>,
    /// A part of the body.
    pub body_contains: Option<String>,
    /// What a part of the body looks like.
    pub body_matches: Option<Regex>,
    /// What the body holds as JSON.
    pub json: Vec<Expectation>,
    /// The time that the whole answer may take.
    pub max_latency: Option<Duration>,
}

/// What is expected of a header.
#[derive(Debug, Clone)]
pub enum HeaderExpected {
    /// This value.
    Is(String),
    /// A part of it.
    Contains(String),
    /// What a part of it looks like.
    Matches(Regex),
}

impl HeaderExpected {
    fn is_met(&self, value: &[u8]) -> bool {
        match self {
            Self::Is(text) => value == text.as_bytes(),
            Self::Contains(part) => contains(value, part),
            Self::Matches(regex) => regex.is_match(value),
        }
    }
}

impl fmt::Display for HeaderExpected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Is(text) => f.write_str(&excerpt::quoted(text)),
            Self::Contains(part) => write!(f, "one that contains {}", excerpt::quoted(part)),
            Self::Matches(regex) => write!(f, "one that matches {}", excerpt::quoted(regex.as_str())),
        }
    }
}

/// What an HTTP test observed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpObserved {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, as far as it was read.
    pub body: Vec<u8>,
    /// Whether there was more of it.
    pub cut: bool,
    /// From the first step to the last byte read.
    pub latency: Duration,
}

impl HttpExpected {
    /// Compares; the status first, for it explains what else is wrong. `document` is the body as JSON, or why it is
    /// none.
    pub fn check<'a>(
        &self,
        observed: &'a HttpObserved,
        document: &Result<Value, String>,
        hidden: &Hidden<'_>,
    ) -> Result<(), Mismatch<'a>> {
        if !self.status.include(observed.status) {
            return Err(Mismatch {
                reason: Reason::BadStatus,
                what: format!("status {}, expected {}", observed.status, self.status),
                evidence: &observed.body,
            });
        }
        self.check_headers(&observed.headers)?;
        self.check_body(observed)?;
        self.check_json(observed, document, hidden)?;
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

    fn check_headers<'a>(&self, headers: &'a HeaderMap) -> Result<(), Mismatch<'a>> {
        for (name, expected) in &self.headers {
            // A header may come more than once.
            if headers.get_all(name).iter().any(|value| expected.is_met(value.as_bytes())) {
                continue;
            }
            let (what, evidence) = match headers.get(name) {
                Some(value) => (format!("the header {name} is not {expected}"), value.as_bytes()),
                None => (format!("there is no header {name}, expected {expected}"), &b""[..]),
            };
            return Err(Mismatch { reason: Reason::Assertion, what, evidence });
        }
        Ok(())
    }

    fn check_body<'a>(&self, observed: &'a HttpObserved) -> Result<(), Mismatch<'a>> {
        let extent = if observed.cut { "the first MiB of the body" } else { "the body" };
        let unmet = |what| Err(Mismatch { reason: Reason::BodyMismatch, what, evidence: &observed.body });
        match (&self.body_contains, &self.body_matches) {
            (Some(part), _) if !contains(&observed.body, part) => {
                unmet(format!("{extent} does not contain {}", excerpt::quoted(part)))
            }
            (_, Some(regex)) if !regex.is_match(&observed.body) => {
                unmet(format!("{extent} does not match {}", excerpt::quoted(regex.as_str())))
            }
            _ => Ok(()),
        }
    }

    fn check_json<'a>(
        &self,
        observed: &'a HttpObserved,
        document: &Result<Value, String>,
        hidden: &Hidden<'_>,
    ) -> Result<(), Mismatch<'a>> {
        for expectation in &self.json {
            let unmet = |what| Err(Mismatch { reason: Reason::BodyMismatch, what, evidence: &observed.body });
            match document {
                Err(why) => {
                    return unmet(format!("{why}, expected {}", excerpt::bounded(&expectation.to_string())));
                }
                Ok(document) => {
                    if let Err(Difference { expected, found }) = expectation.check(document) {
                        let evidence: &[u8] = if found.is_some() { b"" } else { &observed.body };
                        // Masked before it is cut: half a secret would not be found any more.
                        let found = found.map(|found| hidden.masked(&found));
                        let what = Difference { expected, found }.to_string();
                        return Err(Mismatch { reason: Reason::BodyMismatch, what, evidence });
                    }
                }
            }
        }
        Ok(())
    }
}

/// What is expected of a command's output, or of its errors.
#[derive(Debug, Clone, Default)]
pub struct OutputExpected {
    /// A part of it.
    pub contains: Option<String>,
    /// What a part of it looks like.
    pub matches: Option<Regex>,
}

impl OutputExpected {
    fn check<'a>(&self, name: &str, printed: &'a [u8], cut: bool) -> Result<(), Mismatch<'a>> {
        let name = if cut { format!("the first MiB of {name}") } else { name.to_owned() };
        let unmet = |what| Err(Mismatch { reason: Reason::Assertion, what, evidence: printed });
        match (&self.contains, &self.matches) {
            (Some(part), _) if !contains(printed, part) => {
                unmet(format!("{name} does not contain {}", excerpt::quoted(part)))
            }
            (_, Some(regex)) if !regex.is_match(printed) => {
                unmet(format!("{name} does not match {}", excerpt::quoted(regex.as_str())))
            }
            _ => Ok(()),
        }
    }
}

/// What a command test expects.
#[derive(Debug, Clone, Default)]
pub struct CommandExpected {
    /// The exit code.
    pub exit: u8,
    /// What it prints.
    pub stdout: OutputExpected,
    /// What it says on stderr.
    pub stderr: OutputExpected,
}

/// What a command test observed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandObserved {
    /// The exit code; `None` for a command that a signal killed.
    pub exit: Option<i32>,
    /// The signal that killed it.
    pub signal: Option<i32>,
    /// Whether there was more of its output, and of its errors.
    pub cut: [bool; 2],
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
        let [stdout_cut, stderr_cut] = observed.cut;
        self.stdout.check("stdout", &observed.stdout, stdout_cut)?;
        self.stderr.check("stderr", &observed.stderr, stderr_cut)
    }
}

/// Bytes, not text: neither a body nor an output has to be UTF-8.
fn contains(text: &[u8], part: &str) -> bool {
    text.windows(part.len().max(1)).any(|window| window == part.as_bytes())
}

#[cfg(test)]
mod tests;
