//! How a run went, over its time: the longest outage, and a sparkline. In bounded memory, however long it is.

use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::policy::Found;
use crate::probe::Outcome;

/// The sparkline's width, in characters.
const WIDTH: usize = 60;

const HEIGHTS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// A failure, which has no height.
const FAILED: char = '✗';

/// How the probes of one target went.
#[derive(Debug, Clone, Default)]
pub struct Course {
    failing_since: Option<DateTime<Utc>>,
    longest_outage: Duration,
    /// At most [`WIDTH`]; each stands for the same number of probes.
    bars: Vec<Bar>,
    probes_a_bar: u64,
    in_last_bar: u64,
}

/// Some probes, by the worst of them.
#[derive(Debug, Clone, Copy)]
enum Bar {
    Good(Duration),
    Failed,
}

impl Bar {
    fn worse(self, other: Self) -> Self {
        match (self, other) {
            (Self::Good(one), Self::Good(other)) => Self::Good(one.max(other)),
            _ => Self::Failed,
        }
    }
}

impl Course {
    /// Takes one more probe in.
    pub fn add(&mut self, outcome: &Outcome) {
        let bar = match outcome.found() {
            Found::Good => Bar::Good(outcome.latency.unwrap_or_default()),
            Found::Bad => Bar::Failed,
            Found::Nothing => return,
        };
        if outcome.found() == Found::Bad && self.failing_since.is_none() {
            self.failing_since = Some(outcome.sent_at);
        }
        if let Some(since) = self.failing_since {
            // The wall clock may have been set back.
            let outage = (outcome.sent_at - since).to_std().unwrap_or_default();
            self.longest_outage = self.longest_outage.max(outage);
        }
        if outcome.is_ok() {
            self.failing_since = None;
        }
        self.draw(bar);
    }

    /// The longest time from a failure to the next success, or to the last probe.
    pub fn longest_outage(&self) -> Duration {
        self.longest_outage
    }

    /// The latencies as bars, the highest the slowest, and failures as crosses.
    pub fn sparkline(&self) -> String {
        let latency = |bar: &Bar| match bar {
            Bar::Good(latency) => *latency,
            Bar::Failed => Duration::ZERO,
        };
        let max = self.bars.iter().map(latency).max().unwrap_or_default();
        let drawn = |bar: &Bar| match bar {
            Bar::Good(latency) => height(*latency, max),
            Bar::Failed => FAILED,
        };
        self.bars.iter().map(drawn).collect()
    }

    fn draw(&mut self, bar: Bar) {
        if let Some(last) = self.bars.last_mut()
            && self.in_last_bar < self.probes_a_bar
        {
            *last = last.worse(bar);
            self.in_last_bar += 1;
            return;
        }
        if self.bars.len() == WIDTH {
            let both = |pair: &[Bar]| pair.iter().copied().reduce(Bar::worse);
            self.bars = self.bars.chunks(2).filter_map(both).collect();
            self.probes_a_bar *= 2;
        }
        self.probes_a_bar = self.probes_a_bar.max(1);
        self.bars.push(bar);
        self.in_last_bar = 1;
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
    use crate::probe::Failure;

    /// One probe a second: its latency in milliseconds, or a failure.
    fn course(probes: &[Option<u64>]) -> Course {
        let mut course = Course::default();
        let mut sent_at = DateTime::UNIX_EPOCH;
        for latency in probes {
            course.add(&Outcome {
                sent_at,
                address: None,
                status: None,
                latency: latency.map(Duration::from_millis),
                phases: Phases::default(),
                skipped: 0,
                failure: latency.is_none().then(|| Failure::new(Reason::Refused, "refused")),
            });
            sent_at += TimeDelta::seconds(1);
        }
        course
    }

    #[test]
    fn bars_are_as_high_as_the_latencies_and_failures_are_crosses() {
        assert_eq!(course(&[Some(1), Some(4), Some(8), None, Some(1)]).sparkline(), "▁▄█✗▁");
        assert_eq!(course(&[]).sparkline(), "");
        assert_eq!(course(&[Some(0)]).sparkline(), "▁");
    }

    #[test]
    fn a_long_run_is_drawn_in_the_same_width_and_hides_no_failure() {
        let mut probes = vec![Some(8); 100_000];
        probes[70_000] = None;
        let line = course(&probes).sparkline();
        assert!((WIDTH / 2..=WIDTH).contains(&line.chars().count()), "{line}");
        assert_eq!(line.matches(FAILED).count(), 1, "{line}");
    }

    #[test]
    fn an_outage_lasts_from_a_failure_to_the_next_success() {
        let outage = |probes: &[Option<u64>]| course(probes).longest_outage().as_secs();
        let (ok, down) = (Some(1), None);
        assert_eq!(outage(&[ok, ok]), 0);
        assert_eq!(outage(&[ok, down, ok, down, down, ok]), 2);
        assert_eq!(outage(&[down, down, down, down]), 3);
    }
}
