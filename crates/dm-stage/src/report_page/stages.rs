//! The stages of many deployments: how often each ran and failed, and how long it took. Pure.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::statistics::quantile;
use crate::deployment::Row;
use crate::history::History;

/// How many of the slowest runs are listed.
const SLOWEST: usize = 10;

/// A stage in all its runs. Times are in seconds.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct StageFigures {
    pub(super) name: String,
    pub(super) runs: usize,
    pub(super) failed: usize,
    pub(super) median: f64,
    pub(super) p95: f64,
    pub(super) max: f64,
    /// How much the median of the later half of its runs differs from that of the earlier half, in percent; `None` if it ran
    /// fewer than ten times.
    pub(super) trend: Option<f64>,
}

/// One run of a stage.
#[derive(Debug)]
pub(super) struct StageRun<'a> {
    pub(super) row: &'a Row<'a>,
    pub(super) seconds: f64,
}

/// All runs that ended, the newest deployments first.
pub(super) fn runs<'a>(history: &'a History<'a>) -> Vec<StageRun<'a>> {
    let rows = history.lines.iter().flat_map(|line| line.deployment.last_run());
    rows.filter(|row| !row.is_deployment && row.event.is_some() && row.stage != "verdict")
        .filter_map(|row| Some(StageRun { row, seconds: row.duration?.as_secs_f64() }))
        .collect()
}

/// The figures of each stage, the longest ones first.
pub(super) fn figures(runs: &[StageRun<'_>]) -> Vec<StageFigures> {
    let mut by_name: BTreeMap<String, Vec<&StageRun<'_>>> = BTreeMap::new();
    for run in runs {
        by_name.entry(run.row.name()).or_default().push(run);
    }
    let mut figures: Vec<StageFigures> =
        by_name.into_iter().map(|(name, runs)| StageFigures::of(name, &runs)).collect();
    figures.sort_by(|one, other| other.median.total_cmp(&one.median));
    figures
}

/// The slowest runs.
pub(super) fn slowest<'a, 'b>(runs: &'b [StageRun<'a>]) -> Vec<&'b StageRun<'a>> {
    let mut slowest: Vec<&StageRun<'_>> = runs.iter().collect();
    slowest.sort_by(|one, other| other.seconds.total_cmp(&one.seconds));
    slowest.truncate(SLOWEST);
    slowest
}

impl StageFigures {
    fn of(name: String, runs: &[&StageRun<'_>]) -> Self {
        let seconds =
            |share| quantile(runs.iter().map(|run| run.seconds).collect(), share).unwrap_or_default();
        let is_failed = |run: &&&StageRun<'_>| run.row.event.is_some_and(|event| event.status.is_failed());
        Self {
            name,
            runs: runs.len(),
            failed: runs.iter().filter(is_failed).count(),
            median: seconds(0.5),
            p95: seconds(0.95),
            max: seconds(1.0),
            trend: trend(runs),
        }
    }
}

fn trend(runs: &[&StageRun<'_>]) -> Option<f64> {
    const FEWEST: usize = 10;
    let mut ordered: Vec<(DateTime<Utc>, f64)> =
        runs.iter().map(|run| (run.row.began, run.seconds)).collect();
    ordered.sort_by_key(|(began, _)| *began);
    if ordered.len() < FEWEST {
        return None;
    }
    let (earlier, later) = ordered.split_at(ordered.len() / 2);
    let median = |half: &[(DateTime<Utc>, f64)]| quantile(half.iter().map(|(_, it)| *it).collect(), 0.5);
    let (earlier, later) = (median(earlier)?, median(later)?);
    (earlier > 0.0).then(|| 100.0 * (later - earlier) / earlier)
}
