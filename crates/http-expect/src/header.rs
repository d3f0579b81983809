//! Which headers are expected.

use std::fmt;
use std::str::FromStr;

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::body::TextCondition;
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
    /// A text for which this holds. If it says what the value must not be, it holds for every value.
    Text(TextCondition),
    /// There is such a header.
    Present,
    /// There is no such header.
    Absent,
    /// It comes this number of times.
    Count(u32),
}

impl HeaderExpectation {
    /// Whether one of the header's values matches, or none is what it must not be.
    pub fn is_met(&self, headers: &HeaderMap) -> bool {
        let mut values = headers.get_all(&self.name).iter().map(HeaderValue::as_bytes);
        match &self.pattern {
            HeaderPattern::Equals(text) => values.any(|value| value == text.as_bytes()),
            HeaderPattern::Text(condition) if condition.is_negative() => {
                values.all(|value| condition.is_met(value))
            }
            HeaderPattern::Text(condition) => values.any(|value| condition.is_met(value)),
            HeaderPattern::Present => values.next().is_some(),
            HeaderPattern::Absent => values.next().is_none(),
            HeaderPattern::Count(count) => u32::try_from(values.count()) == Ok(*count),
        }
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
    /// The value that is expected, with texts as `quote` writes them.
    pub(crate) fn describe(&self, quote: impl Fn(&str) -> String) -> String {
        match self {
            Self::Equals(text) => quote(text),
            Self::Text(condition) => format!("one that {}", condition.describe(quote)),
            Self::Present => "any".to_owned(),
            Self::Absent => "none".to_owned(),
            Self::Count(count) => format!("{count} of them"),
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
            pattern => write!(f, "{}: {}", self.name, pattern.describe(quoted)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use regex::bytes::Regex;

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
        let contains = |text: &str| HeaderPattern::Text(TextCondition::Contains(text.to_owned()));
        let lacks = |text: &str| HeaderPattern::Text(TextCondition::NotContains(text.to_owned()));
        assert!(is_met("x-a", contains("tw")) && !is_met("x-b", contains("")));
        assert!(is_met("x-a", HeaderPattern::Text(TextCondition::Matches(Regex::new("^o.e$").unwrap()))));
        assert!(is_met("x-a", lacks("three")) && !is_met("x-a", lacks("tw")) && is_met("x-b", lacks("tw")));
        assert!(is_met("x-a", HeaderPattern::Present) && !is_met("x-b", HeaderPattern::Present));
        assert!(is_met("x-a", HeaderPattern::Count(2)) && !is_met("x-a", HeaderPattern::Count(1)));
        assert!(is_met("x-b", HeaderPattern::Absent) && !is_met("x-a", HeaderPattern::Absent));
    }
}
