//! The lock wait of a migration, from looks at it now and then.

use std::time::{Duration, Instant};

/// What was seen so far.
#[derive(Debug, Default)]
pub(super) struct LockWaits {
    finished: Duration,
    current: Option<Wait>,
    /// How long the last wait can have been, if it is over and nothing was seen to come of it.
    unproductive: Option<Duration>,
    has_polled: bool,
}

/// A wait that goes on.
#[derive(Debug, Clone, Copy)]
struct Wait {
    length: Duration,
    polled_at: Instant,
}

impl LockWaits {
    /// A look, at `at`: a session of ours waits, and has for so long; or none does, and some are, or none is, at work
    /// in a statement or a transaction that has not failed.
    pub(super) fn record_poll(&mut self, at: Instant, waiting: Option<Duration>, at_work: bool) {
        self.has_polled = true;
        // A tool may need a while, after its statement failed, to say so and to end.
        let over = if waiting.is_none() { self.longest(at) } else { None };
        self.unproductive = if at_work { None } else { over };
        match (self.current, waiting) {
            // A shorter wait than before is another one.
            (Some(before), Some(length)) if length < before.length => {
                self.end(at.checked_sub(length).unwrap_or(at));
                self.current = Some(Wait { length, polled_at: at });
            }
            (_, Some(length)) => self.current = Some(Wait { length, polled_at: at }),
            (_, None) => self.end(at),
        }
    }

    /// The wait that was going on when last looked, which ended by `at`. When, nobody saw: half of the time since is
    /// the best guess.
    pub(super) fn end(&mut self, at: Instant) {
        if let Some(wait) = self.current.take() {
            self.finished += wait.length + at.saturating_duration_since(wait.polled_at) / 2;
        }
    }

    /// How long the wait has been that was going on when last looked.
    pub(super) fn current(&self) -> Option<Duration> {
        self.current.map(|wait| wait.length)
    }

    /// How long the wait can have been by `at` that goes on, or that nothing was seen to come of.
    pub(super) fn longest(&self, at: Instant) -> Option<Duration> {
        let current = self.current.map(|wait| wait.length + at.saturating_duration_since(wait.polled_at));
        current.or(self.unproductive)
    }

    /// All waits together; `None` where nobody could look.
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
    fn without_a_look_it_is_unknown_and_not_zero() {
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
        // The first ended at some time up to 1300, when the second began.
        waits.record_poll(start + ms(1400), Some(ms(100)), true);
        assert_eq!(waits.current(), Some(ms(100)));
        assert_eq!(waits.longest(start + ms(1500)), Some(ms(200)));
        waits.record_poll(start + ms(1600), None, true);
        assert_eq!(waits.total(), Some(ms(800 + 50 + 100 + 100)));
    }

    #[test]
    fn a_wait_was_in_vain_if_nothing_came_of_it() {
        let start = SystemClock.instant();
        let ms = Duration::from_millis;
        let longest = |at_work: bool| {
            let mut waits = LockWaits::default();
            waits.record_poll(start + ms(1000), Some(ms(700)), true);
            waits.record_poll(start + ms(1200), None, at_work);
            waits.record_poll(start + ms(1400), None, false);
            waits.longest(start + ms(9000))
        };
        assert_eq!(longest(false), Some(ms(900)));
        assert_eq!(longest(true), None);
    }

    proptest! {
        /// A wait from `from` to `to` is found to half the time between two looks, wherever the looks fall.
        #[test]
        fn a_wait_is_right_to_half_a_period(from in 0_u64..5000, length in 1_u64..9000, period in 50_u64..1000) {
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
