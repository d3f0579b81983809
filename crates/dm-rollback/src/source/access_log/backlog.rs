//! The lines that are in the pipe when a watch begins: they may be from before the deployment. Pure.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::tally::Tally;

/// How long the lines that were there before may take to arrive, at least and at most.
const SHORTEST: Duration = Duration::from_secs(2);
const LONGEST: Duration = Duration::from_secs(30);

/// A line that arrives within this time was written before the watch began.
const AT_ONCE: Duration = Duration::from_millis(500);

/// The maximum number of seconds with requests: a day.
const MAX_SECONDS: usize = 86_400;

/// When a line arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Arrival {
    /// With the beginning of the watch: it was there before.
    AtOnce,
    /// After that: it may have been written during the watch.
    Later,
}

impl Arrival {
    /// The arrival at this time since the beginning.
    pub(super) fn at(elapsed: Duration) -> Self {
        if elapsed < AT_ONCE { Self::AtOnce } else { Self::Later }
    }
}

/// Holds the requests of each second until the log's clock is known: only then is it known which are from before the
/// deployment.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    seconds: BTreeMap<(i64, Arrival), Tally>,
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
    pub(super) fn hold(&mut self, ts: DateTime<Utc>, arrival: Arrival, tally: Tally) {
        let mut key = (ts.timestamp(), arrival);
        if self.seconds.len() >= MAX_SECONDS && !self.seconds.contains_key(&key) {
            let before = self.seconds.range(..key).next_back();
            key = before.or_else(|| self.seconds.first_key_value()).map_or(key, |(key, _)| *key);
        }
        *self.seconds.entry(key).or_default() += tally;
    }

    /// The requests of each second, in order.
    pub(super) fn release(self) -> impl Iterator<Item = (DateTime<Utc>, Arrival, Tally)> {
        self.seconds.into_iter().filter_map(|((second, arrival), tally)| {
            Some((DateTime::from_timestamp(second, 0)?, arrival, tally))
        })
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
            backlog.hold(DateTime::UNIX_EPOCH + TimeDelta::seconds(second), Arrival::Later, one);
        }
        let held: Vec<_> = backlog.release().collect();
        assert_eq!(held.len(), MAX_SECONDS);
        assert_eq!(held.iter().map(|(_, _, tally)| tally.requests.errors).sum::<u64>(), 100_000);
    }
}
