//! When the samples of one role were taken: a crashed version is no longer scraped, so it does not fail requests either,
//! and errors that are no longer scraped are not absent. Pure.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::series::Sample;

/// The number of scrapes in a row that may fail.
const MISSED: i64 = 4;

/// How far the clocks may differ, in milliseconds.
const CLOCK_SKEW_MS: i64 = 10_000;

/// The number of gaps of each series, from its end, that show how often it is scraped.
const RECENT: usize = 10;

/// The time of the newest sample, and the interval between samples, in milliseconds.
#[derive(Debug, Default)]
pub(super) struct Scrapes {
    newest: Option<i64>,
    interval: i64,
}

impl Scrapes {
    /// Records the times of series whose samples are in order. The interval is the median of the recent gaps: one series
    /// with a long gap does not excuse a silence of the others.
    pub(super) fn record<'a>(&mut self, series: impl Iterator<Item = &'a [Sample]>) {
        let mut gaps = Vec::new();
        for samples in series {
            let Some((last, _)) = samples.last() else { continue };
            self.newest = self.newest.max(Some(*last));
            let recent = &samples[samples.len().saturating_sub(RECENT + 1)..];
            gaps.extend(recent.windows(2).map(|pair| pair[1].0 - pair[0].0));
        }
        gaps.sort_unstable();
        self.interval = gaps.get(gaps.len() / 2).copied().unwrap_or(self.interval);
    }

    /// The time of the newest sample, in milliseconds.
    pub(super) fn newest(&self) -> Option<i64> {
        self.newest
    }

    /// Until when the samples say what happened, in milliseconds: the next one is due after this time. `None` without a
    /// sample.
    pub(super) fn known_until(&self) -> Option<i64> {
        Some(self.newest?.saturating_add(self.interval.saturating_mul(3) / 2))
    }

    /// How long the next sample may take, in milliseconds.
    pub(super) fn patience(&self) -> i64 {
        self.interval.saturating_mul(MISSED).saturating_add(CLOCK_SKEW_MS)
    }

    /// The age of the newest sample, if newer ones are overdue.
    pub(super) fn silence(&self, now: DateTime<Utc>) -> Option<Duration> {
        let silence = now.timestamp_millis() - self.newest?;
        (silence > self.patience()).then(|| Duration::from_millis(silence.unsigned_abs()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scrapes(times: &[&[i64]]) -> Scrapes {
        let mut scrapes = Scrapes::default();
        let series: Vec<Vec<Sample>> =
            times.iter().map(|times| times.iter().map(|ts| (ts * 1000, 1.0)).collect()).collect();
        scrapes.record(series.iter().map(Vec::as_slice));
        scrapes
    }

    #[test]
    fn samples_are_overdue_after_four_scrapes() {
        let silence = |times: &[&[i64]], now: i64| {
            let now = DateTime::from_timestamp(now, 0).unwrap();
            scrapes(times).silence(now).map(|silence| silence.as_secs())
        };
        assert_eq!(silence(&[&[0, 15, 30]], 100), None);
        assert_eq!(silence(&[&[0, 15, 30]], 101), Some(71));
        assert_eq!(silence(&[&[0, 15, 30], &[90, 105]], 101), None, "another instance is there");
        assert_eq!(silence(&[&[0]], 11), Some(11));
        assert_eq!(silence(&[&[]], 1000), None, "missing series are reported elsewhere");
        let gap = [&[1300, 1315, 1330][..], &[0, 1320]];
        assert_eq!(silence(&gap, 1401), Some(71), "a gap of one series is no interval");
    }

    #[test]
    fn what_follows_a_sample_is_known_until_the_next_one_is_due() {
        assert_eq!(scrapes(&[&[0, 10, 20]]).known_until(), Some(35_000));
        assert_eq!(scrapes(&[&[]]).known_until(), None);
    }
}
