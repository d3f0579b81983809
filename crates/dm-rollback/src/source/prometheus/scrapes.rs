//! When samples were taken: a crashed version is no longer scraped, so it does not fail requests either. Pure.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::series::Sample;

/// The number of scrapes in a row that may fail.
const MISSED: i64 = 4;

/// How far the clocks may differ, in milliseconds.
const CLOCK_SKEW_MS: i64 = 10_000;

/// The time of the newest sample, and the interval between samples, in milliseconds.
#[derive(Debug, Default)]
pub(crate) struct Scrapes {
    newest: Option<i64>,
    interval: i64,
}

impl Scrapes {
    /// Records the times of series whose samples are in order.
    pub(crate) fn record<'a>(&mut self, series: impl Iterator<Item = &'a [Sample]>) {
        for samples in series {
            let (Some((first, _)), Some((last, _))) = (samples.first(), samples.last()) else { continue };
            self.newest = self.newest.max(Some(*last));
            let gaps = i64::try_from(samples.len()).unwrap_or(i64::MAX) - 1;
            self.interval = self.interval.max((last - first).checked_div(gaps).unwrap_or_default());
        }
    }

    /// The age of the newest sample, if newer ones are overdue.
    pub(crate) fn silence(&self, now: DateTime<Utc>) -> Option<Duration> {
        let silence = now.timestamp_millis() - self.newest?;
        let is_overdue = silence > self.interval.saturating_mul(MISSED).saturating_add(CLOCK_SKEW_MS);
        is_overdue.then(|| Duration::from_millis(silence.unsigned_abs()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_overdue_after_four_scrapes() {
        let silence = |times: &[&[i64]], now: i64| {
            let mut scrapes = Scrapes::default();
            let series: Vec<Vec<Sample>> =
                times.iter().map(|times| times.iter().map(|ts| (ts * 1000, 1.0)).collect()).collect();
            scrapes.record(series.iter().map(Vec::as_slice));
            scrapes.silence(DateTime::from_timestamp(now, 0).unwrap()).map(|silence| silence.as_secs())
        };
        assert_eq!(silence(&[&[0, 15, 30]], 100), None);
        assert_eq!(silence(&[&[0, 15, 30]], 101), Some(71));
        assert_eq!(silence(&[&[0, 15, 30], &[90, 105]], 101), None, "another instance is there");
        assert_eq!(silence(&[&[0]], 11), Some(11));
        assert_eq!(silence(&[&[]], 1000), None, "missing series are reported elsewhere");
    }
}
