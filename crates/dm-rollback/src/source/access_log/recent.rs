//! The end of a log: a fault that begins late must not be averaged away. Pure.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::tally::Tally;
use crate::evidence::error_counts::{END, MIN_REQUESTS};

/// The last buckets with requests: five, or more if those have too few requests to say anything.
#[derive(Debug)]
pub(super) struct Recent {
    bucket_ms: i64,
    buckets: BTreeMap<i64, Tally>,
}

impl Recent {
    /// No requests, in buckets of this length.
    pub(super) fn new(bucket: Duration) -> Self {
        let bucket_ms = i64::try_from(bucket.as_millis()).unwrap_or(i64::MAX).max(1);
        Self { bucket_ms, buckets: BTreeMap::new() }
    }

    /// Adds a request.
    pub(super) fn add(&mut self, ts: DateTime<Utc>, tally: Tally) {
        if tally.all() == 0 {
            return;
        }
        let index = ts.timestamp_millis().div_euclid(self.bucket_ms);
        let is_new = !self.buckets.contains_key(&index);
        *self.buckets.entry(index).or_default() += tally;
        // Every bucket has a request, so they are few.
        while is_new && self.buckets.len() > END && self.sum(1).all() >= MIN_REQUESTS {
            self.buckets.pop_first();
        }
    }

    /// Why the last requests do not show that a version is good; `None` if they do, or if they are too few.
    pub(super) fn complaint(&self, before: &Tally) -> Option<String> {
        let end = self.sum(0);
        let why = end.complaint(before).filter(|_| end.all() >= MIN_REQUESTS)?;
        Some(format!("at the end, {why}"))
    }

    /// The requests without those of the first buckets.
    fn sum(&self, skipped: usize) -> Tally {
        self.buckets.values().skip(skipped).fold(Tally::default(), |mut sum, tally| {
            sum += *tally;
            sum
        })
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::super::outcome::Outcome;
    use super::*;

    /// The end after buckets with this number of requests each, with this outcome.
    fn after(buckets: &[(u64, Outcome)]) -> Recent {
        let mut recent = Recent::new(Duration::from_secs(10));
        for (bucket, (count, outcome)) in (0..).zip(buckets) {
            let ts = DateTime::UNIX_EPOCH + TimeDelta::seconds(10 * bucket);
            (0..*count).for_each(|_| recent.add(ts, Tally::one(*outcome, None, false)));
        }
        recent
    }

    #[test]
    fn what_most_of_the_last_requests_are_counts() {
        for (bad, words) in
            [(Outcome::GivenUp, "499"), (Outcome::Refused, "4xx"), (Outcome::Unrelated, "501")]
        {
            let buckets = |count| [vec![(100, Outcome::Answered); 60], vec![(20, bad); count]].concat();
            assert!(after(&buckets(5)).complaint(&Tally::default()).unwrap().contains(words));
            assert_eq!(after(&buckets(1)).complaint(&Tally::default()), None, "a blip");
            let recovered = [buckets(5), vec![(100, Outcome::Answered)]].concat();
            assert_eq!(after(&recovered).complaint(&Tally::default()), None);
        }
    }

    #[test]
    fn few_requests_are_looked_at_for_longer() {
        let buckets = |count| [vec![(1, Outcome::Answered); 60], vec![(1, Outcome::GivenUp); count]].concat();
        assert_eq!(after(&buckets(5)).complaint(&Tally::default()), None);
        assert!(after(&buckets(6)).complaint(&Tally::default()).unwrap().starts_with("at the end, 6 of 10"));
        assert_eq!(after(&[(9, Outcome::GivenUp)]).complaint(&Tally::default()), None, "too few");
        let late = after(&[(1, Outcome::Answered); 1000]);
        assert_eq!(late.buckets.len(), 10, "memory is bounded");
    }
}
