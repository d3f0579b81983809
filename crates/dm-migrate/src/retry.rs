//! Whether a command that failed is to be run again: where it failed by its lock timeout, and nothing was applied.
//!
//! The command's error text is its own, and nobody reads it here. That a lock timeout ended it is observation in the database:
//! its last wait can have been as long as it may, and nothing was observation to come of it.

use std::time::Duration;

use common::duration::format_duration;

use crate::monitor::Observation;
use crate::schema::SchemaVersions;

/// What is remaining of the attempts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Retries {
    /// The lock timeout of the migration's sessions.
    pub(crate) limit: Duration,
    /// So many more.
    pub(crate) remaining: u32,
}

/// What to do about a command that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Decision {
    /// It failed by something else.
    NotLockTimeout,
    /// It failed by its lock timeout; for this reason it is not run again.
    GiveUp(&'static str),
    /// Run it again after this pause.
    Retry(Duration),
}

impl Retries {
    /// What to do after a failure of which this was observation.
    pub(crate) fn decide(self, observation: &Observation, before: &SchemaVersions) -> Decision {
        // The server measures the wait by a clock and from a moment of its own.
        if observation.last_wait.is_none_or(|wait| wait < self.limit * 9 / 10) {
            Decision::NotLockTimeout
        } else if self.remaining == 0 {
            Decision::GiveUp("the attempts are used up")
        } else if observation.versions.0.is_empty() {
            Decision::GiveUp("there is no version table, and so no telling whether it had begun")
        } else if !observation.versions.is_unchanged(before) {
            Decision::GiveUp("a part of it was applied")
        } else {
            // Those who waited behind it get as long as it made them wait.
            Decision::Retry(self.limit)
        }
    }
}

impl Decision {
    /// For people.
    pub(crate) fn describe(&self, retries: Retries) -> Option<String> {
        let gave_up =
            format!("the migration gave up after waiting {} for a lock", format_duration(retries.limit));
        match self {
            Self::NotLockTimeout => None,
            Self::GiveUp(why) => Some(format!("{gave_up}; it is not run again: {why}")),
            Self::Retry(pause) => Some(format!(
                "{gave_up}; it is run again in {}; attempts remaining: {}",
                format_duration(*pause),
                retries.remaining
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::TableVersion;

    fn at(version: &str, dirty: bool) -> SchemaVersions {
        let (schema, version) = ("public".to_owned(), Some(version.to_owned()));
        SchemaVersions(vec![TableVersion { tool: "sqlx", schema, version, applied: 1, dirty: Some(dirty) }])
    }

    #[test]
    fn only_a_failure_by_the_lock_with_nothing_applied_is_tried_again() {
        let limit = Duration::from_secs(5);
        let after = |remaining, wait: Option<u64>, versions: SchemaVersions| {
            let last_wait = wait.map(Duration::from_secs);
            let observation = Observation { last_wait, versions, ..Observation::default() };
            Retries { limit, remaining }.decide(&observation, &at("1", false))
        };
        assert_eq!(after(3, Some(5), at("1", false)), Decision::Retry(limit));
        assert_eq!(after(3, Some(1), at("1", false)), Decision::NotLockTimeout);
        assert_eq!(after(3, None, at("1", false)), Decision::NotLockTimeout);
        for (remaining, versions) in
            [(0, at("1", false)), (3, at("2", false)), (3, at("1", true)), (3, SchemaVersions::default())]
        {
            assert!(matches!(after(remaining, Some(5), versions), Decision::GiveUp(_)));
        }
    }
}
