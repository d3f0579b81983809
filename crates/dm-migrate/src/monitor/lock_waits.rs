//! Computes the total lock wait of a migration from periodic polls.

use std::time::{Duration, Instant};

/// The waits so far.
#[derive(Debug, Default)]
pub(super) struct LockWaits {
    finished: Duration,
    current: Option<Wait>,
    /// The longest possible length of the last wait, if it is over and no session was observed at work after it.
    unproductive: Option<Duration>,
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
    /// `is_working` is whether a session is in a statement, or in a transaction that has not failed.
    pub(super) fn record_poll(&mut self, at: Instant, waiting: Option<Duration>, is_working: bool) {
        self.has_polled = true;
        // After its statement failed, a tool may need a while to report that and exit.
        let over = if waiting.is_none() { self.longest(at) } else { None };
        self.unproductive = if is_working { None } else { over };
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

    /// The longest possible length, by `at`, of the current wait, or of the last one if no work was observed after it.
    pub(super) fn longest(&self, at: Instant) -> Option<Duration> {
        let current = self.current.map(|wait| wait.length + at.saturating_duration_since(wait.polled_at));
        current.or(self.unproductive)
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
        waits.record_poll(SystemClock.instant(), None, false);
        assert_eq!(waits.total(), Some(Duration::ZERO));
    }

    #[test]
    fn two_waits_are_added_up() {
        let start = SystemClock.instant();
        let ms = Duration::from_millis;
        let mut waits = LockWaits::default();
        waits.record_poll(start + ms(1000), Some(ms(600)), true);
        waits.record_poll(start + ms(1200), Some(ms(800)), true);
        // The first wait ended between 1200 and 1300, when the second began.
        waits.record_poll(start + ms(1400), Some(ms(100)), true);
        assert_eq!(waits.current(), Some(ms(100)));
        assert_eq!(waits.longest(start + ms(1500)), Some(ms(200)));
        waits.record_poll(start + ms(1600), None, true);
        assert_eq!(waits.total(), Some(ms(800 + 50 + 100 + 100)));
    }

    #[test]
    fn the_last_wait_counts_if_no_work_followed_it() {
        let start = SystemClock.instant();
        let ms = Duration::from_millis;
        let longest = |is_working: bool| {
            let mut waits = LockWaits::default();
            waits.record_poll(start + ms(1000), Some(ms(700)), true);
            waits.record_poll(start + ms(1200), None, is_working);
            waits.record_poll(start + ms(1400), None, false);
            waits.longest(start + ms(9000))
        };
        assert_eq!(longest(false), Some(ms(900)));
        assert_eq!(longest(true), None);
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
                waits.record_poll(start + ms(at), waiting.then(|| ms(at - from)), true);
            }
            let total = waits.total().unwrap();
            if length >= period {
                prop_assert!(total.abs_diff(ms(length)) <= ms(period / 2 + 1), "{:?}", total);
            }
        }
    }
}
