//! Computes the total lock wait of a migration from periodic polls.

use std::time::{Duration, Instant};

/// The waits so far.
#[derive(Debug, Default)]
pub(super) struct LockWaits {
    finished: Duration,
    current: Option<Wait>,
    has_polled: bool,
}

/// A wait that has not ended.
#[derive(Debug, Clone, Copy)]
struct Wait {
    length: Duration,
    polled_at: Instant,
}

impl LockWaits {
    /// Records a poll at `at`. `waiting` is how long a session of the migration has waited; `None` if none waits.
    pub(super) fn record_poll(&mut self, at: Instant, waiting: Option<Duration>) {
        self.has_polled = true;
        match (self.current, waiting) {
            // A shorter wait than before is a new one.
            (Some(before), Some(length)) if length < before.length => {
                self.end(at.checked_sub(length).unwrap_or(at));
                self.current = Some(Wait { length, polled_at: at });
            }
            (_, Some(length)) => self.current = Some(Wait { length, polled_at: at }),
            (_, None) => self.end(at),
        }
    }

    /// Ends the current wait, which was over by `at`. The exact moment is unknown; the middle of the time since the last
    /// poll is the best estimate.
    pub(super) fn end(&mut self, at: Instant) {
        if let Some(wait) = self.current.take() {
            self.finished += wait.length + at.saturating_duration_since(wait.polled_at) / 2;
        }
    }

    /// The length of the current wait at the last poll.
    pub(super) fn current(&self) -> Option<Duration> {
        self.current.map(|wait| wait.length)
    }

    /// The sum of all waits; `None` if there was no poll.
    pub(super) fn total(&self) -> Option<Duration> {
        self.has_polled.then(|| self.finished + self.current().unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use common::clock::{Clock, SystemClock};
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn without_a_poll_the_total_is_unknown_and_not_zero() {
        assert_eq!(LockWaits::default().total(), None);
        let mut waits = LockWaits::default();
        waits.record_poll(SystemClock.instant(), None);
        assert_eq!(waits.total(), Some(Duration::ZERO));
    }

    #[test]
    fn two_waits_are_added_up() {
        let start = SystemClock.instant();
        let ms = Duration::from_millis;
        let mut waits = LockWaits::default();
        waits.record_poll(start + ms(1000), Some(ms(600)));
        waits.record_poll(start + ms(1200), Some(ms(800)));
        // The first wait ended between 1200 and 1300, when the second began.
        waits.record_poll(start + ms(1400), Some(ms(100)));
        assert_eq!(waits.current(), Some(ms(100)));
        waits.record_poll(start + ms(1600), None);
        assert_eq!(waits.total(), Some(ms(800 + 50 + 100 + 100)));
    }

    proptest! {
        /// The measured wait is exact to half a polling period, wherever the polls fall.
        #[test]
        fn the_total_is_exact_to_half_a_period(from in 0_u64..5000, length in 1_u64..9000, period in 50_u64..1000) {
            let start = SystemClock.instant();
            let ms = Duration::from_millis;
            let mut waits = LockWaits::default();
            for at in (0..20_000).step_by(usize::try_from(period).unwrap()) {
                let waiting = at >= from && at < from + length;
                waits.record_poll(start + ms(at), waiting.then(|| ms(at - from)));
            }
            let total = waits.total().unwrap();
            if length >= period {
                prop_assert!(total.abs_diff(ms(length)) <= ms(period / 2 + 1), "{:?}", total);
            }
        }
    }
}
