//! How late lines arrive: what the log's clock shows when this machine's clock shows the time. Pure.

use chrono::{DateTime, TimeDelta, Utc};
use common::duration::format_duration;

/// A difference that needs no correction: logs have whole seconds, and lines travel for a moment.
pub(super) const SMALL: TimeDelta = TimeDelta::seconds(2);

/// The largest difference that is corrected.
const MOST: TimeDelta = TimeDelta::minutes(1);

/// The number of live lines, and the time since the first, that show the log's clock.
const ENOUGH_LINES: u64 = 10;
const ENOUGH_TIME: TimeDelta = TimeDelta::seconds(5);

/// How late the live lines of a log arrive. A line may be late because of a buffer, or because it is about a request that took
/// long; a clock that is behind makes all of them late. So the least delay shows the clock.
#[derive(Debug, Default)]
pub(super) struct Lag {
    least: Option<TimeDelta>,
    first: Option<DateTime<Utc>>,
    lines: u64,
    late: u64,
}

impl Lag {
    /// Whether a line with this time shows that the log's clock is too far ahead.
    pub(super) fn ahead(ts: DateTime<Utc>, now: DateTime<Utc>) -> Option<String> {
        let ahead = ts - now;
        (ahead > MOST).then(|| {
            let ahead = shown(ahead);
            format!("the clock of the log is {ahead} ahead of this machine's: set both by NTP")
        })
    }

    /// Observes live lines that arrive together.
    pub(super) fn observe(&mut self, times: impl Iterator<Item = DateTime<Utc>> + Clone, now: DateTime<Utc>) {
        let Some(newest) = times.clone().max() else { return };
        self.first.get_or_insert(now);
        let lag = now - newest;
        self.least = Some(self.least.map_or(lag, |least| least.min(lag)));
        for ts in times {
            self.lines += 1;
            self.late += u64::from(now - ts > MOST);
        }
    }

    /// Whether any line showed the log's clock.
    pub(super) fn is_observed(&self) -> bool {
        self.least.is_some()
    }

    /// What to add to the times of lines, as far as it is known.
    pub(super) fn correction(&self) -> TimeDelta {
        self.least.filter(|least| least.abs() >= SMALL && least.abs() <= MOST).unwrap_or_default()
    }

    /// Whether there were enough lines to judge the log's clock.
    pub(super) fn is_known(&self, now: DateTime<Utc>) -> bool {
        self.lines >= ENOUGH_LINES && self.first.is_some_and(|first| now - first >= ENOUGH_TIME)
    }

    /// The correction in a sentence, if there is one.
    pub(super) fn note(&self) -> Option<String> {
        let correction = self.correction();
        if correction.is_zero() {
            return None;
        }
        let by = shown(correction.abs());
        let what = if correction > TimeDelta::zero() { "behind (or its lines are late)" } else { "ahead" };
        Some(format!("the clock of the log is {by} {what}: its times are corrected"))
    }

    /// Why the times in the log cannot be corrected.
    pub(super) fn complaint(&self) -> Option<String> {
        let least = self.least?;
        if least > MOST {
            let by = shown(least);
            return Some(format!(
                "the clock of the log is {by} behind: its newest lines are that old when they arrive; set both clocks by NTP, and let the server write its log without a buffer"
            ));
        }
        (self.late > ENOUGH_LINES && 10 * self.late > self.lines).then(|| {
            let (late, lines) = (self.late, self.lines);
            format!(
                "{late} of {lines} lines arrived more than a minute after their time: let the server write its log without a buffer"
            )
        })
    }
}

fn shown(delta: TimeDelta) -> String {
    format_duration(delta.to_std().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> DateTime<Utc> {
        DateTime::from_timestamp(1_767_225_600, 0).unwrap()
    }

    /// Batches of lines, one in a second, with the delay of each line in seconds.
    fn lag(batches: &[&[i64]]) -> Lag {
        let mut lag = Lag::default();
        for (second, delays) in (0..).zip(batches) {
            let now = now() + TimeDelta::seconds(second);
            lag.observe(delays.iter().map(|delay| now - TimeDelta::seconds(*delay)), now);
        }
        lag
    }

    #[test]
    fn the_least_delay_is_the_clock_s() {
        assert_eq!(lag(&[]).correction(), TimeDelta::zero());
        assert_eq!(lag(&[&[1, 0], &[1]]).correction(), TimeDelta::zero());
        assert_eq!(lag(&[&[20, 10, 0], &[31]]).correction(), TimeDelta::zero(), "a buffer");
        assert_eq!(lag(&[&[31], &[90, 30]]).correction(), TimeDelta::seconds(30));
        assert_eq!(lag(&[&[-20], &[-21]]).correction(), TimeDelta::seconds(-21));
        assert!(lag(&[&[30]]).note().unwrap().contains("30.0s behind"));
        assert!(lag(&[&[-30]]).note().unwrap().contains("30.0s ahead"));
        assert_eq!(lag(&[&[0]]).note(), None);
    }

    #[test]
    fn more_than_a_minute_is_not_corrected() {
        let behind = lag(&[&[120, 125][..]; 6]);
        assert_eq!(behind.correction(), TimeDelta::zero());
        assert!(behind.complaint().unwrap().contains("2m00s behind"));
        assert!(behind.is_known(now() + TimeDelta::seconds(5)) && !behind.is_known(now()));
        assert_eq!(lag(&[&[60]]).complaint(), None);
        assert!(Lag::ahead(now() + TimeDelta::seconds(61), now()).unwrap().contains("1m01s ahead"));
        assert_eq!(Lag::ahead(now() + TimeDelta::seconds(60), now()), None);
    }

    #[test]
    fn a_few_late_lines_are_long_requests_and_many_are_a_buffer() {
        let mut batch = vec![0; 100];
        batch.extend([600; 10]);
        assert_eq!(lag(&[&batch]).complaint(), None);
        batch.extend([600; 10]);
        assert!(lag(&[&batch]).complaint().unwrap().starts_with("20 of 120 lines arrived"));
    }
}
