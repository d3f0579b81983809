//! When to stop polling, and with which answer: pure, so that it can be checked against a slow twin of itself.

use std::time::Duration;

use crate::fail_rate::{FailRate, Window};

/// When to stop, and with which answer. What is said of a service here is said of each target where there are several.
#[derive(Debug, Clone)]
pub struct Rules {
    /// Failures in a row that prove it unhealthy; at least 1.
    pub max_fail: u32,
    /// Failures among the last probes that prove it unhealthy too.
    pub fail_rate: Option<FailRate>,
    /// Successes in a row that prove it healthy; at least 1.
    pub min_success: u32,
    /// Failures of probes sent in this first time do not count, nor does the rate take in its probes: what begins may
    /// still fail. Once all are healthy it is over, however long it is, for what fails then has begun.
    pub grace: Duration,
    /// It has to be healthy before this time has passed.
    pub deadline: Option<Duration>,
    /// How long it is watched on once it is healthy.
    pub watch: Option<Duration>,
}

/// The answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// All targets were healthy at once, and stayed so for as long as they were watched.
    Healthy,
    /// Too many failures in a row.
    Unhealthy,
    /// Too many failures among the last probes.
    FailsTooOften,
    /// It was not healthy in time.
    DeadlinePassed,
    /// Too many probes in a row that this machine was not able to make.
    CannotTell,
}

/// What a probe says of the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// It is as expected.
    Good,
    /// It is not.
    Bad,
    /// Nothing: this machine was not able to ask.
    Nothing,
}

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Go on.
    Continue,
    /// It is healthy now: go on, it is being watched.
    WatchBegins,
    /// Stop: this is the answer.
    End(Verdict),
}

/// The state between two probes. All times are since the start, by a monotonic clock.
///
/// Several targets are healthy when all of them are at the same time, and unhealthy when one of them is proven so.
#[derive(Debug, Clone)]
pub struct Policy {
    rules: Rules,
    /// The end of the watch, once all are healthy.
    watch_until: Option<Duration>,
    targets: Vec<Seen>,
    /// Probes that are on their way.
    on_their_way: usize,
}

/// What was seen of one target.
#[derive(Debug, Clone, Default)]
struct Seen {
    successes_in_a_row: u32,
    /// Those that count.
    failures_in_a_row: u32,
    /// Probes that found nothing; between failures they do not matter.
    nothing_in_a_row: u32,
    last: Window,
}

impl Policy {
    /// Nothing is known yet of so many targets.
    pub fn new(rules: Rules, targets: usize) -> Self {
        Self { rules, watch_until: None, targets: vec![Seen::default(); targets], on_their_way: 0 }
    }

    /// It is `now`, and a target's turn: whether to probe it. At the end of a watch the probes that are on their way
    /// are waited for, and no more are sent.
    pub fn sends(&mut self, now: Duration) -> bool {
        let over = self.watch_until.is_some_and(|until| now >= until) && !self.is_failing();
        self.on_their_way += usize::from(!over);
        !over
    }

    /// A probe of the target with this index was sent at `sent`, and its result was there at `now`.
    pub fn probed(&mut self, target: usize, sent: Duration, now: Duration, found: Found) -> Step {
        self.on_their_way = self.on_their_way.saturating_sub(1);
        if self.deadline().is_some_and(|deadline| now >= deadline) {
            return Step::End(Verdict::DeadlinePassed);
        }
        let counts = self.watch_until.is_some() || sent >= self.rules.grace;
        if let Some(verdict) =
            self.targets.get_mut(target).and_then(|seen| seen.probed(&self.rules, counts, found))
        {
            return Step::End(verdict);
        }
        if self.watch_until.is_some() || self.unproven().next().is_some() {
            return self.passed(now);
        }
        match self.rules.watch {
            Some(watch) => {
                self.watch_until = Some(now.saturating_add(watch));
                Step::WatchBegins
            }
            None => Step::End(Verdict::Healthy),
        }
    }

    /// It is `now`, and no probe came back.
    pub fn passed(&self, now: Duration) -> Step {
        if self.due().is_none_or(|due| now < due) {
            return Step::Continue;
        }
        Step::End(if self.watch_until.is_some() { Verdict::Healthy } else { Verdict::DeadlinePassed })
    }

