//! The injected faults, and the choice of the requests that fail.

use std::sync::Mutex;
use std::time::Duration;

use serde::Deserialize;

/// The faults that are active.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Faults {
    /// The share of requests that fail, in percent.
    pub(crate) error_percent: u8,
    /// The minimum duration of every request, in milliseconds.
    pub(crate) latency_ms: u64,
    /// The service answers every request with 503.
    pub(crate) down: bool,
}

/// The active faults, which can be changed while requests are served, and the number of requests so far.
#[derive(Debug)]
pub(crate) struct FaultSwitch(Mutex<State>);

#[derive(Debug)]
struct State {
    faults: Faults,
    requests: u64,
}

impl FaultSwitch {
    pub(crate) fn new(faults: Faults) -> Self {
        Self(Mutex::new(State { faults, requests: 0 }))
    }

    pub(crate) fn set(&self, faults: Faults) {
        self.state().faults = faults;
    }

    pub(crate) fn is_down(&self) -> bool {
        self.state().faults.down
    }

    /// The minimum duration of the next request, and whether it fails.
    pub(crate) fn next(&self) -> (Duration, bool) {
        let mut state = self.state();
        let fails = is_failure(state.requests, state.faults.error_percent);
        state.requests += 1;
        (Duration::from_millis(state.faults.latency_ms), fails)
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// Whether request number `k`, counted from 0, fails at this percentage. The failures are evenly distributed and
/// deterministic: of any 100 consecutive requests exactly `percent` fail, and the first one fails only at 100 percent.
fn is_failure(k: u64, percent: u8) -> bool {
    let percent = u64::from(percent);
    (k + 1) * percent / 100 > k * percent / 100
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exactly_the_given_share_of_any_hundred_requests_fails() {
        for percent in [0, 1, 30, 60, 99, 100] {
            for from in [0, 7, 250] {
                let failures = (from..from + 100).filter(|k| is_failure(*k, percent)).count();
                assert_eq!(failures, usize::from(percent));
            }
        }
        assert!(!is_failure(0, 60) && is_failure(1, 60));
    }
}
