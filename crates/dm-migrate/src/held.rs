//! One migration at a time: somebody else has the lock.

use std::fmt;

use crate::mask::one_line;

/// Who has it, as far as that is known.
#[derive(Debug)]
pub struct Held(pub Option<String>);

impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let who = self.0.as_deref().map_or_else(|| "who is unknown".to_owned(), one_line);
        write!(f, "another dm-migrate changes this database: {who}; try again when it has ended")
    }
}

impl std::error::Error for Held {}
