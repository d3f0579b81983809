//! What a body, or another text of any encoding, should contain.

use regex::bytes::Regex;

/// What a text should contain. The default expects nothing.
#[derive(Debug, Clone, Default)]
pub struct TextExpectation {
    /// This text.
    pub contains: Option<String>,
    /// A match of this expression.
    pub matches: Option<Regex>,
}

/// The part of a [`TextExpectation`] that a text does not meet.
#[derive(Debug, Clone, Copy)]
pub enum TextMismatch<'a> {
    /// The text does not contain this one.
    Contains(&'a str),
    /// This expression does not match.
    Matches(&'a Regex),
}

impl TextExpectation {
    /// Compares. Works on bytes: a body does not have to be UTF-8.
    pub fn check(&self, text: &[u8]) -> Result<(), TextMismatch<'_>> {
        match (&self.contains, &self.matches) {
            (Some(part), _) if !contains(text, part) => Err(TextMismatch::Contains(part)),
            (_, Some(regex)) if !regex.is_match(text) => Err(TextMismatch::Matches(regex)),
            _ => Ok(()),
        }
    }
}

impl TextMismatch<'_> {
    /// The predicate of a sentence, with the expected text as `quote` writes it: `does not contain "ok"`.
    pub fn describe(self, quote: fn(&str) -> String) -> String {
        match self {
            Self::Contains(part) => format!("does not contain {}", quote(part)),
            Self::Matches(regex) => format!("does not match {}", quote(regex.as_str())),
        }
    }
}

pub(crate) fn contains(text: &[u8], part: &str) -> bool {
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
    fn the_first_part_that_is_not_met_is_described() {
        let expectation =
            TextExpectation { contains: Some("ok\n".to_owned()), matches: Some(Regex::new("^a").unwrap()) };
        let check = |text: &[u8]| expectation.check(text).map_err(|mismatch| mismatch.describe(quoted));
        assert_eq!(check(b"ko"), Err("does not contain \"ok\\n\"".to_owned()));
        assert_eq!(check(b"ok\n"), Err("does not match \"^a\"".to_owned()));
        assert_eq!(check(b"a ok\n"), Ok(()));
        assert!(TextExpectation::default().check(b"").is_ok());
    }
}
