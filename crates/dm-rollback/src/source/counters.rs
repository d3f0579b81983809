//! Computes the exact increases of counters between their samples, through resets and gaps. Pure.

use std::collections::BTreeMap;

/// A series that begins this many milliseconds after the first one begins at zero: it is a new process, or a new status.
/// A series that begins with the first existed before the first query.
const NEW_AFTER_MS: i64 = 120_000;

/// A counter's value at a time, in milliseconds since 1970.
pub(crate) type Sample = (i64, f64);

/// The labels of a series.
pub(crate) type Labels = BTreeMap<String, String>;

/// What a series counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Counts {
    /// Requests that did not fail.
    Good,
    /// Requests that failed.
    Bad,
    /// All requests; another series counts those that failed again.
    All,
    /// Failed requests, among those that another series counts.
    BadAmongAll,
}

/// Requests and errors, by time.
pub(crate) type Increases = BTreeMap<i64, (u64, u64)>;

/// The last sample of each series.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    last: BTreeMap<(Labels, bool), Sample>,
    /// The time of the first sample of all, in milliseconds since 1970.
    begun: Option<i64>,
}

impl Counters {
    /// Records when the first of these samples was taken. Call it before adding them.
    pub(crate) fn begin<'a>(&mut self, samples: impl Iterator<Item = &'a Sample>) {
        self.begun = self.begun.or_else(|| samples.map(|(ts, _)| *ts).min());
    }

    /// Adds the samples of a series, in order, and skips those that were added before. If a scrape is missing, its requests
    /// count at the next one.
    pub(crate) fn add(&mut self, series: &Labels, counts: Counts, samples: &[Sample], to: &mut Increases) {
        let begun = self.begun.unwrap_or(i64::MAX);
        // The same series may be queried twice, once for all requests and once for the bad ones.
        let series = (series.clone(), counts == Counts::BadAmongAll);
        let mut previous = self.last.get(&series).copied();
        for (ts, value) in samples.iter().filter(|(_, value)| value.is_finite() && *value >= 0.0) {
            let increase = match previous {
                Some((before, _)) if *ts <= before => continue,
                // A counter that decreases was reset to zero in between.
                Some((_, before)) if *value < before => *value,
                Some((_, before)) => value - before,
                None if ts.saturating_sub(NEW_AFTER_MS) > begun => *value,
                None => 0.0,
            };
            previous = Some((*ts, *value));
            let (total, errors) = to.entry(*ts).or_default();
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "positive; saturates"
            )]
            let increase = increase.round() as u64;
            if counts != Counts::BadAmongAll {
                *total = total.saturating_add(increase);
            }
            if matches!(counts, Counts::Bad | Counts::BadAmongAll) {
                *errors = errors.saturating_add(increase);
            }
        }
        if let Some(sample) = previous {
            self.last.insert(series, sample);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(text: &str) -> Labels {
        Labels::from([("instance".to_owned(), text.to_owned())])
    }

    /// The sum of the increases.
    fn sum(increases: &Increases) -> (u64, u64) {
        increases.values().fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
    }

    fn added(series: &[(&str, Counts, &[Sample])]) -> (u64, u64) {
        let mut counters = Counters::default();
        let mut to = Increases::new();
        counters.begin(series.iter().flat_map(|(_, _, samples)| samples.iter()));
        for (name, counts, samples) in series {
            counters.add(&labels(name), *counts, samples, &mut to);
            // Overlapping answers count once.
            counters.add(&labels(name), *counts, samples, &mut to);
        }
        sum(&to)
    }

    #[test]
    fn increases_are_exact_through_resets_gaps_and_nan() {
        let good = Counts::Good;
        assert_eq!(added(&[("a", good, &[(0, 1000.0), (10, 1007.0), (20, 1007.0)])]), (7, 0));
        assert_eq!(added(&[("a", good, &[(0, 1000.0), (10, 4.0), (20, 9.0)])]), (9, 0), "a restart");
        assert_eq!(added(&[("a", good, &[(0, 5.0), (10, f64::NAN), (90, 8.0)])]), (3, 0), "a gap");
        assert_eq!(added(&[("a", good, &[(0, 5.0)]), ("b", Counts::Bad, &[(3, 70.0), (13, 72.0)])]), (2, 2));
        assert_eq!(added(&[]), (0, 0));
    }

    #[test]
    fn a_series_that_appears_later_begins_at_zero() {
        // The first error of a process, ten minutes after its first sample; and a process that was there before.
        let late: &[Sample] = &[(600_000, 3.0), (610_000, 5.0)];
        assert_eq!(added(&[("a", Counts::Good, &[(0, 50.0)]), ("b", Counts::Bad, late)]), (5, 5));
        assert_eq!(added(&[("b", Counts::Bad, late)]), (2, 2), "the first query");
    }

    #[test]
    fn errors_that_are_counted_among_all_do_not_count_twice() {
        let all: &[Sample] = &[(0, 0.0), (10, 20.0)];
        let bad: &[Sample] = &[(0, 0.0), (10, 3.0)];
        assert_eq!(added(&[("a", Counts::All, all), ("a", Counts::BadAmongAll, bad)]), (20, 3));
    }
}
