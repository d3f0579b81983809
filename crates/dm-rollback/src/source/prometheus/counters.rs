//! Computes the exact increases of counters between their samples, through resets, gaps and new series. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::series::{Labels, Sample, Series};
use super::status::STATUS_LABELS;

/// The labels, besides the status, that distinguish requests of one process: a new value of one of them is a new counter
/// that began at zero. All other labels identify the process, and may change without a change of the process.
const REQUEST_LABELS: [&str; 21] = [
    "__name__",
    "action",
    "controller",
    "error",
    "error_type",
    "exception",
    "grpc_method",
    "grpc_service",
    "grpc_type",
    "handler",
    "http_method",
    "http_request_method",
    "http_route",
    "method",
    "outcome",
    "path",
    "result",
    "route",
    "rpc_method",
    "rpc_service",
    "uri",
];

/// A process that started this long before its first sample, in milliseconds, counted nothing from before.
const FRESH_MS: i64 = 120_000;

/// How far the clocks of a process and of Prometheus may differ, in milliseconds.
const SKEW_MS: i64 = 10_000;

/// The increases of each series: the times of the samples, and the requests since the sample before.
pub(super) type Increases = BTreeMap<Labels, Vec<(i64, u64)>>;

/// If more than one in this number of steps is a decrease, the series are no counters: a gauge goes up and down.
const STEPS_PER_RESET: u64 = 3;

/// Fewer decreases say nothing.
const MIN_RESETS: u64 = 3;

/// The last sample of each series.
#[derive(Debug, Default)]
pub(super) struct Counters {
    last: BTreeMap<Labels, Sample>,
    /// The number of samples that followed another, and of those that were lower.
    steps: u64,
    resets: u64,
}

/// The scrapes of one process.
#[derive(Debug, Default)]
struct Process {
    /// The times of all samples.
    times: BTreeSet<i64>,
    /// The times of samples of series that had one before.
    continued: BTreeSet<i64>,
    /// The time of the last sample of each series.
    ended: BTreeSet<i64>,
}

impl Process {
    /// Whether a series that appears at this time is a new counter: the scrape has other series that continue, and none
    /// disappeared, which would be a series that was renamed.
    fn has_new_counter(&self, ts: i64) -> bool {
        let before = self.times.range(..ts).next_back();
        self.continued.contains(&ts) && !before.is_some_and(|before| self.ended.contains(before))
    }
}

/// The labels that identify a process.
pub(super) fn process(labels: &Labels) -> Labels {
    let is_process = |name: &str| !STATUS_LABELS.contains(&name) && !REQUEST_LABELS.contains(&name);
    labels.iter().filter(|(name, _)| is_process(name)).map(|(k, v)| (k.clone(), v.clone())).collect()
}

/// The samples that are counts.
fn counts(series: &Series) -> impl Iterator<Item = &Sample> {
    series.samples.iter().filter(|(_, value)| value.is_finite() && *value >= 0.0)
}

/// The first series without a single count: what it should have counted is missing, so the others are no evidence either.
pub(super) fn without_counts<'a>(batch: &[&'a Series]) -> Option<&'a Series> {
    batch.iter().copied().find(|series| !series.samples.is_empty() && counts(series).next().is_none())
}

impl Counters {
    /// The instances of new series that may have counted requests before their first sample. Only the start of their
    /// process can tell.
    pub(super) fn unexplained(&self, batch: &[&Series]) -> BTreeSet<String> {
        let processes = self.processes(batch);
        let is_unexplained = |series: &&&Series| {
            let first = counts(series).next().filter(|_| !self.last.contains_key(&series.labels));
            first.is_some_and(|(ts, value)| {
                *value > 0.0 && !processes[&process(&series.labels)].has_new_counter(*ts)
            })
        };
        batch
            .iter()
            .filter(is_unexplained)
            .filter_map(|series| series.labels.get("instance").cloned())
            .collect()
    }

