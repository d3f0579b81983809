//! Random times, so that several processes do not act at the same moment.

use std::time::Duration;

/// A random time of at most `max`.
pub fn up_to(max: Duration) -> Duration {
    // Without entropy there is no jitter, which does no harm.
    max.mul_f64(f64::from(getrandom::u32().unwrap_or(0)) / f64::from(u32::MAX))
}
