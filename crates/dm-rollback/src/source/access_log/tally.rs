//! Requests by their outcome. Pure.

use std::ops::AddAssign;

use super::outcome::Outcome;
use crate::decision::baseline::MIN_BASELINE;
use crate::evidence::Requests;

/// Requests without an answer of the application: their number, and what became of them.
type Unanswered = (u64, &'static str);

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
    /// Requests that the server itself answered with an error.
    unrelated: u64,
}

impl Tally {
    /// One request. `slow` is whether it took too long; `None` if there is no limit, or its duration is unknown.
    pub(super) fn one(outcome: Outcome, slow: Option<bool>, count_client_aborts: bool) -> Self {
        let is_failure = outcome == Outcome::Failed || (outcome == Outcome::GivenUp && count_client_aborts);
        let is_evidence = is_failure || matches!(outcome, Outcome::Answered | Outcome::Refused);
        // A client chooses when it gives up: that shows neither a slow application nor a fast one.
        let slow = slow.filter(|_| is_evidence && outcome != Outcome::GivenUp);
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
            unrelated: u64::from(outcome == Outcome::Unrelated),
        }
    }

    /// Whether these are requests of users: those that the application answered, or should have.
    pub(super) fn counts(&self) -> bool {
        self.all() > self.unrelated
    }

    /// Requests that should be evidence, but have no answer of the application.
    fn without_answer(&self) -> [Unanswered; 3] {
        [
            (
                self.given_up,
                "were given up by the client (499 or 000): to count them as failures, add --count-client-aborts",
            ),
            (self.not_reached, "failed before the server asked the application (upstream status -)"),
            (
                self.unrelated,
                "were answered with an error by the web server itself, as far as its log says (501, 505, a request that \
                 it could not read, or one that it did not pass on): to see what the application answers, nginx's \
                 log_format needs us=$upstream_status",
            ),
        ]
    }

    /// All requests but those that the server itself answered well.
    pub(super) fn all(&self) -> u64 {
        self.requests.total + self.given_up + self.not_reached + self.unrelated
    }

    /// Why these requests do not show that a version is good, although few of them failed. What was so `before` the
    /// deployment is not its fault.
    pub(super) fn complaint(&self, before: &Self) -> Option<String> {
        let was_so = before.is_enough() && before.is_mostly_unrelated();
        let unrelated = if was_so { 0 } else { self.unrelated };
        let all = self.all() - self.unrelated + unrelated;
        if 2 * (self.given_up + self.not_reached + unrelated) > all {
            let mut kinds = self.without_answer();
            kinds[2].0 = unrelated;
            let (count, what) = kinds.into_iter().max_by_key(|(count, _)| *count)?;
            return Some(format!("{count} of {all} requests {what}"));
        }
        if self.is_refused(90) && !(before.is_enough() && before.is_refused(90)) {
            let (refused, total) = (self.refused, self.requests.total);
            return Some(format!(
                "{refused} of {total} requests were refused with 4xx, so hardly any shows that the version works"
            ));
        }
        None
    }

    /// What the operator should know, though it does not change the verdict.
    pub(super) fn notes(&self, before: &Self) -> Vec<String> {
        let all = self.all();
        let large = self.without_answer().into_iter().filter(|(count, _)| 10 * count > all);
        let mut notes: Vec<_> =
            large.map(|(count, what)| format!("{count} of {all} requests {what}")).collect();
        if self.is_refused(50) && !(before.is_enough() && before.is_refused(50)) {
            let (refused, total) = (self.refused, self.requests.total);
            notes.push(format!("{refused} of {total} requests were refused with 4xx"));
        }
        notes
    }

    /// Whether these are enough to say what was usual.
    fn is_enough(&self) -> bool {
        self.all() >= MIN_BASELINE
    }

    fn is_mostly_unrelated(&self) -> bool {
        2 * self.unrelated > self.all()
    }

    /// Whether at least this share of the requests was refused.
    fn is_refused(&self, percent: u64) -> bool {
        self.requests.total > 0 && 100 * self.refused >= percent * self.requests.total
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
        self.unrelated += other.unrelated;
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
        for outcome in [Outcome::GivenUp, Outcome::NotReached, Outcome::Unrelated] {
            let few = tally(&[(90, Outcome::Answered), (10, outcome)]);
            assert_eq!((few.notes(&few), few.complaint(&Tally::default())), (vec![], None));
            let some = tally(&[(89, Outcome::Answered), (11, outcome)]);
            assert!(some.notes(&few)[0].starts_with("11 of 100 requests "));
            assert_eq!(some.complaint(&Tally::default()), None);
            let most = tally(&[(49, Outcome::Answered), (51, outcome)]);
            assert!(most.complaint(&Tally::default()).unwrap().starts_with("51 of 100 requests "));
        }
        let served = tally(&[(60, Outcome::Answered), (1000, Outcome::Served)]);
        assert_eq!((served.notes(&served), served.complaint(&Tally::default())), (vec![], None));
    }

    #[test]
    fn a_version_that_refuses_everything_is_not_good_unless_the_one_before_did_so_too() {
        let refused = tally(&[(91, Outcome::Refused), (9, Outcome::Answered)]);
        assert!(refused.complaint(&Tally::default()).unwrap().contains("91 of 100 requests were refused"));
        assert_eq!(refused.complaint(&refused), None);
        for few in [tally(&[(1, Outcome::Refused)]), tally(&[(99, Outcome::Refused)])] {
            assert!(refused.complaint(&few).is_some(), "too few to say what was usual");
        }
        assert_eq!(tally(&[(89, Outcome::Refused), (11, Outcome::Answered)]).complaint(&refused), None);
        assert_eq!(Tally::default().complaint(&Tally::default()), None);
        let half = tally(&[(50, Outcome::Refused), (50, Outcome::Answered)]);
        assert_eq!(half.notes(&Tally::default()), ["50 of 100 requests were refused with 4xx"]);
        assert_eq!(half.notes(&half), [""; 0]);
    }

    #[test]
    fn errors_of_the_server_itself_are_no_news_if_it_was_so_before() {
        let some = tally(&[(20, Outcome::Answered), (80, Outcome::Unrelated)]);
        assert!(
            some.complaint(&tally(&[(100, Outcome::Answered)]))
                .unwrap()
                .starts_with("80 of 100 requests were")
        );
        assert!(some.complaint(&tally(&[(99, Outcome::Unrelated)])).is_some());
        assert_eq!(some.complaint(&some), None);
        let hangs = tally(&[(9, Outcome::Answered), (80, Outcome::Unrelated), (11, Outcome::GivenUp)]);
        assert!(hangs.complaint(&some).unwrap().starts_with("11 of 20 requests were given up"));
    }

    #[test]
    fn a_client_that_gave_up_is_a_failure_if_asked_and_never_slow() {
        for slow in [None, Some(true), Some(false)] {
            let one = |count| Tally::one(Outcome::GivenUp, slow, count).requests;
            assert_eq!(one(true), Requests { total: 1, errors: 1, ..Requests::default() });
            assert_eq!(one(false), Requests::default());
            let own = Tally::one(Outcome::Unrelated, slow, true).requests;
            assert_eq!(
                own,
                Requests::default(),
                "the server's own answers have no duration of the application"
            );
        }
    }
}
