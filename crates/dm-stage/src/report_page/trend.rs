//! Deployments over time. Pure.

use anyhow::Result;
use chrono::{DateTime, NaiveTime, TimeDelta, Utc};
use common::event::{Event, Status};
use minijinja::{Value, context};

use super::chart::{Bar, Curve, LINE, bars, curves};
use super::length;
use super::statistics::quantile;
use crate::history::{History, Line};

/// A part of the time.
pub(super) struct Step {
    begin: DateTime<Utc>,
    bar: Bar,
    others: u64,
    duration: Option<f64>,
}

impl Step {
    /// Whether no deployment began in it.
    pub(super) fn is_empty(&self) -> bool {
        self.bar == Bar::default() && self.others == 0
    }

    /// Its row in the table.
    pub(super) fn row(&self) -> Value {
        context! {
            begin => self.begin.format("%Y-%m-%d").to_string(),
            good => self.bar.good, bad => self.bar.bad, others => self.others,
            duration => self.duration.map(length),
        }
    }
}

/// The parts from `since` to `now`, each as long as `length`, beginning at midnight.
pub(super) fn steps(
    history: &History<'_>,
    since: DateTime<Utc>,
    now: DateTime<Utc>,
    length: TimeDelta,
) -> Vec<Step> {
    let midnight = since.date_naive().and_time(NaiveTime::MIN).and_utc();
    let mut steps = Vec::new();
    let mut lines: Vec<&Line<'_>> = history.lines.iter().rev().collect();
    let mut begin = midnight;
    while begin <= now {
        let split = lines.partition_point(|line| line.deployment.began < begin + length);
        let rest = lines.split_off(split);
        let ended: Vec<&Event> = lines.iter().filter_map(|line| line.deployment.whole()).collect();
        let good = ended.iter().filter(|event| event.status == Status::Success);
        let durations = good.clone().filter_map(|event| event.duration_s).collect();
        let bar = Bar {
            good: count(good.count()),
            bad: count(ended.iter().filter(|it| it.status.is_failed()).count()),
        };
        let others = count(lines.len()) - bar.good - bar.bad;
        steps.push(Step { begin, bar, others, duration: quantile(durations, 0.5) });
        lines = rest;
        begin += length;
    }
    steps
}

/// How many succeeded and failed, as bars.
pub(super) fn count_chart(steps: &[Step]) -> Result<String> {
    let all: Vec<Bar> = steps.iter().map(|step| step.bar).collect();
    bars(&all, &|place| {
        steps.get(place).map_or_else(String::new, |step| step.begin.format("%b %-d").to_string())
    })
}

/// The median duration of each part; `None` with fewer than two.
pub(super) fn duration_chart(steps: &[Step]) -> Result<Option<String>> {
    #[expect(clippy::cast_precision_loss, reason = "seconds far below 2^53")]
    let points: Vec<(f64, f64)> =
        steps.iter().filter_map(|step| Some((step.begin.timestamp() as f64, step.duration?))).collect();
    if points.len() < 2 {
        return Ok(None);
    }
    #[expect(clippy::cast_possible_truncation, reason = "a time in seconds")]
    let day = |x: &f64| {
        DateTime::from_timestamp(*x as i64, 0).map_or_else(String::new, |at| at.format("%b %-d").to_string())
    };
    curves(&[Curve { color: LINE, points }], (None, None), &day, &|y| length(*y)).map(Some)
}

fn count(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}
