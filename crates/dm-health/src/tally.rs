//! What the probes so far add up to.

use common::event::Detail;

use crate::latency::Latencies;
use crate::probe::{Failure, Outcome};

/// Counts of one run.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    /// Probes made.
    pub probes: u64,
    /// Those that failed.
    pub failures: u64,
    /// The last failure.
    pub last_failure: Option<Failure>,
    /// The latencies of the successes.
    pub latencies: Latencies,
}

impl Tally {
    /// Takes in one more.
    pub fn add(&mut self, outcome: &Outcome) {
        self.probes += 1;
        match (&outcome.failure, outcome.latency) {
            (Some(failure), _) => {
                self.failures += 1;
                self.last_failure = Some(failure.clone());
            }
            (None, Some(latency)) => self.latencies.add(latency),
            (None, None) => {}
        }
    }

    /// For the event.
    pub fn detail(&self, target: String) -> Detail {
        Detail::Health {
            target,
            probes: self.probes,
            failures: self.failures,
            latency_ms: self.latencies.quantiles(),
        }
    }
}
