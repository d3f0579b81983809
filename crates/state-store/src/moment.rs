//! Time by the clock of this machine since its boot, which nobody sets.

use std::fs;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

/// A moment. Two of them can be compared if their clock is the same.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Moment {
    /// The boot of the machine, and the namespace of its clock; `None` if the system does not name them, so that only
    /// moments of one process can be compared.
    pub(crate) clock: Option<String>,
    /// Seconds on it, with the time in which the machine slept.
    pub(crate) seconds: f64,
}

impl Moment {
    /// Now.
    pub(crate) fn now() -> Self {
        let time = clock_gettime(ClockId::Boottime);
        let since_boot = Duration::try_from(time).unwrap_or_default();
        Self { clock: clock(), seconds: since_boot.as_secs_f64() }
    }

    /// How long before `later` it was; zero if that is not known.
    pub(crate) fn until(&self, later: &Self) -> Duration {
        let seconds = if self.clock == later.clock { later.seconds - self.seconds } else { 0.0 };
        Duration::try_from_secs_f64(seconds).unwrap_or_default()
    }
}

fn clock() -> Option<String> {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let namespace = fs::read_link("/proc/self/ns/time").ok()?;
    Some(format!("{} {}", boot.trim(), namespace.display()))
}
