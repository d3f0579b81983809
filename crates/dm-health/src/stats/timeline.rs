//! The results of probes over time: the longest outage and a sparkline, in bounded memory.

use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::policy::ProbeResult;
use crate::probe::ProbeOutcome;

/// The maximum width of the sparkline, in characters.
const WIDTH: usize = 60;

const HEIGHTS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// The mark of a failure.
const FAILED: char = '✗';

/// The results of the probes of one target over time.
#[derive(Debug, Clone, Default)]
pub(crate) struct ProbeTimeline {
    failing_since: Option<DateTime<Utc>>,
    longest_outage: Duration,
    /// At most [`WIDTH`] bars. Each represents the same number of probes, except for the last.
    bars: Vec<Bar>,
    probes_per_bar: u64,
    probes_in_last_bar: u64,
}

/// A group of probes, represented by the worst.
#[derive(Debug, Clone, Copy)]
enum Bar {
    Success(Duration),
    Failed,
}

impl Bar {
    fn worse(self, other: Self) -> Self {
        match (self, other) {
            (Self::Success(one), Self::Success(other)) => Self::Success(one.max(other)),
            _ => Self::Failed,
        }
    }
}

impl ProbeTimeline {
    /// Adds a probe.
    pub(crate) fn add(&mut self, outcome: &ProbeOutcome) {
        let bar = match outcome.result() {
            ProbeResult::Healthy => Bar::Success(outcome.latency.unwrap_or_default()),
            ProbeResult::Unhealthy => Bar::Failed,
            ProbeResult::NotProbed => return,
        };
        if outcome.result() == ProbeResult::Unhealthy && self.failing_since.is_none() {
            self.failing_since = Some(outcome.sent_at);
        }
        if let Some(since) = self.failing_since {
            // The wall clock may have been set back meanwhile.
            let outage = (outcome.sent_at - since).to_std().unwrap_or_default();
            self.longest_outage = self.longest_outage.max(outage);
        }
        if outcome.is_ok() {
            self.failing_since = None;
        }
        self.draw(bar);
    }

    /// The longest time from a failure to the next success, or to the last probe.
    pub(crate) fn longest_outage(&self) -> Duration {
        self.longest_outage
    }

    /// The sparkline: the height of a bar is the latency, relative to the slowest probe. Failures are crosses.
    pub(crate) fn sparkline(&self) -> String {
        let latency = |bar: &Bar| match bar {
            Bar::Success(latency) => *latency,
            Bar::Failed => Duration::ZERO,
        };
        let max = self.bars.iter().map(latency).max().unwrap_or_default();
        let mark = |bar: &Bar| match bar {
            Bar::Success(latency) => height(*latency, max),
            Bar::Failed => FAILED,
        };
        self.bars.iter().map(mark).collect()
    }

    fn draw(&mut self, bar: Bar) {
        if let Some(last) = self.bars.last_mut()
            && self.probes_in_last_bar < self.probes_per_bar
        {
            *last = last.worse(bar);
            self.probes_in_last_bar += 1;
            return;
        }
        if self.bars.len() == WIDTH {
            let both = |pair: &[Bar]| pair.iter().copied().reduce(Bar::worse);
            self.bars = self.bars.chunks(2).filter_map(both).collect();
            self.probes_per_bar *= 2;
        }
        self.probes_per_bar = self.probes_per_bar.max(1);
        self.bars.push(bar);
        self.probes_in_last_bar = 1;
    }
}

fn height(latency: Duration, max: Duration) -> char {
    let eighths = latency.as_nanos().saturating_mul(8).div_ceil(max.as_nanos().max(1));
    let index = usize::try_from(eighths).unwrap_or(usize::MAX).saturating_sub(1);
    HEIGHTS.get(index).copied().unwrap_or('█')
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use common::event::Reason;
    use common::records::Phases;

    use super::*;
    use crate::failure::Failure;

    /// One probe per second: its latency in milliseconds, or `None` for a failure.
    fn timeline(probes: &[Option<u64>]) -> ProbeTimeline {
        let mut timeline = ProbeTimeline::default();
        let mut sent_at = DateTime::UNIX_EPOCH;
        for latency in probes {
            timeline.add(&ProbeOutcome {
                sent_at,
                address: None,
                status: None,
                version: None,
                clock_difference: None,
                latency: latency.map(Duration::from_millis),
                phases: Phases::default(),
                skipped: 0,
                failure: latency.is_none().then(|| Failure::new(Reason::Refused, "refused")),
            });
            sent_at += TimeDelta::seconds(1);
        }
        timeline
    }

    #[test]
    fn the_sparkline_shows_latencies_as_bars_and_failures_as_crosses() {
        assert_eq!(timeline(&[Some(1), Some(4), Some(8), None, Some(1)]).sparkline(), "▁▄█✗▁");
        assert_eq!(timeline(&[]).sparkline(), "");
        assert_eq!(timeline(&[Some(0)]).sparkline(), "▁");
    }

    #[test]
    fn the_sparkline_of_a_long_run_hides_no_failure() {
        let mut probes = vec![Some(8); 100_000];
        probes[70_000] = None;
        let line = timeline(&probes).sparkline();
        assert!((WIDTH / 2..=WIDTH).contains(&line.chars().count()), "{line}");
        assert_eq!(line.matches(FAILED).count(), 1, "{line}");
    }

    #[test]
    fn an_outage_lasts_from_a_failure_to_the_next_success() {
        let outage = |probes: &[Option<u64>]| timeline(probes).longest_outage().as_secs();
        let (ok, down) = (Some(1), None);
        assert_eq!(outage(&[ok, ok]), 0);
        assert_eq!(outage(&[ok, down, ok, down, down, ok]), 2);
        assert_eq!(outage(&[down, down, down, down]), 3);
    }
}