    /// When [`Policy::passed`] gives an answer without another probe.
    ///
    /// A watch does not end on a failure, nor beside a probe that may be one: that would be an answer of "healthy"
    /// that the last probe denies. It goes on until the probes succeed, or until there were enough failures.
    pub fn due(&self) -> Option<Duration> {
        match self.watch_until {
            Some(until) => (self.on_their_way == 0 && !self.is_failing()).then_some(until),
            None => self.rules.deadline,
        }
    }

    /// When a probe that is on its way is too late to matter.
    pub fn deadline(&self) -> Option<Duration> {
        if self.watch_until.is_some() { None } else { self.rules.deadline }
    }

    /// The targets that are not healthy yet, by their index.
    pub fn unproven(&self) -> impl Iterator<Item = usize> {
        let need = self.rules.min_success;
        let few = move |(index, seen): (usize, &Seen)| (seen.successes_in_a_row < need).then_some(index);
        self.targets.iter().enumerate().filter_map(few)
    }

    fn is_failing(&self) -> bool {
        self.targets.iter().any(|seen| seen.failures_in_a_row > 0 || seen.nothing_in_a_row > 0)
    }
}

impl Seen {
    /// Takes in a probe, whose failure `counts` or not, and says whether it proves the target unhealthy, or that nothing
    /// can be proven.
    fn probed(&mut self, rules: &Rules, counts: bool, found: Found) -> Option<Verdict> {
        let one_more = |row: u32| row.saturating_add(u32::from(counts));
        match found {
            Found::Good => {
                self.successes_in_a_row = self.successes_in_a_row.saturating_add(1);
                (self.failures_in_a_row, self.nothing_in_a_row) = (0, 0);
            }
            Found::Bad => {
                self.successes_in_a_row = 0;
                (self.failures_in_a_row, self.nothing_in_a_row) = (one_more(self.failures_in_a_row), 0);
            }
            Found::Nothing => {
                self.successes_in_a_row = 0;
                self.nothing_in_a_row = one_more(self.nothing_in_a_row);
                return (self.nothing_in_a_row >= rules.max_fail).then_some(Verdict::CannotTell);
            }
        }
        if self.failures_in_a_row >= rules.max_fail {
            return Some(Verdict::Unhealthy);
        }
        let rate = rules.fail_rate.filter(|_| counts)?;
        self.last.is_exceeded_by(rate, found == Found::Good).then_some(Verdict::FailsTooOften)
    }
}

#[cfg(test)]
mod twin;

#[cfg(test)]
mod tests {
    use super::*;

    fn second(policy: &mut Policy, second: u64, ok: bool) -> Step {
        of(policy, 0, second, ok)
    }

    fn of(policy: &mut Policy, target: usize, second: u64, ok: bool) -> Step {
        let sent = Duration::from_secs(second);
        assert!(policy.sends(sent));
        let found = if ok { Found::Good } else { Found::Bad };
        policy.probed(target, sent, sent + Duration::from_millis(5), found)
    }

    const RULES: Rules = Rules {
        max_fail: 5,
        fail_rate: None,
        min_success: 3,
        grace: Duration::ZERO,
        deadline: None,
        watch: None,
    };

    #[test]
    fn a_success_starts_the_count_of_failures_again() {
        let mut policy = Policy::new(RULES, 1);
        for (at, ok) in [false, false, false, false, true, false, false, false, false].into_iter().enumerate()
        {
            assert_eq!(second(&mut policy, at as u64, ok), Step::Continue);
        }
        assert_eq!(second(&mut policy, 9, false), Step::End(Verdict::Unhealthy));
    }

    #[test]
    fn failures_in_the_grace_time_do_not_count_and_still_break_a_row_of_successes() {
        let mut policy = Policy::new(Rules { grace: Duration::from_secs(10), ..RULES }, 1);
        for at in 0..8 {
            assert_eq!(second(&mut policy, at, at % 3 == 0), Step::Continue);
        }
        for at in 10..14 {
            assert_eq!(second(&mut policy, at, false), Step::Continue);
        }
        assert_eq!(second(&mut policy, 14, false), Step::End(Verdict::Unhealthy));
    }

