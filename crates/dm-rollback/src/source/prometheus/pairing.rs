//! Pairs errors with the requests that failed. Two exporters are not scraped at the same moment: errors may arrive before
//! their requests. Pure.

use std::collections::{BTreeMap, VecDeque};

use crate::evidence::Requests;

/// Requests and errors, by the time of the sample in milliseconds.
pub(super) type Counted = BTreeMap<i64, Requests>;

/// Errors whose requests have not been counted yet.
#[derive(Debug, Default)]
pub(super) struct Pairing {
    /// Their times in milliseconds, and their numbers; oldest first.
    waiting: VecDeque<(i64, u64)>,
    /// Errors after the deployment whose requests never came.
    lost: u64,
}

impl Pairing {
    /// Moves errors that have no request at their time to the next requests. They wait for as long as `patience`, in
    /// milliseconds. Those from before `since` are never those of requests after it.
    pub(super) fn pair(&mut self, counted: &mut Counted, since: i64, patience: i64) {
        for (ts, requests) in counted {
            let errors = std::mem::take(&mut requests.errors);
            self.waiting.extend((errors > 0).then_some((*ts, errors)));
            let is_expired = |at: i64| ts.saturating_sub(at) > patience || (at <= since && *ts > since);
            while let Some((at, errors)) = self.waiting.front().copied().filter(|(at, _)| is_expired(*at)) {
                self.waiting.pop_front();
                self.lost = self.lost.saturating_add(if at > since { errors } else { 0 });
            }
            while let Some((_, errors)) = self.waiting.front_mut() {
                let paired = (*errors).min(requests.total - requests.errors);
                *errors -= paired;
                requests.errors += paired;
                if *errors > 0 {
                    break;
                }
                self.waiting.pop_front();
            }
        }
    }

    /// The number of errors after the deployment that have no requests.
    pub(super) fn unpaired(&self, since: i64) -> u64 {
        let waiting = self.waiting.iter().filter(|(at, _)| *at > since).map(|(_, errors)| *errors);
        waiting.fold(self.lost, u64::saturating_add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The errors at each time, and those that are left, for (time, requests, errors).
    fn paired(since: i64, counts: &[(i64, u64, u64)]) -> (Vec<u64>, u64) {
        let count = |(ts, total, errors): &(i64, u64, u64)| {
            (*ts, Requests { total: *total, errors: *errors, ..Requests::default() })
        };
        let mut counted: Counted = counts.iter().map(count).collect();
        let mut pairing = Pairing::default();
        pairing.pair(&mut counted, since, 40);
        (counted.values().map(|requests| requests.errors).collect(), pairing.unpaired(since))
    }

    #[test]
    fn errors_wait_for_their_requests_but_not_for_long() {
        assert_eq!(paired(0, &[(10, 0, 5), (15, 3, 0), (20, 9, 1)]), (vec![0, 3, 3], 0));
        assert_eq!(paired(0, &[(10, 0, 5), (50, 2, 0), (60, 9, 0)]), (vec![0, 2, 0], 3));
        assert_eq!(paired(0, &[(10, 1, 5)]), (vec![1], 4));
    }

    #[test]
    fn errors_from_before_the_deployment_are_not_the_new_version_s() {
        assert_eq!(paired(30, &[(10, 0, 5), (30, 1, 5), (40, 100, 0)]), (vec![0, 1, 0], 0));
    }
}
