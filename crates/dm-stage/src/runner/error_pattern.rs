//! What a command says when it fails, and what that means.

use std::str::FromStr;

use regex_lite::Regex;

use common::event::Reason;

/// A pattern of a command's stderr, and the class of the error it stands for: `regex=class`.
#[derive(Debug, Clone)]
pub struct ErrorPattern {
    pattern: Regex,
    reason: Reason,
}

impl ErrorPattern {
    /// Whether it is found in one of the lines.
    pub(super) fn is_in(&self, lines: &[String]) -> bool {
        lines.iter().any(|line| self.pattern.is_match(line))
    }

    /// The class.
    pub(super) fn reason(&self) -> Reason {
        self.reason
    }
}

impl FromStr for ErrorPattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (pattern, reason) =
            text.rsplit_once('=').ok_or("write REGEX=CLASS, such as 'no space left=other'")?;
        let pattern = Regex::new(pattern).map_err(|error| error.to_string())?;
        Ok(Self { pattern, reason: reason.parse()? })
    }
}
