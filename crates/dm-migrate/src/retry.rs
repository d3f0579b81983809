//! Whether a command that failed is to be run again: where it failed by its lock timeout, and nothing was applied.
//!
//! The command's error text is its own, and nobody reads it here. That a lock timeout ended it is seen in the database:
//! its last wait can have been as long as it may, and nothing was seen to come of it.

use std::time::Duration;

use common::duration::format_duration;

use crate::monitor::Seen;
use crate::version::Versions;

/// What is left of the attempts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retries {
    /// The lock timeout of the migration's sessions.
    pub limit: Duration,
    /// So many more.
    pub left: u32,
}

/// What to do about a command that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It failed by something else.
    NotTheLock,
    /// It failed by its lock timeout; for this reason it is not run again.
    GiveUp(&'static str),
    /// Run it again after this pause.
    Again(Duration),
}

impl Retries {
    /// What to do after a failure of which this was seen.
    pub fn after(self, seen: &Seen, before: &Versions) -> Answer {
        // The server measures the wait by a clock and from a moment of its own.
        if seen.last_wait.is_none_or(|wait| wait < self.limit * 9 / 10) {
            Answer::NotTheLock
        } else if self.left == 0 {
            Answer::GiveUp("the attempts are used up")
        } else if seen.versions.0.is_empty() {
            Answer::GiveUp("there is no version table, and so no telling whether it had begun")
        } else if !seen.versions.is_surely_still(before) {
            Answer::GiveUp("a part of it was applied")
        } else {
            // Those who waited behind it get as long as it made them wait.
            Answer::Again(self.limit)
        }
    }
}

impl Answer {
    /// For people.
    pub fn told(&self, retries: Retries) -> Option<String> {
        let gave_up =
            format!("the migration gave up after waiting {} for a lock", format_duration(retries.limit));
        match self {
            Self::NotTheLock => None,
            Self::GiveUp(why) => Some(format!("{gave_up}; it is not run again: {why}")),
            Self::Again(pause) => Some(format!(
                "{gave_up}; it is run again in {}; attempts left: {}",
                format_duration(*pause),
                retries.left
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::version::Found;

    fn at(version: &str, dirty: bool) -> Versions {
        let (schema, version) = ("public".to_owned(), Some(version.to_owned()));
        Versions(vec![Found { tool: "sqlx", schema, version, applied: 1, dirty: Some(dirty) }])
    }

    #[test]
    fn only_a_failure_by_the_lock_with_nothing_applied_is_tried_again() {
        let limit = Duration::from_secs(5);
        let after = |left, wait: Option<u64>, versions: Versions| {
            let last_wait = wait.map(Duration::from_secs);
            let seen = Seen { last_wait, versions, ..Seen::default() };
            Retries { limit, left }.after(&seen, &at("1", false))
        };
        assert_eq!(after(3, Some(5), at("1", false)), Answer::Again(limit));
        assert_eq!(after(3, Some(1), at("1", false)), Answer::NotTheLock);
        assert_eq!(after(3, None, at("1", false)), Answer::NotTheLock);
        for (left, versions) in
            [(0, at("1", false)), (3, at("2", false)), (3, at("1", true)), (3, Versions::default())]
        {
            assert!(matches!(after(left, Some(5), versions), Answer::GiveUp(_)));
        }
    }
}
