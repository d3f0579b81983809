//! The suite's file as it is written: the shapes of its TOML, nothing checked beyond them.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use common::duration;
use common::label::Label;
use serde::Deserialize;
use serde::de::{Deserializer, Error, SeqAccess, Visitor};
use toml::Spanned;

use crate::assertion::{StatusPattern, Statuses};

/// The file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Document {
    /// The suite's name.
    pub name: Option<Label>,
    /// Its tests.
    #[serde(default)]
    pub test: Vec<Spanned<TestEntry>>,
}

/// A `[[test]]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TestEntry {
    /// Its name.
    pub name: Spanned<String>,
    /// What to request, or else:
    pub http: Option<HttpEntry>,
    /// What to run.
    pub command: Option<Spanned<Vec<String>>>,
    /// What is expected.
    #[serde(default)]
    pub expect: ExpectEntry,
    /// The time limit.
    pub timeout: Option<Limit>,
}

/// A test's `http`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpEntry {
    /// The method.
    pub method: Option<Spanned<String>>,
    /// The URL, absolute or relative.
    pub url: Spanned<String>,
    /// The request's headers.
    #[serde(default)]
    pub headers: BTreeMap<Spanned<String>, Spanned<String>>,
    /// The request's body.
    pub body: Option<String>,
}

/// A test's `expect`, whatever its kind.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectEntry {
    /// HTTP: the status.
    pub status: Option<Spanned<Statuses>>,
    /// HTTP: a part of the body.
    pub body_contains: Option<Spanned<String>>,
    /// HTTP: the time that the whole answer may take.
    pub max_latency: Option<Spanned<Limit>>,
    /// Command: the exit code.
    pub exit: Option<Spanned<u8>>,
    /// Command: a part of what it prints.
    pub stdout_contains: Option<Spanned<String>>,
}

/// A duration with its unit, longer than zero.
#[derive(Debug, Clone, Copy)]
pub struct Limit(pub Duration);

impl<'de> Deserialize<'de> for Limit {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Reader;
        impl Visitor<'_> for Reader {
            type Value = Limit;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a duration such as \"500ms\" or \"5s\"")
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Limit, E> {
                duration::parse_positive(text).map(Limit).map_err(E::custom)
            }
        }
        from.deserialize_str(Reader)
    }
}

const A_STATUS: &str = "a status such as 200, a class such as \"2xx\", or a list of these";

impl<'de> Deserialize<'de> for Statuses {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Statuses;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(A_STATUS)
            }
            fn visit_i64<E: Error>(self, number: i64) -> Result<Statuses, E> {
                pattern_of_number(number).map(|pattern| Statuses(vec![pattern]))
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Statuses, E> {
                pattern_of_text(text).map(|pattern| Statuses(vec![pattern]))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Statuses, A::Error> {
                let mut patterns = Vec::new();
                while let Some(pattern) = list.next_element::<StatusPattern>()? {
                    patterns.push(pattern);
                }
                if patterns.is_empty() {
                    return Err(A::Error::custom(format!("an empty list; expected {A_STATUS}")));
                }
                Ok(Statuses(patterns))
            }
        }
        from.deserialize_any(Reader)
    }
}

impl<'de> Deserialize<'de> for StatusPattern {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Reader;
        impl Visitor<'_> for Reader {
            type Value = StatusPattern;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a status such as 200, or a class such as \"2xx\"")
            }
            fn visit_i64<E: Error>(self, number: i64) -> Result<StatusPattern, E> {
                pattern_of_number(number)
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<StatusPattern, E> {
                pattern_of_text(text)
            }
        }
        from.deserialize_any(Reader)
    }
}

fn pattern_of_number<E: Error>(number: i64) -> Result<StatusPattern, E> {
    match u16::try_from(number) {
        Ok(status @ 100..=599) => Ok(StatusPattern::Exactly(status)),
        _ => Err(E::custom(format!("{number} is no HTTP status; expected {A_STATUS}"))),
    }
}

fn pattern_of_text<E: Error>(text: &str) -> Result<StatusPattern, E> {
    match text.as_bytes() {
        [digit @ b'1'..=b'5', b'x', b'x'] => Ok(StatusPattern::Class(u16::from(digit - b'0'))),
        _ => Err(E::custom(format!("{text:?} is no class of HTTP statuses; expected {A_STATUS}"))),
    }
}
