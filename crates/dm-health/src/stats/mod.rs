//! Statistics of the probes so far.

mod latency;
mod timeline;

use common::event::{Detail, TargetCount};

use crate::failure::Failure;
use crate::policy::ProbeResult;
use crate::probe::{ProbeOutcome, Target, without_control};
use latency::Latencies;
use timeline::ProbeTimeline;

/// How many targets the event lists separately: each one adds to the journal, and series to the Pushgateway.
const MAX_LISTED: usize = 64;

/// The statistics of one target, or of all together.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stats {
    /// The number of probes sent.
    pub(crate) probes: u64,
    /// The number of failed probes.
    pub(crate) failures: u64,
    /// The number of probes that this machine could not send, which are not failures of the target.
    pub(crate) not_probed: u64,
    /// The number of turns without a probe because the previous one was still running.
    pub(crate) skipped: u64,
    /// The last failure, of the target or of this machine.
    pub(crate) last_failure: Option<Failure>,
    /// The latencies of the successful probes.
    pub(crate) latencies: Latencies,
    /// The results over time.
    pub(crate) timeline: ProbeTimeline,
}

impl Stats {
    /// Adds a probe.
    pub(crate) fn add(&mut self, outcome: &ProbeOutcome) {
        let result = outcome.result();
        self.probes += u64::from(result != ProbeResult::NotProbed);
        self.failures += u64::from(result == ProbeResult::Unhealthy);
        self.not_probed += u64::from(result == ProbeResult::NotProbed);
        self.skipped += outcome.skipped;
        self.timeline.add(outcome);
        match (&outcome.failure, outcome.latency) {
            (Some(failure), _) => self.last_failure = Some(failure.clone()),
            (None, Some(latency)) => self.latencies.add(latency),
            (None, None) => {}
        }
    }
}

/// The statistics of a run: of each target, and of all together but the control group, which decides nothing.
#[derive(Debug, Clone)]
pub(crate) struct RunStats {
    /// All targets together, without the control group.
    pub(crate) total: Stats,
    /// Each target, in the order of the targets.
    pub(crate) per_target: Vec<Stats>,
    /// The number of all probes, with those of the control group, and those that could not be sent.
    pub(crate) probes: u64,
    /// The number of targets that do not belong to the control group. They come first.
    decisive: usize,
    /// The index of the target that was probed last, without the control group.
    pub(crate) last: usize,
}

impl RunStats {
    /// Empty statistics of these targets.
    pub(crate) fn new(targets: &[Target]) -> Self {
        Self {
            total: Stats::default(),
            per_target: vec![Stats::default(); targets.len()],
            probes: 0,
            decisive: without_control(targets).len(),
            last: 0,
        }
    }

    /// Adds a probe of the target with this index.
    pub(crate) fn add(&mut self, target: usize, outcome: &ProbeOutcome) {
        self.probes += 1;
        if let Some(stats) = self.per_target.get_mut(target) {
            stats.add(outcome);
        }
        if target < self.decisive {
            self.total.add(outcome);
            self.last = target;
        }
    }

    /// The detail of the event: nothing of the control group.
    pub(crate) fn detail(&self, targets: &[Target]) -> Detail {
        let count = |(target, stats): (&Target, &Stats)| TargetCount {
            name: target.name.clone(),
            target: target.display.clone(),
            probes: stats.probes,
            failures: stats.failures,
            latency_ms: stats.latencies.quantiles(),
        };
        let (target, targets) = match without_control(targets) {
            [one] => (one.display.clone(), Vec::new()),
            several => {
                let listed = several.iter().zip(&self.per_target).take(MAX_LISTED).map(count).collect();
                (format!("{} targets", several.len()), listed)
            }
        };
        let total = &self.total;
        Detail::Health {
            target,
            probes: total.probes,
            failures: total.failures,
            latency_ms: total.latencies.quantiles(),
            targets,
        }
    }
}
