//! How a response differs from what was expected, in words.
//!
//! There are two forms. [`Mismatch`]'s `Display` is a whole sentence that may quote the response. A tool that has to
//! redact secrets takes [`Mismatch::summary`] instead, and redacts [`Mismatch::evidence`] itself.

use std::fmt;

use crate::body::TextCondition;
use crate::excerpt::{bounded, quoted};
use crate::header::{HeaderExpectation, HeaderPattern};
use crate::json::{JsonExpectation, JsonMismatch};
use crate::response::{NotJson, Response};
use crate::status::StatusPatterns;
use crate::value::ValueMismatch;

/// An expectation that a response does not meet.
#[derive(Debug)]
#[expect(missing_docs, reason = "the fields are the response, what was expected, and the difference")]
pub enum Mismatch<'a> {
    /// The status is not one of those expected.
    Status { response: &'a Response, expected: &'a StatusPatterns },
    /// The header is missing, or no value of it matches.
    Header { response: &'a Response, expected: &'a HeaderExpectation },
    /// The body does not contain the expected text, or contains one that it must not.
    Body { response: &'a Response, unmet: &'a TextCondition },
    /// The body's JSON is not the expected one.
    Json { response: &'a Response, mismatch: JsonMismatch<'a> },
    /// The body is not available as JSON.
    NotJson { response: &'a Response, expected: &'a JsonExpectation, cause: &'a NotJson },
    /// A part of the response is not what was expected, after its filters.
    Value { response: &'a Response, mismatch: ValueMismatch<'a> },
    /// Something else is not as expected: a sentence, and whether it is about the body.
    Fact { response: &'a Response, what: String, is_of_body: bool },
}

impl<'a> Mismatch<'a> {
    /// The mismatch in one line. It contains no text of the response, except a JSON value. `redact` processes that and what
    /// was expected: both may contain secrets.
    pub fn summary(&self, redact: impl Fn(&str) -> String) -> String {
        let quote = |text: &str| quoted(&redact(text));
        match self {
            Self::Status { .. } => self.to_string(),
            Self::Header { response, expected: HeaderExpectation { name, pattern } } => {
                let expected = pattern.describe(quote);
                match (response.headers.contains_key(name), pattern) {
                    (true, HeaderPattern::Absent) => format!("there is a header {name}, expected none"),
                    (true, HeaderPattern::Count(_)) => {
                        let actual = response.headers.get_all(name).iter().count();
                        format!("there are {actual} headers {name}, expected {expected}")
                    }
                    (true, _) => format!("the header {name} is not {expected}"),
                    (false, _) => format!("there is no header {name}, expected {expected}"),
                }
            }
            Self::Body { response, unmet } => {
                let body = if response.truncated { "the first MiB of the body" } else { "the body" };
                let body = format!("{body}{}", response.describe_encoding());
                format!("{body} {}", unmet.describe_unmet(quote))
            }
            Self::Json { mismatch, .. } => mismatch.describe(redact),
            Self::Value { mismatch, .. } => mismatch.describe(redact),
            Self::Fact { what, .. } => redact(what),
            Self::NotJson { response, expected, cause } => {
                let expected = bounded(&redact(&expected.to_string()));
                match cause {
                    NotJson::Truncated => format!("{}, expected {expected}", NotJson::TRUNCATED),
                    NotJson::Invalid(error) => {
                        let encoding = response.describe_encoding();
                        format!("the body{encoding} is not JSON ({error}), expected {expected}")
                    }
                }
            }
        }
    }

    /// The part of the response that shows the mismatch and is not in the [`summary`](Self::summary): of any length,
    /// perhaps with secrets, and empty if there is nothing to show.
    pub fn evidence(&self) -> &'a [u8] {
        match self {
            Self::Header { response, expected } => {
                response.headers.get(&expected.name).map_or(b"", |value| value.as_bytes())
            }
            Self::Json { mismatch, .. } if mismatch.actual.is_some() => b"",
            Self::Value { mismatch, .. } if mismatch.is_shown() => b"",
            Self::Fact { is_of_body: false, .. } => b"",
            Self::Status { response, .. }
            | Self::Body { response, .. }
            | Self::Json { response, .. }
            | Self::Value { response, .. }
            | Self::Fact { response, .. }
            | Self::NotJson { response, .. } => response.text(),
        }
    }
}

impl fmt::Display for Mismatch<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status { response, expected } => {
                write!(f, "status {}, expected {expected}", response.status)
            }
            Self::Header { response, expected } => {
                write!(f, "{}, expected {expected}", expected.describe_actual(&response.headers))
            }
            Self::Body { response, unmet } => {
                let unmet = unmet.describe_unmet(|text| format!("{text:?}"));
                write!(f, "{} {unmet}", response.describe_body())
            }
            Self::Json { mismatch, .. } => f.write_str(&mismatch.describe(str::to_owned)),
            Self::Value { mismatch, .. } => f.write_str(&mismatch.describe(str::to_owned)),
            Self::Fact { what, .. } => f.write_str(what),
            Self::NotJson { response, cause, .. } => f.write_str(&response.describe_not_json(cause)),
        }
    }
}

#[cfg(test)]
mod tests;
