//! What the probes so far add up to.

use common::event::{Detail, TargetCount};

use crate::course::Course;
use crate::latency::Latencies;
use crate::policy::Found;
use crate::probe::{Failure, Outcome, Target};

/// So many targets are recorded each for itself: each is a line of the journal and series of a gateway.
const MAX_COUNTED: usize = 64;

/// Counts of one target, or of all.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    /// Probes that were made.
    pub probes: u64,
    /// Those that failed.
    pub failures: u64,
    /// Probes that could not be made, which is no failure of the target.
    pub not_made: u64,
    /// Turns that had no probe, for the one before took too long.
    pub skipped: u64,
    /// The last failure, or what kept the last probe from being made.
    pub last_failure: Option<Failure>,
    /// The latencies of the successes.
    pub latencies: Latencies,
    /// How it went over time.
    pub course: Course,
}

impl Tally {
    /// Takes in one more.
    pub fn add(&mut self, outcome: &Outcome) {
        let found = outcome.found();
        self.probes += u64::from(found != Found::Nothing);
        self.failures += u64::from(found == Found::Bad);
        self.not_made += u64::from(found == Found::Nothing);
        self.skipped += outcome.skipped;
        self.course.add(outcome);
        match (&outcome.failure, outcome.latency) {
            (Some(failure), _) => self.last_failure = Some(failure.clone()),
            (None, Some(latency)) => self.latencies.add(latency),
            (None, None) => {}
        }
    }
}

/// What was seen of each target, and of all together.
#[derive(Debug, Clone)]
pub struct Tallies {
    /// Of all together.
    pub whole: Tally,
    /// Of each, in the order of the targets.
    pub each: Vec<Tally>,
    /// The index of the target that was probed last.
    pub last: usize,
}

impl Tallies {
    /// Nothing was seen yet of so many targets.
    pub fn new(targets: usize) -> Self {
        Self { whole: Tally::default(), each: vec![Tally::default(); targets], last: 0 }
    }

    /// Takes in one more, of the target with this index.
    pub fn add(&mut self, target: usize, outcome: &Outcome) {
        self.whole.add(outcome);
        if let Some(tally) = self.each.get_mut(target) {
            tally.add(outcome);
        }
        self.last = target;
    }

    /// For the event.
    pub fn detail(&self, targets: &[Target]) -> Detail {
        let counted = |(target, tally): (&Target, &Tally)| TargetCount {
            name: target.name.clone(),
            target: target.shown.clone(),
            probes: tally.probes,
            failures: tally.failures,
            latency_ms: tally.latencies.quantiles(),
        };
        let (target, each) = match targets {
            [one] => (one.shown.clone(), Vec::new()),
            several => {
                let each = several.iter().zip(&self.each).take(MAX_COUNTED).map(counted).collect();
                (format!("{} targets", several.len()), each)
            }
        };
        let whole = &self.whole;
        Detail::Health {
            target,
            probes: whole.probes,
            failures: whole.failures,
            latency_ms: whole.latencies.quantiles(),
            targets: each,
        }
    }
}