    /// Adds samples in order, and skips those that were added before. If a scrape is missing, its requests count at the next
    /// one. `starts` are the series of `process_start_time_seconds`.
    pub(super) fn add(&mut self, batch: &[&Series], starts: &[Series]) -> Increases {
        let processes = self.processes(batch);
        let mut increases = Increases::new();
        for series in batch {
            let mut previous = self.last.get(&series.labels).copied();
            for (ts, value) in counts(series) {
                if previous.is_some_and(|(before, _)| *ts <= before) {
                    continue;
                }
                self.steps += u64::from(previous.is_some());
                self.resets += u64::from(previous.is_some_and(|(_, before)| *value < before));
                // Rounded as a whole: of a counter with fractions, each increase alone may be rounded to nothing.
                let increase = match previous {
                    // A counter that decreases was reset to zero in between.
                    Some((_, before)) if *value < before => *value,
                    Some((_, before)) => value.round() - before.round(),
                    // A counter with other labels has counted before; only what it counts from now on is new.
                    None if processes[&process(&series.labels)].has_new_counter(*ts)
                        || is_fresh(series, *ts, starts) =>
                    {
                        *value
                    }
                    None => 0.0,
                };
                previous = Some((*ts, *value));
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "positive; saturates"
                )]
                let increase = increase.round() as u64;
                increases.entry(series.labels.clone()).or_default().push((*ts, increase));
            }
            if let Some(sample) = previous {
                self.last.insert(series.labels.clone(), sample);
            }
        }
        increases
    }

    /// Whether the series decrease so often that they are no counters.
    pub(super) fn are_erratic(&self) -> bool {
        self.resets >= MIN_RESETS && self.resets * STEPS_PER_RESET > self.steps
    }

    fn processes(&self, batch: &[&Series]) -> BTreeMap<Labels, Process> {
        let mut processes: BTreeMap<Labels, Process> = BTreeMap::new();
        for series in batch {
            let process = processes.entry(process(&series.labels)).or_default();
            let is_known = self.last.contains_key(&series.labels);
            process.times.extend(counts(series).map(|(ts, _)| *ts));
            process.continued.extend(counts(series).skip(usize::from(!is_known)).map(|(ts, _)| *ts));
            process.ended.extend(counts(series).last().map(|(ts, _)| *ts));
        }
        processes
    }
}

/// Whether the process of a series had just started at this time, by a sample of the same scrape.
fn is_fresh(series: &Series, ts: i64, starts: &[Series]) -> bool {
    let is_same = |start: &&Series| {
        ["instance", "job"].iter().all(|label| start.labels.get(*label) == series.labels.get(*label))
    };
    let mut ages = starts.iter().filter(is_same).flat_map(|start| &start.samples).filter_map(|sample| {
        #[expect(clippy::cast_possible_truncation, reason = "a float-to-integer cast saturates")]
        let started = (sample.1 * 1000.0) as i64;
        (sample.0 == ts && sample.1.is_finite()).then(|| ts.saturating_sub(started))
    });
    // Several processes behind one instance: all have to be new.
    ages.next()
        .is_some_and(|age| std::iter::once(age).chain(ages).all(|age| (-SKEW_MS..=FRESH_MS).contains(&age)))
}

#[cfg(test)]
mod tests {
    use std::slice::from_ref;

    use super::*;

    fn series(labels: &[(&str, &str)], samples: &[Sample]) -> Series {
        let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Series { labels, samples: samples.to_vec(), is_native: false }
    }

    /// The sum of the increases, added in several batches, each of which repeats those before.
    fn added(batches: &[&[Series]], starts: &[Series]) -> u64 {
        let mut counters = Counters::default();
        let mut sum = 0;
        for last in 1..=batches.len() {
            let batch: Vec<&Series> = batches[..last].iter().copied().flatten().collect();
            sum += counters.add(&batch, starts).values().flatten().map(|(_, increase)| increase).sum::<u64>();
        }
        sum
    }

    #[test]
    fn a_series_that_often_decreases_is_no_counter() {
        let is_erratic = |values: &[f64]| {
            let samples: Vec<Sample> = (0..).zip(values.iter().copied()).collect();
            let mut counters = Counters::default();
            counters.add(&[&series(&A, &samples)], &[]);
            counters.are_erratic()
        };
        assert!(is_erratic(&[5.0, 9.0, 2.0, 7.0, 1.0, 8.0, 3.0]), "a gauge");
        assert!(!is_erratic(&[5.0, 9.0, 2.0, 7.0, 9.0, 9.0, 9.0, 1.0, 2.0, 3.0]), "two restarts");
        assert!(!is_erratic(&[5.0, 1.0]), "a restart");
    }

    const A: [(&str, &str); 2] = [("instance", "a"), ("status", "200")];

