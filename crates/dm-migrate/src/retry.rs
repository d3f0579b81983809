//! The lock timeout, and when the command may run again after it: only if it is known that nothing was applied.
//!
//! The command's error text depends on the tool, so it is not parsed: the monitor knows which statement it has cancelled.

use std::sync::Arc;
use std::time::Duration;

use common::duration::format_duration;
use common::random;
use dm_stage::runner::{Stdin, StdinLost};

use crate::schema::{Change, SchemaState};

/// A pause does not grow further than this, unless the lock timeout itself is longer.
const MAX_PAUSE: Duration = Duration::from_mins(1);

/// The lock timeout of the migration's sessions, and the rules for retries after it.
#[derive(Debug, Clone)]
pub(crate) struct LockTimeout {
    /// How long a statement may wait.
    pub(crate) limit: Duration,
    /// Whether the user has asked for it. Otherwise it applies only where the command can run again.
    pub(crate) is_explicit: bool,
    /// The maximum number of retries.
    pub(crate) retries: u32,
    /// How long all attempts together may take before the last one begins.
    pub(crate) retry_time: Duration,
    /// The stdin of the attempts.
    pub(crate) stdin: Arc<Stdin>,
}

/// Why the command may not run again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoRetry {
    #[error("no attempts remain (--lock-retries)")]
    NoAttempts,
    #[error("all attempts together have taken too long (--lock-retry-time)")]
    NoTime,
    #[error(
        "no version table shows whether a part of the migration was applied; name it with --version-table"
    )]
    UnknownVersion,
    #[error("the version has changed since the command began")]
    VersionChanged,
    #[error("the schema has changed since the command began")]
    SchemaChanged,
    #[error("the version or the schema cannot be read")]
    Unreadable,
    #[error(
        "the statement is not known to be in a transaction block, so what came before it may be committed"
    )]
    NoTransaction,
    #[error(transparent)]
    Stdin(#[from] StdinLost),
}

/// A statement of the migration that the monitor has cancelled because of the lock timeout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cancelled {
    /// How long it had waited.
    pub(crate) waited: Duration,
    /// Whether the command can run again, as far as was known then.
    pub(crate) retry: Result<(), NoRetry>,
}

impl LockTimeout {
    /// Whether a further attempt is allowed, after this number of retries and this time.
    pub(crate) fn check(&self, retries: u32, elapsed: Duration) -> Result<(), NoRetry> {
        if retries >= self.retries {
            return Err(NoRetry::NoAttempts);
        }
        if elapsed >= self.retry_time {
            return Err(NoRetry::NoTime);
        }
        Ok(self.stdin.check()?)
    }

    /// The pause before retry number `retry`, which is at least 1. The sessions that waited behind the migration get at least
    /// as much time as it made them wait. The pauses of two migrations differ.
    pub(crate) fn pause(&self, retry: u32) -> Duration {
        let longest = MAX_PAUSE.max(self.limit);
        let doubled = self.limit.saturating_mul(1 << retry.saturating_sub(1).min(10));
        let pause = doubled.min(longest);
        pause + random::up_to(pause / 4)
    }

    /// The message about the decision after an attempt: the pause before the next one, or why there is none.
    pub(crate) fn describe(
        &self,
        waited: Duration,
        retry: u32,
        decision: Result<Duration, NoRetry>,
    ) -> String {
        let gave_up = gave_up(waited);
        match decision {
            Err(reason) => format!("{gave_up}; no retry: {reason}"),
            Ok(pause) => format!(
                "{gave_up}; retrying in {}; attempts remaining: {}",
                format_duration(pause),
                self.retries.saturating_sub(retry - 1)
            ),
        }
    }
}

/// The message about a statement that had waited for so long when it was cancelled.
pub(crate) fn gave_up(waited: Duration) -> String {
    format!("the migration gave up after waiting {} for a lock", format_duration(waited))
}

/// Whether the schema is known to be as it was when the command began.
pub(crate) fn check_unchanged(before: &SchemaState, now: &SchemaState) -> Result<(), NoRetry> {
    match now.change_since(before) {
        Change::None => Ok(()),
        Change::Catalogue => Err(NoRetry::SchemaChanged),
        Change::Version => Err(NoRetry::VersionChanged),
        Change::UnknownVersion => Err(NoRetry::UnknownVersion),
        Change::UnknownCatalogue => Err(NoRetry::Unreadable),
    }
}

#[cfg(test)]
mod tests {
    use dm_stage::runner::StdinMode;

    use super::*;

    fn timeout() -> LockTimeout {
        LockTimeout {
            limit: Duration::from_secs(5),
            is_explicit: false,
            retries: 3,
            retry_time: Duration::from_mins(10),
            stdin: Arc::new(Stdin::inspect(StdinMode::Replay)),
        }
    }

    #[test]
    fn attempts_and_time_are_limited() {
        let check = |retries, secs| timeout().check(retries, Duration::from_secs(secs));
        assert_eq!(check(2, 599), Ok(()));
        assert_eq!(check(3, 0), Err(NoRetry::NoAttempts));
        assert_eq!(check(0, 600), Err(NoRetry::NoTime));
    }

    #[test]
    fn pauses_grow_to_a_limit_and_differ() {
        for (retry, secs) in [(1, 5), (2, 10), (3, 20), (4, 40), (5, 60), (99, 60)] {
            let (pause, base) = (timeout().pause(retry), Duration::from_secs(secs));
            assert!(pause >= base && pause <= base * 5 / 4, "{retry}: {pause:?}");
        }
        let long = LockTimeout { limit: Duration::from_mins(5), ..timeout() };
        assert!(long.pause(3) >= Duration::from_mins(5));
    }
}
