//! What a body, or another text of any encoding, should contain.

use regex::bytes::Regex;

/// What is expected of a text; each condition has to hold. The default expects nothing.
#[derive(Debug, Clone, Default)]
pub struct TextExpectation(pub Vec<TextCondition>);

/// One thing that is expected of a text.
#[derive(Debug, Clone)]
pub enum TextCondition {
    /// It is this text.
    Equals(String),
    /// It contains this text.
    Contains(String),
    /// It does not contain this text.
    NotContains(String),
    /// This expression matches in it.
    Matches(Regex),
    /// This expression does not match in it.
    NotMatches(Regex),
}

impl TextExpectation {
    /// The conditions that a text does not meet. Works on bytes: a body does not have to be UTF-8.
    pub fn unmet(&self, text: &[u8]) -> impl Iterator<Item = &TextCondition> {
        self.0.iter().filter(|condition| !condition.is_met(text))
    }
}

impl TextCondition {
    /// Whether it holds for a text.
    pub fn is_met(&self, text: &[u8]) -> bool {
        match self {
            Self::Equals(whole) => text == whole.as_bytes(),
            Self::Contains(part) => contains(text, part),
            Self::NotContains(part) => !contains(text, part),
            Self::Matches(regex) => regex.is_match(text),
            Self::NotMatches(regex) => !regex.is_match(text),
        }
    }

    /// Whether it says what the text must not contain.
    pub(crate) fn is_negative(&self) -> bool {
        matches!(self, Self::NotContains(_) | Self::NotMatches(_))
    }

    /// The predicate of a sentence about a text that does not meet it, with the expected text as `quote` writes it: `does
    /// not contain "ok"`.
    pub fn describe_unmet(&self, quote: impl Fn(&str) -> String) -> String {
        let (verb, text) = match self {
            Self::Equals(whole) => ("is not", whole.as_str()),
            Self::Contains(part) => ("does not contain", part.as_str()),
            Self::NotContains(part) => ("contains", part.as_str()),
            Self::Matches(regex) => ("does not match", regex.as_str()),
            Self::NotMatches(regex) => ("matches", regex.as_str()),
        };
        format!("{verb} {}", quote(text))
    }

    /// The predicate of a sentence about a text that meets it.
    pub(crate) fn describe(&self, quote: impl Fn(&str) -> String) -> String {
        let (verb, text) = match self {
            Self::Equals(whole) => ("is", whole.as_str()),
            Self::Contains(part) => ("contains", part.as_str()),
            Self::NotContains(part) => ("does not contain", part.as_str()),
            Self::Matches(regex) => ("matches", regex.as_str()),
            Self::NotMatches(regex) => ("does not match", regex.as_str()),
        };
        format!("{verb} {}", quote(text))
    }
}

fn contains(text: &[u8], part: &str) -> bool {
    part.is_empty() || text.windows(part.len()).any(|window| window == part.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::excerpt::quoted;

    #[test]
    fn bytes_that_are_not_utf8_can_be_searched() {
        assert!(contains(b"\xff\xfeok\x00", "ok"));
        assert!(!contains(b"\xff", "ok"));
        assert!(!contains(b"", "ok"));
        assert!(contains(b"", ""));
    }

    #[test]
    fn every_condition_that_is_not_met_is_described() {
        let regex = |text: &str| Regex::new(text).unwrap();
        let expectation = TextExpectation(vec![
            TextCondition::Contains("ok\n".to_owned()),
            TextCondition::NotContains("error".to_owned()),
            TextCondition::Matches(regex("^a")),
            TextCondition::NotMatches(regex("z$")),
        ]);
        let unmet = |text: &[u8]| {
            expectation.unmet(text).map(|condition| condition.describe_unmet(quoted)).collect::<Vec<_>>()
        };
        assert_eq!(
            unmet(b"errorz"),
            ["does not contain \"ok\\n\"", "contains \"error\"", "does not match \"^a\"", "matches \"z$\""]
        );
        assert_eq!(unmet(b"ok\n"), ["does not match \"^a\""]);
        assert_eq!(unmet(b"a ok\n"), Vec::<String>::new());
        assert_eq!(TextExpectation::default().unmet(b"").count(), 0);
    }
}
