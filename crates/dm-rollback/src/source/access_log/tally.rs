//! Requests by their outcome. Pure.

use std::ops::AddAssign;

use super::outcome::Outcome;
use crate::evidence::Requests;

/// Requests by their outcome.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Tally {
    /// The requests that are evidence.
    pub(super) requests: Requests,
    /// Those of them that were refused with 4xx.
    refused: u64,
    /// Requests that the client gave up, if they do not count as failures.
    given_up: u64,
    /// Requests that the server failed before it asked the application.
    not_reached: u64,
}

impl Tally {
    /// One request. `slow` is whether it took too long; `None` if there is no limit, or its duration is unknown.
    pub(super) fn one(outcome: Outcome, slow: Option<bool>, count_client_aborts: bool) -> Self {
        let is_failure = outcome == Outcome::Failed || (outcome == Outcome::GivenUp && count_client_aborts);
        let is_evidence = is_failure || matches!(outcome, Outcome::Answered | Outcome::Refused);
        // A client that gave up soon does not show that the application is fast.
        let slow = slow.filter(|slow| is_evidence || (*slow && outcome == Outcome::GivenUp));
        Self {
            requests: Requests {
                total: u64::from(is_evidence),
                errors: u64::from(is_failure),
                timed: u64::from(slow.is_some()),
                slow: u64::from(slow == Some(true)),
            },
            refused: u64::from(outcome == Outcome::Refused),
            given_up: u64::from(outcome == Outcome::GivenUp && !is_failure),
            not_reached: u64::from(outcome == Outcome::NotReached),
        }
    }

    /// Requests that should be evidence, but have no answer of the application.
    fn without_answer(&self) -> [(u64, &'static str); 2] {
        [
            (
                self.given_up,
                "were given up by the client (499 or 000): to count them as failures, add --count-client-aborts",
            ),
            (self.not_reached, "failed before the server asked the application (upstream status -)"),
        ]
    }

    fn all(&self) -> u64 {
        self.requests.total + self.given_up + self.not_reached
    }

    /// Why these requests do not show that a version is good, although few of them failed.
    pub(super) fn complaint(&self, before: &Self) -> Option<String> {
        let all = self.all();
        let [given_up, not_reached] = self.without_answer();
        if 2 * (given_up.0 + not_reached.0) > all {
            let (count, what) = given_up.max(not_reached);
            return Some(format!("{count} of {all} requests {what}"));
        }
        if self.is_refused() && !before.is_refused() {
            let (refused, total) = (self.refused, self.requests.total);
            return Some(format!(
                "{refused} of {total} requests were refused with 4xx, so hardly any shows that the version works"
            ));
        }
        None
    }

    /// What the operator should know, though it does not change the verdict.
    pub(super) fn notes(&self) -> Vec<String> {
        let all = self.all();
        let large = self.without_answer().into_iter().filter(|(count, _)| 10 * count > all);
        large.map(|(count, what)| format!("{count} of {all} requests {what}")).collect()
    }

    /// Whether nine in ten requests were refused.
    fn is_refused(&self) -> bool {
        self.requests.total > 0 && 10 * self.refused >= 9 * self.requests.total
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.requests.total += other.requests.total;
        self.requests.errors += other.requests.errors;
        self.requests.timed += other.requests.timed;
        self.requests.slow += other.requests.slow;
        self.refused += other.refused;
        self.given_up += other.given_up;
        self.not_reached += other.not_reached;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(outcomes: &[(u64, Outcome)]) -> Tally {
        let mut tally = Tally::default();
        for (count, outcome) in outcomes {
            (0..*count).for_each(|_| tally += Tally::one(*outcome, None, false));
        }
        tally
    }

    #[test]
    fn requests_without_an_answer_are_reported_and_most_of_them_forbid_a_keep() {
        for outcome in [Outcome::GivenUp, Outcome::NotReached] {
            let few = tally(&[(90, Outcome::Answered), (10, outcome)]);
            assert_eq!((few.notes(), few.complaint(&Tally::default())), (vec![], None));
            let some = tally(&[(89, Outcome::Answered), (11, outcome)]);
            assert!(some.notes()[0].starts_with("11 of 100 requests "));
            assert_eq!(some.complaint(&Tally::default()), None);
            let most = tally(&[(49, Outcome::Answered), (51, outcome)]);
            assert!(most.complaint(&Tally::default()).unwrap().starts_with("51 of 100 requests "));
        }
        let garbage = tally(&[(60, Outcome::Answered), (1000, Outcome::Unrelated)]);
        assert_eq!((garbage.notes(), garbage.complaint(&Tally::default())), (vec![], None));
    }

    #[test]
    fn a_version_that_refuses_everything_is_not_good_unless_the_one_before_did_so_too() {
        let refused = tally(&[(91, Outcome::Refused), (9, Outcome::Answered)]);
        assert!(refused.complaint(&Tally::default()).unwrap().contains("91 of 100 requests were refused"));
        assert_eq!(refused.complaint(&refused), None);
        assert_eq!(tally(&[(89, Outcome::Refused), (11, Outcome::Answered)]).complaint(&refused), None);
        assert_eq!(Tally::default().complaint(&Tally::default()), None);
    }

    #[test]
    fn a_client_that_gave_up_is_a_failure_if_asked_and_slow_if_it_waited_long() {
        let one = |slow, count| Tally::one(Outcome::GivenUp, slow, count).requests;
        let timed = |slow| Requests { timed: 1, slow, ..Requests::default() };
        assert_eq!(one(None, true), Requests { total: 1, errors: 1, ..Requests::default() });
        assert_eq!((one(Some(true), false), one(Some(false), false)), (timed(1), Requests::default()));
        let own = Tally::one(Outcome::Unrelated, Some(true), true);
        assert_eq!(own, Tally::default(), "the server's own answers have no duration of the application");
    }
}
