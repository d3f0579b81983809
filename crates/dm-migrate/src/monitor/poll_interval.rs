//! How often a wait is polled: often at first, less often later, because each query costs the server time.

use std::time::Duration;

/// Up to this age a wait is polled often: until shortly after its second report.
const YOUNG: Duration = Duration::from_secs(12);

/// From this age on, a wait rarely changes.
const OLD: Duration = Duration::from_mins(1);

/// The pause before the next poll of a wait of this age. Its measured length is exact to half of the pause.
pub(super) fn wait_length(age: Duration) -> Duration {
    if age < YOUNG { Duration::from_millis(250) } else { Duration::from_secs(1) }
}

/// How long the last answer about the requested locks is used for a wait of this age.
pub(super) fn lock_requests(age: Duration) -> Duration {
    if age < YOUNG { Duration::ZERO } else { blockers(age) }
}

/// The time between two queries for the blockers, which are the most expensive ones.
pub(super) fn blockers(age: Duration) -> Duration {
    match age {
        age if age < YOUNG => Duration::from_secs(1),
        age if age < OLD => Duration::from_secs(5),
        _ => Duration::from_secs(10),
    }
}
