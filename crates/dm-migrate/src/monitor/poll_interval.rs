//! How often a wait is looked at: closely at first, and then as what lasts. Each question costs the server something.

use std::time::Duration;

/// For so long a wait is looked at closely: until it was told for the second time.
const YOUNG: Duration = Duration::from_secs(12);

/// After this, little will change.
const OLD: Duration = Duration::from_mins(1);

/// The pause before the next look at whether it still lasts: its length is right to half of this.
pub(super) fn wait_length(age: Duration) -> Duration {
    if age < YOUNG { Duration::from_millis(250) } else { Duration::from_secs(1) }
}

/// For so long it is the same lock that is wanted, as far as we know.
pub(super) fn lock_requests(age: Duration) -> Duration {
    if age < YOUNG { Duration::ZERO } else { blockers(age) }
}

/// Between two times that it is found out who waits for whom, which is the dearest question.
pub(super) fn blockers(age: Duration) -> Duration {
    match age {
        age if age < YOUNG => Duration::from_secs(1),
        age if age < OLD => Duration::from_secs(5),
        _ => Duration::from_secs(10),
    }
}
