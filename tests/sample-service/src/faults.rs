//! The faults, and who of many requests is struck by them.

use std::sync::Mutex;
use std::time::Duration;

use serde::Deserialize;

/// What is wrong with the service at the moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Faults {
    /// This share of requests fails, in percent.
    pub(crate) error_percent: u8,
    /// Every request takes at least so long.
    pub(crate) latency_ms: u64,
    /// Nothing works.
    pub(crate) down: bool,
}

/// The faults, to be switched while requests come in.
#[derive(Debug)]
pub(crate) struct Switch(Mutex<State>);

#[derive(Debug)]
struct State {
    faults: Faults,
    requests: u64,
}

impl Switch {
    pub(crate) fn new(faults: Faults) -> Self {
        Self(Mutex::new(State { faults, requests: 0 }))
    }

    pub(crate) fn set(&self, faults: Faults) {
        self.state().faults = faults;
    }

    pub(crate) fn is_down(&self) -> bool {
        self.state().faults.down
    }

    /// How long the next request takes, and whether it fails.
    pub(crate) fn next(&self) -> (Duration, bool) {
        let mut state = self.state();
        let fails = strikes(state.requests, state.faults.error_percent);
        state.requests += 1;
        (Duration::from_millis(state.faults.latency_ms), fails)
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// Whether the request number `k`, from 0, fails at this percentage. Evenly spread and always the same: of any 100
/// requests in a row exactly so many fail, and the first does not unless all do.
fn strikes(k: u64, percent: u8) -> bool {
    let percent = u64::from(percent);
    (k + 1) * percent / 100 > k * percent / 100
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exactly_the_share_fails_in_any_hundred_requests() {
        for percent in [0, 1, 30, 60, 99, 100] {
            for from in [0, 7, 250] {
                let struck = (from..from + 100).filter(|k| strikes(*k, percent)).count();
                assert_eq!(struck, usize::from(percent));
            }
        }
        assert!(!strikes(0, 60) && strikes(1, 60));
    }
}