    #[test]
    fn the_grace_time_ends_with_healthy_and_not_before_all_are() {
        let (grace, watch) = (Duration::from_mins(1), Some(Duration::from_secs(5)));
        let mut policy = Policy::new(Rules { max_fail: 2, min_success: 1, grace, watch, ..RULES }, 2);
        assert_eq!(of(&mut policy, 0, 0, true), Step::Continue);
        for at in 1..4 {
            assert_eq!(of(&mut policy, 0, at, false), Step::Continue);
        }
        // Sent in the grace time, and back when it is over.
        assert!(policy.sends(Duration::from_secs(4)));
        assert_eq!(of(&mut policy, 0, 5, true), Step::Continue);
        assert_eq!(of(&mut policy, 1, 5, true), Step::WatchBegins);
        let (sent, now) = (Duration::from_secs(4), Duration::from_secs(6));
        assert_eq!(policy.probed(1, sent, now, Found::Bad), Step::Continue);
        assert_eq!(policy.passed(Duration::from_secs(20)), Step::Continue);
        assert_eq!(of(&mut policy, 1, 20, false), Step::End(Verdict::Unhealthy));
    }

    #[test]
    fn a_watch_does_not_end_on_a_failure() {
        let watch = Some(Duration::from_secs(3));
        let mut policy = Policy::new(Rules { min_success: 1, watch, ..RULES }, 1);
        assert_eq!(second(&mut policy, 0, true), Step::WatchBegins);
        assert_eq!(second(&mut policy, 3, false), Step::Continue);
        assert_eq!(policy.passed(Duration::from_mins(1)), Step::Continue);
        assert_eq!(second(&mut policy, 4, true), Step::End(Verdict::Healthy));
    }

    #[test]
    fn several_are_healthy_when_all_are_at_once() {
        let mut policy = Policy::new(Rules { min_success: 1, ..RULES }, 2);
        assert_eq!(of(&mut policy, 0, 0, true), Step::Continue);
        assert_eq!(of(&mut policy, 0, 1, false), Step::Continue);
        assert_eq!(of(&mut policy, 1, 1, true), Step::Continue);
        assert_eq!(policy.unproven().collect::<Vec<_>>(), [0]);
        assert_eq!(of(&mut policy, 0, 2, true), Step::End(Verdict::Healthy));
    }

    #[test]
    fn several_are_unhealthy_when_one_is() {
        let mut policy = Policy::new(Rules { max_fail: 2, ..RULES }, 2);
        assert_eq!(of(&mut policy, 0, 0, false), Step::Continue);
        assert_eq!(of(&mut policy, 1, 0, false), Step::Continue);
        assert_eq!(of(&mut policy, 0, 1, true), Step::Continue);
        assert_eq!(of(&mut policy, 1, 1, false), Step::End(Verdict::Unhealthy));
    }

    #[test]
    fn the_end_of_a_watch_waits_for_what_is_on_its_way_and_sends_no_more() {
        let watch = Some(Duration::from_secs(3));
        let mut policy = Policy::new(Rules { min_success: 1, watch, ..RULES }, 2);
        assert_eq!(of(&mut policy, 0, 0, true), Step::Continue);
        assert_eq!(of(&mut policy, 1, 0, true), Step::WatchBegins);
        assert!(policy.sends(Duration::from_secs(2)));
        let late = Duration::from_secs(4);
        assert!(!policy.sends(late));
        assert_eq!(policy.passed(late), Step::Continue);
        assert_eq!(policy.probed(1, Duration::from_secs(2), late, Found::Good), Step::End(Verdict::Healthy));
    }

    #[test]
    fn what_could_not_be_asked_proves_nothing() {
        let mut policy = Policy::new(Rules { max_fail: 2, ..RULES }, 1);
        let nothing = |policy: &mut Policy, second| {
            let sent = Duration::from_secs(second);
            assert!(policy.sends(sent));
            policy.probed(0, sent, sent, Found::Nothing)
        };
        assert_eq!(nothing(&mut policy, 0), Step::Continue);
        assert_eq!(second(&mut policy, 1, false), Step::Continue);
        assert_eq!(nothing(&mut policy, 2), Step::Continue);
        let mut other = policy.clone();
        assert_eq!(nothing(&mut policy, 3), Step::End(Verdict::CannotTell));
        assert_eq!(second(&mut other, 3, false), Step::End(Verdict::Unhealthy));
    }
}