    #[test]
    fn increases_are_exact_through_resets_gaps_and_nan() {
        assert_eq!(added(&[&[series(&A, &[(0, 1000.0), (10, 1007.0), (20, 1007.0)])]], &[]), 7);
        assert_eq!(added(&[&[series(&A, &[(0, 1000.0), (10, 4.0), (20, 9.0)])]], &[]), 9, "a restart");
        assert_eq!(added(&[&[series(&A, &[(0, 5.0), (10, f64::NAN), (90, 8.0)])]], &[]), 3, "a gap");
        assert_eq!(added(&[&[series(&A, &[(0, 5.0)])], &[series(&A, &[(10, 6.0)])]], &[]), 1, "two queries");
        assert_eq!(added(&[&[]], &[]), 0);
    }

    #[test]
    fn a_series_without_a_count_is_found() {
        for value in [f64::NAN, f64::INFINITY, -1.0] {
            let (good, bad) = (series(&A, &[(0, 1.0)]), series(&A, &[(0, value), (10, value)]));
            let found = without_counts(&[&good, &bad]).map(|series| series.samples.len());
            assert_eq!(found, Some(2), "{value}");
            let once = series(&A, &[(0, value), (10, 2.0)]);
            assert_eq!(without_counts(&[&good, &once, &series(&A, &[])]), None, "{value}");
        }
    }

    #[test]
    fn a_counter_with_fractions_loses_none() {
        let samples: Vec<Sample> = (0_i32..26).map(|at| (i64::from(10 * at), 0.4 * f64::from(at))).collect();
        assert_eq!(added(&[&[series(&A, &samples)]], &[]), 10);
        let polls: Vec<[Series; 1]> = samples.chunks(1).map(|samples| [series(&A, samples)]).collect();
        assert_eq!(
            added(&polls.iter().map(<[Series; 1]>::as_slice).collect::<Vec<_>>(), &[]),
            10,
            "one by one"
        );
    }

    #[test]
    fn a_new_status_of_a_process_begins_at_zero() {
        let before = series(&A, &[(0, 50.0), (10, 60.0), (20, 61.0)]);
        let failed = [("instance", "a"), ("status", "500")];
        assert_eq!(added(&[&[before.clone(), series(&failed, &[(20, 3.0)])]], &[]), 14);
        assert_eq!(added(&[from_ref(&before), &[series(&failed, &[(20, 3.0)])]], &[]), 14, "a later query");
        // Not in a scrape of its own: the process may have been there before.
        assert_eq!(added(&[&[before.clone(), series(&failed, &[(21, 3.0)])]], &[]), 11);
        // The first sample of all series: it is unknown when they began.
        assert_eq!(added(&[&[series(&failed, &[(0, 3.0)]), before]], &[]), 11);
    }

    #[test]
    fn a_counter_with_other_labels_does_not_bring_its_lifetime() {
        let old = [("instance", "a"), ("zone", "a"), ("status", "500")];
        let new = [("instance", "a"), ("zone", "b"), ("status", "500")];
        let other =
            series(&[("instance", "b"), ("zone", "a"), ("status", "200")], &[(0, 1.0), (300_000, 1.0)]);
        let moved =
            [other, series(&old, &[(0, 1e6)]), series(&new, &[(300_000, 1e6 + 5.0), (310_000, 1e6 + 7.0)])];
        assert_eq!(added(&[&moved], &[]), 2);
        assert_eq!(added(&[&moved[..2], &moved[2..]], &[]), 2);
        // A status that is renamed while another goes on.
        let renamed = [("instance", "a"), ("status", "5xx")];
        let name = [
            series(&A, &[(0, 10.0), (10, 11.0)]),
            series(&[("instance", "a"), ("status", "500")], &[(0, 1e6)]),
            series(&renamed, &[(10, 1e6)]),
        ];
        assert_eq!(added(&[&name], &[]), 1);
    }

    #[test]
    fn all_requests_of_a_process_that_has_just_started_are_new() {
        let new = series(&[("instance", "n"), ("status", "500")], &[(600_000, 30.0), (610_000, 31.0)]);
        let started = |at: f64| series(&[("instance", "n")], &[(600_000, at), (610_000, at)]);
        assert_eq!(added(&[from_ref(&new)], &[started(590.0)]), 31);
        assert_eq!(added(&[from_ref(&new)], &[started(10.0)]), 1, "an old process");
        assert_eq!(added(&[from_ref(&new)], &[started(590.0), started(10.0)]), 1, "one of two is old");
        let counters = Counters::default();
        assert_eq!(counters.unexplained(&[&new]), BTreeSet::from(["n".to_owned()]));
        assert_eq!(added(&[&[new]], &[series(&[("instance", "m")], &[(600_000, 590.0)])]), 1, "another");
    }
}
