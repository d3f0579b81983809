//! The wall clock says *when*, the monotonic clock says *how long*. Both are passed in, so tests need no sleep.

use std::time::{Duration, Instant};

use chrono::{DateTime, SubsecRound, Utc};

/// A source of both clocks.
pub trait Clock {
    /// The wall clock, truncated to milliseconds, as records store it.
    fn now(&self) -> DateTime<Utc>;
    /// The monotonic clock, for durations.
    fn instant(&self) -> Instant;
}

/// The machine's clocks.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "every other place takes this clock")]
    fn now(&self) -> DateTime<Utc> {
        Utc::now().trunc_subsecs(3)
    }

    #[expect(clippy::disallowed_methods, reason = "every other place takes this clock")]
    fn instant(&self) -> Instant {
        Instant::now()
    }
}

/// A running measurement: its start by the wall clock, and the time since by the monotonic clock.
#[derive(Debug, Clone, Copy)]
pub struct Stopwatch {
    /// The start, by the wall clock.
    pub started_at: DateTime<Utc>,
    started: Instant,
}

impl Stopwatch {
    /// Starts a measurement.
    pub fn start(clock: &dyn Clock) -> Self {
        // The two readings are nanoseconds apart, which is close enough to label the start.
        Self { started_at: clock.now(), started: clock.instant() }
    }

    /// The time since the start. Changes to the wall clock do not affect it.
    pub fn elapsed(&self, clock: &dyn Clock) -> Duration {
        clock.instant().saturating_duration_since(self.started)
    }
}

/// A time in seconds since the Unix epoch, with milliseconds, as metrics carry it.
pub fn epoch_seconds(time: DateTime<Utc>) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "milliseconds since the epoch fit 53 bits")]
    let milliseconds = time.timestamp_millis() as f64;
    milliseconds / 1000.0
}
