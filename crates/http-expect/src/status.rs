//! Which HTTP statuses are expected.

use std::fmt;
use std::str::FromStr;

/// One HTTP status, or a class of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatusPattern {
    /// One code, such as `204`.
    Exact(u16),
    /// The class with this first digit: 2 is `2xx`.
    Class(u16),
}

impl StatusPattern {
    /// Whether the pattern includes `status`.
    pub fn matches(self, status: u16) -> bool {
        match self {
            Self::Exact(code) => status == code,
            Self::Class(digit) => status / 100 == digit,
        }
    }
}

impl FromStr for StatusPattern {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let class = text.strip_suffix("xx").or_else(|| text.strip_suffix("XX"));
        let number = |digits: &str| digits.parse::<u16>().ok();
        match (class, number(class.unwrap_or(text))) {
            (Some(_), Some(digit @ 1..=5)) => Ok(Self::Class(digit)),
            (None, Some(code @ 100..=599)) => Ok(Self::Exact(code)),
            _ => Err("a status is a code such as 204, or a class such as 2xx"),
        }
    }
}

impl fmt::Display for StatusPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(code) => write!(f, "{code}"),
            Self::Class(digit) => write!(f, "{digit}xx"),
        }
    }
}

/// Alternatives: the status has to match one of them. The default is `2xx`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusPatterns(pub Vec<StatusPattern>);

impl Default for StatusPatterns {
    fn default() -> Self {
        Self(vec![StatusPattern::Class(2)])
    }
}

impl StatusPatterns {
    /// Whether one of the patterns includes `status`.
    pub fn matches(&self, status: u16) -> bool {
        self.0.iter().any(|pattern| pattern.matches(status))
    }
}

impl fmt::Display for StatusPatterns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, pattern) in self.0.iter().enumerate() {
            f.write_str(if index == 0 { "" } else { " or " })?;
            pattern.fmt(f)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_matches_itself_and_a_class_matches_a_hundred_codes() {
        let matches = |text: &str, status| text.parse::<StatusPattern>().unwrap().matches(status);
        assert!(matches("204", 204) && !matches("204", 200));
        assert!(matches("2xx", 200) && matches("2XX", 299) && !matches("2xx", 301));
    }

    #[test]
    fn anything_else_is_rejected() {
        for bad in ["", "xx", "6xx", "0xx", "20xx", "99", "600", "2x", "ok", "-200"] {
            assert!(bad.parse::<StatusPattern>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn alternatives_are_joined_with_or() {
        let patterns = StatusPatterns(vec![StatusPattern::Exact(201), StatusPattern::Class(3)]);
        assert_eq!(patterns.to_string(), "201 or 3xx");
        assert!(patterns.matches(201) && patterns.matches(302) && !patterns.matches(200));
        assert_eq!(StatusPatterns::default().to_string(), "2xx");
    }
}
