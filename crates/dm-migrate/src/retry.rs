//! Decides whether to retry a failed command: only if it failed because of its lock timeout and nothing was applied.
//!
//! The command's error text depends on the tool, so it is not parsed. The monitor observes a lock timeout in the
//! database: the last wait can have lasted as long as the limit, and the session did no work after it.

use std::time::Duration;

use common::duration::format_duration;

use crate::monitor::Observation;
use crate::schema::SchemaVersions;

/// The remaining attempts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Retries {
    /// The lock timeout of the migration's sessions.
    pub(crate) limit: Duration,
    /// The number of further attempts.
    pub(crate) remaining: u32,
}

/// The decision about a failed command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Decision {
    /// The command failed for another reason than its lock timeout.
    NotLockTimeout,
    /// The command failed because of its lock timeout, and is not retried for this reason.
    GiveUp(&'static str),
    /// Retry after this pause.
    Retry(Duration),
}

impl Retries {
    /// Decides after a failed attempt with this observation.
    pub(crate) fn decide(self, observation: &Observation, before: &SchemaVersions) -> Decision {
        // The server starts to measure the wait a little later, by its own clock.
        if observation.last_wait.is_none_or(|wait| wait < self.limit * 9 / 10) {
            Decision::NotLockTimeout
        } else if self.remaining == 0 {
            Decision::GiveUp("no attempts remain")
        } else if observation.versions.0.is_empty() {
            Decision::GiveUp("no version table shows whether a part of it was applied")
        } else if !observation.versions.is_unchanged(before) {
            Decision::GiveUp("a part of it was applied")
        } else {
            // The sessions that waited behind it get as much time as it made them wait.
            Decision::Retry(self.limit)
        }
    }
}

impl Decision {
    /// The message; `None` if there is nothing to report.
    pub(crate) fn describe(&self, retries: Retries) -> Option<String> {
        let gave_up =
            format!("the migration gave up after waiting {} for a lock", format_duration(retries.limit));
        match self {
            Self::NotLockTimeout => None,
            Self::GiveUp(reason) => Some(format!("{gave_up}; no retry: {reason}")),
            Self::Retry(pause) => Some(format!(
                "{gave_up}; retrying in {}; attempts remaining: {}",
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
    fn only_a_lock_timeout_with_nothing_applied_is_retried() {
        let limit = Duration::from_secs(5);
        let decide = |remaining, wait: Option<u64>, versions: SchemaVersions| {
            let last_wait = wait.map(Duration::from_secs);
            let observation = Observation { last_wait, versions, ..Observation::default() };
            Retries { limit, remaining }.decide(&observation, &at("1", false))
        };
        assert_eq!(decide(3, Some(5), at("1", false)), Decision::Retry(limit));
        assert_eq!(decide(3, Some(1), at("1", false)), Decision::NotLockTimeout);
        assert_eq!(decide(3, None, at("1", false)), Decision::NotLockTimeout);
        for (remaining, versions) in
            [(0, at("1", false)), (3, at("2", false)), (3, at("1", true)), (3, SchemaVersions::default())]
        {
            assert!(matches!(decide(remaining, Some(5), versions), Decision::GiveUp(_)));
        }
    }
}
