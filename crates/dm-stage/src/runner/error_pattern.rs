//! Error patterns: what stderr says about the reason of a failure.

use std::str::FromStr;

use regex_lite::Regex;

use common::event::Reason;

/// A pattern of a line of stderr, and the reason that it indicates: `REGEX=CLASS`.
#[derive(Debug, Clone)]
pub struct ErrorPattern {
    pattern: Regex,
    reason: Reason,
}

impl ErrorPattern {
    /// Whether one of the lines matches.
    pub(super) fn matches_any(&self, lines: &[String]) -> bool {
        lines.iter().any(|line| self.pattern.is_match(line))
    }

    /// The reason that the pattern indicates.
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
