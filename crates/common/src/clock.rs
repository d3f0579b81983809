//! Wall clock to say *when*, monotonic clock to say *how long*; both passed in, so that tests need no sleep.

use std::time::{Duration, Instant};

use chrono::{DateTime, SubsecRound, Utc};

/// A source of both clocks.
pub trait Clock {
    /// The wall clock, to the millisecond: records hold no more.
    fn now(&self) -> DateTime<Utc>;
    /// The monotonic clock.
    fn instant(&self) -> Instant;
}

/// The machine's clocks.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the clock that everything else takes")]
    fn now(&self) -> DateTime<Utc> {
        Utc::now().trunc_subsecs(3)
    }

    #[expect(clippy::disallowed_methods, reason = "this is the clock that everything else takes")]
    fn instant(&self) -> Instant {
        Instant::now()
    }
}

/// A started measurement: when it began by the wall clock, and how long ago by the monotonic one.
#[derive(Debug, Clone, Copy)]
pub struct Stopwatch {
    /// When it was started.
    pub started_at: DateTime<Utc>,
    started: Instant,
}

impl Stopwatch {
    /// Starts now.
    pub fn start(clock: &dyn Clock) -> Self {
        // The two readings are a few nanoseconds apart, which is good enough to name a start by.
        Self { started_at: clock.now(), started: clock.instant() }
    }

    /// The time since the start, unmoved by changes of the wall clock.
    pub fn elapsed(&self, clock: &dyn Clock) -> Duration {
        clock.instant().saturating_duration_since(self.started)
    }
}
