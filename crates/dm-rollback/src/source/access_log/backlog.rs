//! The lines that are in the pipe when a watch begins: they may be from before the deployment. Pure.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::tally::Tally;

/// How long the lines that were there before may take to arrive, at least and at most.
const SHORTEST: Duration = Duration::from_secs(2);
const LONGEST: Duration = Duration::from_secs(30);

/// The maximum number of seconds with requests: a day.
const MAX_SECONDS: usize = 86_400;

/// Holds the requests of each second until the log's clock is known: only then is it known which are from before the
/// deployment.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    seconds: BTreeMap<i64, Tally>,
    /// The arrival of a line, and the newest time until then.
    mark: Option<(Duration, DateTime<Utc>)>,
}

impl Backlog {
    /// Whether lines that arrive at `elapsed`, the newest with this time, are live. Old lines arrive faster than time passes.
    pub(super) fn is_over(&mut self, elapsed: Duration, newest: DateTime<Utc>) -> bool {
        let Some((arrival, latest)) = self.mark else {
            self.mark = Some((elapsed, newest));
            return elapsed >= LONGEST;
        };
        let passed = elapsed.saturating_sub(arrival);
        if passed < SHORTEST {
            return false;
        }
        let progress = newest - latest;
        let most = TimeDelta::from_std(2 * passed + SHORTEST).unwrap_or(TimeDelta::MAX);
        self.mark = Some((elapsed, newest.max(latest)));
        progress <= most || elapsed >= LONGEST
    }

    /// Holds a request. When there are too many seconds, those that follow share the last one.
    pub(super) fn hold(&mut self, ts: DateTime<Utc>, tally: Tally) {
        let mut second = ts.timestamp();
        if self.seconds.len() >= MAX_SECONDS && !self.seconds.contains_key(&second) {
            let before = self.seconds.range(..second).next_back();
            second = before.or_else(|| self.seconds.first_key_value()).map_or(second, |(second, _)| *second);
        }
        *self.seconds.entry(second).or_default() += tally;
    }

    /// The requests of each second, in order.
    pub(super) fn release(self) -> impl Iterator<Item = (DateTime<Utc>, Tally)> {
        self.seconds
            .into_iter()
            .filter_map(|(second, tally)| Some((DateTime::from_timestamp(second, 0)?, tally)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether the backlog is over, for lines that arrive at this number of seconds with this time in seconds.
    fn over(lines: &[(u64, i64)]) -> Vec<bool> {
        let mut backlog = Backlog::default();
        let time = |seconds| DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds);
        let is_over = |(arrival, ts): &(u64, i64)| backlog.is_over(Duration::from_secs(*arrival), time(*ts));
        lines.iter().map(is_over).collect()
    }

    #[test]
    fn lines_that_arrive_as_time_passes_are_live() {
        assert_eq!(over(&[(0, 100), (1, 101), (2, 102)]), [false, false, true]);
        assert_eq!(over(&[(0, 100), (2, 100)]), [false, true], "the clock stands still");
    }

    #[test]
    fn old_lines_arrive_faster_than_time_passes() {
        let download = [(0, 100), (2, 1000), (4, 2000), (6, 2002)];
        assert_eq!(over(&download), [false, false, false, true]);
        assert_eq!(over(&[(5, 100), (6, 1000), (7, 1001), (9, 1003)]), [false, false, false, true]);
        let endless: Vec<_> = (0..16_u64).map(|step| (2 * step, 1000 * step.cast_signed())).collect();
        assert_eq!(over(&endless).iter().position(|over| *over), Some(15));
    }

    #[test]
    fn memory_is_bounded_and_no_request_is_lost() {
        let mut backlog = Backlog::default();
        let one = Tally::one(super::super::outcome::Outcome::Failed, None, false);
        for second in 0..100_000 {
            backlog.hold(DateTime::UNIX_EPOCH + TimeDelta::seconds(second), one);
        }
        let held: Vec<_> = backlog.release().collect();
        assert_eq!(held.len(), MAX_SECONDS);
        assert_eq!(held.iter().map(|(_, tally)| tally.requests.errors).sum::<u64>(), 100_000);
    }
}
