//! Which headers are expected.

use std::fmt;
use std::str::FromStr;

use http::{HeaderMap, HeaderName};
use regex::bytes::Regex;

use crate::body::contains;
use crate::excerpt::{self, quoted};

/// A header that a response should have. A name can come more than once; one of its values has to match.
#[derive(Debug, Clone)]
pub struct HeaderExpectation {
    /// The header's name.
    pub name: HeaderName,
    /// What its value should be.
    pub pattern: HeaderPattern,
}

/// What a header's value should be.
#[derive(Debug, Clone)]
pub enum HeaderPattern {
    /// Equal to this text.
    Equals(String),
    /// A text that contains this one.
    Contains(String),
    /// A text in which this expression matches.
    Matches(Regex),
}

impl HeaderExpectation {
    /// Whether one of the header's values matches.
    pub fn is_met(&self, headers: &HeaderMap) -> bool {
        headers.get_all(&self.name).iter().any(|value| self.pattern.is_met(value.as_bytes()))
    }

    /// The header's actual values, or that there is none. Bounded, in one line, and not redacted.
    pub(crate) fn describe_actual(&self, headers: &HeaderMap) -> String {
        let values: Vec<_> = headers
            .get_all(&self.name)
            .iter()
            .map(|value| String::from_utf8_lossy(value.as_bytes()))
            .collect();
        if values.is_empty() {
            return format!("no header {}", self.name);
        }
        let values: String =
            values.join(", ").chars().take(excerpt::MAX_CHARS).filter(|c| !c.is_control()).collect();
        format!("{}: {values}", self.name)
    }
}

impl HeaderPattern {
    fn is_met(&self, value: &[u8]) -> bool {
        match self {
            Self::Equals(text) => value == text.as_bytes(),
            Self::Contains(part) => contains(value, part),
            Self::Matches(regex) => regex.is_match(value),
        }
    }
}

/// As a user writes it on a command line: `NAME: VALUE`.
impl FromStr for HeaderExpectation {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let hint = "a header is NAME: VALUE, such as 'X-App-Version: 42'";
        let (name, value) = text.split_once(':').ok_or(hint)?;
        let name = name.trim().parse().map_err(|_| hint)?;
        Ok(Self { name, pattern: HeaderPattern::Equals(value.trim().to_owned()) })
    }
}

impl fmt::Display for HeaderExpectation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.pattern {
            HeaderPattern::Equals(text) => write!(f, "{}: {text}", self.name),
            pattern => write!(f, "{}: {pattern}", self.name),
        }
    }
}

impl fmt::Display for HeaderPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Equals(text) => f.write_str(&quoted(text)),
            Self::Contains(part) => write!(f, "one that contains {}", quoted(part)),
            Self::Matches(regex) => write!(f, "one that matches {}", quoted(regex.as_str())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_has_a_name_and_a_value() {
        assert_eq!("X-A:  b: c ".parse::<HeaderExpectation>().unwrap().to_string(), "x-a: b: c");
        assert!("X-A".parse::<HeaderExpectation>().is_err() && ": v".parse::<HeaderExpectation>().is_err());
    }

    #[test]
    fn one_of_several_values_has_to_match() {
        let mut headers = HeaderMap::new();
        headers.append("x-a", "one".parse().unwrap());
        headers.append("x-a", "two".parse().unwrap());
        let is_met = |name: &'static str, pattern| {
            HeaderExpectation { name: HeaderName::from_static(name), pattern }.is_met(&headers)
        };
        assert!(is_met("x-a", HeaderPattern::Equals("two".to_owned())));
        assert!(!is_met("x-a", HeaderPattern::Equals("tw".to_owned())));
        assert!(is_met("x-a", HeaderPattern::Contains("tw".to_owned())));
        assert!(is_met("x-a", HeaderPattern::Matches(Regex::new("^o.e$").unwrap())));
        assert!(!is_met("x-b", HeaderPattern::Contains(String::new())));
    }
}
