//! The time of the records: which bucket each belongs to, also if the producer's clock is wrong. Pure.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use common::duration::format_duration;

/// The largest difference between two clocks that is not reported.
const TOLERATED: TimeDelta = TimeDelta::minutes(1);

/// The longest time between a record's own time and its arrival with which it may still be before the deployment.
const ARRIVAL: TimeDelta = TimeDelta::seconds(5);

/// The buckets of time since the first record.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Timeline {
    bucket_ms: i64,
    /// The latest time, by the corrected clock of the producer.
    latest: Option<DateTime<Utc>>,
    /// The earliest time.
    first: Option<DateTime<Utc>>,
    /// When the producer ended, by its clock.
    ended: Option<DateTime<Utc>>,
    /// What corrects the producer's clock after it was set back.
    offset: TimeDelta,
    /// What is wrong with the producer's clock.
    problem: Option<String>,
    /// The shortest time between a record's own time and its arrival.
    lag: Option<TimeDelta>,
}

impl Timeline {
    pub(super) fn new(bucket: Duration) -> Self {
        let bucket_ms = i64::try_from(bucket.as_millis()).unwrap_or(i64::MAX).max(1);
        let (latest, first, ended, problem, lag) = (None, None, None, None, None);
        Self { bucket_ms, latest, first, ended, offset: TimeDelta::zero(), problem, lag }
    }

    /// The time of a record of a producer with one clock, corrected if the clock was set back. `now` returns our time.
    pub(super) fn correct(&mut self, ts: DateTime<Utc>, now: impl Fn() -> DateTime<Utc>) -> DateTime<Utc> {
        let Some(latest) = self.latest else {
            let ahead = ts - now();
            return if ahead > TOLERATED { self.in_future(ts, ahead) } else { ts };
        };
        let corrected = ts.checked_add_signed(self.offset).unwrap_or(ts);
        let back = latest - corrected;
        if back > TOLERATED {
            self.report(format!("the producer's clock was set back by {} during the watch", length(back)));
            self.offset = latest - ts;
            return latest;
        }
        // Asking for our time for each record would be slow.
        if corrected - latest > TOLERATED {
            let ahead = corrected - now();
            if ahead > TOLERATED {
                return self.in_future(ts, ahead);
            }
        }
        corrected
    }

    fn in_future(&mut self, ts: DateTime<Utc>, ahead: TimeDelta) -> DateTime<Utc> {
        self.report(format!(
            "a record is from the future: its time is {} ahead of this machine's",
            length(ahead)
        ));
        self.latest.unwrap_or(ts - ahead)
    }

    /// Reports a time that is in the future.
    pub(super) fn check_future(&mut self, ts: DateTime<Utc>, now: DateTime<Utc>) {
        if ts - now > TOLERATED {
            self.in_future(ts, ts - now);
        }
    }

    /// Notes when a record arrived. A clock that is behind shows itself only by this.
    pub(super) fn arrived(&mut self, ts: DateTime<Utc>, now: DateTime<Utc>) {
        let lag = now - ts;
        self.lag = Some(self.lag.map_or(lag, |shortest| shortest.min(lag)));
    }

    /// How much later than their own time all records arrived, if that is too long.
    pub(super) fn lag(&self) -> Option<String> {
        self.lag.filter(|lag| *lag > ARRIVAL).map(length)
    }

    fn report(&mut self, problem: String) {
        self.problem.get_or_insert(problem);
    }

    /// Measures the length from this time on: before it, the service was starting.
    pub(super) fn begin(&mut self, ts: DateTime<Utc>) {
        self.first = Some(ts);
    }

    /// The bucket of a time.
    pub(super) fn bucket(&mut self, ts: DateTime<Utc>) -> i64 {
        self.latest = self.latest.max(Some(ts));
        self.first.get_or_insert(ts);
        self.bucket_of(ts)
    }

    /// The latest bucket.
    pub(super) fn latest_bucket(&self) -> Option<i64> {
        self.latest.map(|latest| self.bucket_of(latest))
    }

    fn bucket_of(&self, ts: DateTime<Utc>) -> i64 {
        ts.timestamp_millis().div_euclid(self.bucket_ms)
    }

    /// Notes when the producer ended. That is no time of a request.
    pub(super) fn end(&mut self, ts: DateTime<Utc>) {
        self.ended = Some(ts.checked_add_signed(self.offset).unwrap_or(ts));
    }

    /// The bucket in which the producer ended, otherwise the latest one: what was observed before is about the past.
    pub(super) fn last_bucket(&self) -> Option<i64> {
        self.latest.max(self.ended).filter(|_| self.latest.is_some()).map(|last| self.bucket_of(last))
    }

    /// The latest time of a record.
    pub(super) fn latest(&self) -> Option<DateTime<Utc>> {
        self.latest
    }

    /// The time between the first record and the latest.
    pub(super) fn length(&self) -> Duration {
        let length = self.latest.zip(self.first).map(|(latest, first)| latest - first);
        length.and_then(|length| length.to_std().ok()).unwrap_or_default()
    }

    /// What is wrong with the producer's clock, as a sentence.
    pub(super) fn problem(&self) -> Option<&str> {
        self.problem.as_deref()
    }
}

fn length(delta: TimeDelta) -> String {
    format_duration(delta.abs().to_std().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::seconds(1_000_000 + seconds)
    }

    /// The seconds that a record at this time is placed at.
    fn placed(timeline: &mut Timeline, ts: DateTime<Utc>, now: i64) -> i64 {
        let ts = timeline.correct(ts, || at(now));
        timeline.bucket(ts);
        (ts - at(0)).num_seconds()
    }

    #[test]
    fn time_goes_on_after_a_clock_was_set_back() {
        let mut timeline = Timeline::new(Duration::from_secs(10));
        assert_eq!(placed(&mut timeline, at(0), 0), 0);
        assert_eq!(placed(&mut timeline, at(-3600), 1), 0);
        assert_eq!(placed(&mut timeline, at(-3590), 11), 10);
        assert!(timeline.problem().unwrap().contains("set back by 1h"), "{:?}", timeline.problem());
    }

    #[test]
    fn a_record_from_the_future_does_not_stop_time() {
        for first in [true, false] {
            let mut timeline = Timeline::new(Duration::from_secs(10));
            if !first {
                placed(&mut timeline, at(0), 0);
            }
            assert_eq!(placed(&mut timeline, at(86_400), 0), 0);
            assert_eq!(placed(&mut timeline, at(20), 20), 20);
            assert!(timeline.problem().unwrap().contains("from the future"));
        }
    }

    #[test]
    fn a_small_difference_and_a_long_pause_are_no_problem() {
        let mut timeline = Timeline::new(Duration::from_secs(10));
        placed(&mut timeline, at(30), 0);
        placed(&mut timeline, at(0), 1);
        placed(&mut timeline, at(7200), 7200);
        assert_eq!((timeline.problem(), timeline.length()), (None, Duration::from_secs(7170)));
    }
}
