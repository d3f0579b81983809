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
    /// Failures of probes sent in this first time do not count; the rate leaves out all probes sent in it.
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
    pub fn probed(&mut self, target: usize, sent: Duration, now: Duration, ok: bool) -> Step {
        self.on_their_way = self.on_their_way.saturating_sub(1);
        if self.deadline().is_some_and(|deadline| now >= deadline) {
            return Step::End(Verdict::DeadlinePassed);
        }
        if let Some(verdict) =
            self.targets.get_mut(target).and_then(|seen| seen.probed(&self.rules, sent, ok))
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
        self.targets.iter().any(|seen| seen.failures_in_a_row > 0)
    }
}

impl Seen {
    /// Takes in a probe, and says whether it proves the target unhealthy.
    fn probed(&mut self, rules: &Rules, sent: Duration, ok: bool) -> Option<Verdict> {
        let counts = sent >= rules.grace;
        if ok {
            self.failures_in_a_row = 0;
            self.successes_in_a_row = self.successes_in_a_row.saturating_add(1);
        } else {
            self.successes_in_a_row = 0;
            self.failures_in_a_row = self.failures_in_a_row.saturating_add(u32::from(counts));
        }
        if self.failures_in_a_row >= rules.max_fail {
            return Some(Verdict::Unhealthy);
        }
        let rate = rules.fail_rate.filter(|_| counts)?;
        self.last.is_exceeded_by(rate, ok).then_some(Verdict::FailsTooOften)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, Clone, Copy, PartialEq)]
    enum What {
        Sent,
        Done(bool),
        Nothing,
    }

    #[derive(Debug, Clone, Copy)]
    struct Input {
        now: Duration,
        target: usize,
        what: What,
    }

    /// The probes of one target that have come back: when they were sent, when they came, and whether they were good.
    fn probes(history: &[Input], target: usize) -> Vec<(Duration, Duration, bool)> {
        let mut sent = Duration::ZERO;
        let mut probes = Vec::new();
        for input in history.iter().filter(|input| input.target == target) {
            match input.what {
                What::Sent => sent = input.now,
                What::Done(ok) => probes.push((sent, input.now, ok)),
                What::Nothing => {}
            }
        }
        probes
    }

    fn all_healthy(rules: &Rules, history: &[Input], targets: usize) -> bool {
        let need = rules.min_success as usize;
        (0..targets).all(|target| {
            let probes = probes(history, target);
            probes.len() >= need && probes[probes.len() - need..].iter().all(|probe| probe.2)
        })
    }

    /// The same answer, worked out from the whole history each time. The answers before the last input were all
    /// "go on".
    fn slow(rules: &Rules, history: &[Input], targets: usize) -> Step {
        let last = history[history.len() - 1];
        let healthy = (1..=history.len()).find(|end| all_healthy(rules, &history[..*end], targets));
        let healthy_at = healthy.map(|end| history[end - 1].now);

        let by_deadline = healthy_at.is_some_and(|at| rules.deadline.is_none_or(|deadline| at < deadline));
        let decides = last.what != What::Sent;
        if decides && !by_deadline && rules.deadline.is_some_and(|deadline| last.now >= deadline) {
            return Step::End(Verdict::DeadlinePassed);
        }
        let mut pending = false;
        for target in 0..targets {
            let probes = probes(history, target);
            let failing = probes.iter().rev().take_while(|p| !p.2).filter(|p| p.0 >= rules.grace).count();
            if failing >= rules.max_fail as usize {
                return Step::End(Verdict::Unhealthy);
            }
            let counted = probes.iter().rev().filter(|p| p.0 >= rules.grace);
            let exceeded =
                |rate: FailRate| counted.take(rate.probes).filter(|p| !p.2).count() >= rate.failures;
            if rules.fail_rate.is_some_and(exceeded) {
                return Step::End(Verdict::FailsTooOften);
            }
            pending |= failing > 0;
        }
        let count = |wanted: fn(What) -> bool| history.iter().filter(|input| wanted(input.what)).count();
        pending |= count(|what| what == What::Sent) > count(|what| matches!(what, What::Done(_)));
        match (healthy_at, rules.watch) {
            (Some(_), None) => Step::End(Verdict::Healthy),
            (Some(_), Some(_)) if healthy == Some(history.len()) => Step::WatchBegins,
            (Some(at), Some(watch)) if decides && last.now >= at + watch && !pending => {
                Step::End(Verdict::Healthy)
            }
            _ => Step::Continue,
        }
    }

    fn ms(range: std::ops::Range<u64>) -> impl Strategy<Value = Duration> {
        range.prop_map(Duration::from_millis)
    }

    fn rules() -> impl Strategy<Value = Rules> {
        let limit = || proptest::option::of(ms(1..60));
        let rate = (1..5_usize, 0..6_usize)
            .prop_map(|(failures, more)| FailRate { failures, probes: failures + more });
        (1..5_u32, proptest::option::of(rate), 1..4_u32, ms(0..30), limit(), limit()).prop_map(
            |(max_fail, fail_rate, min_success, grace, deadline, watch)| Rules {
                max_fail,
                fail_rate,
                min_success,
                grace,
                deadline,
                watch,
            },
        )
    }

    /// Steps of one clock: how long after the last, which target, and whether its probe is good where it has one on
    /// its way. Without a target nothing happens but time.
    fn steps() -> impl Strategy<Value = Vec<(Duration, Option<usize>, bool)>> {
        let step = (ms(0..4), proptest::option::weighted(0.8, 0..3_usize), any::<bool>());
        proptest::collection::vec(step, 1..100)
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn it_answers_as_its_slow_twin_does(rules in rules(), targets in 1..=3_usize, steps in steps()) {
            let mut policy = Policy::new(rules.clone(), targets);
            let mut sent = [None; 3];
            let mut history = Vec::new();
            let mut now = Duration::ZERO;
            for (pause, target, ok) in steps {
                now += pause;
                let target = target.map(|target| target % targets);
                let on_its_way = target.and_then(|target| sent[target].take());
                let (what, step) = match (target, on_its_way) {
                    (Some(target), Some(sent)) => (What::Done(ok), policy.probed(target, sent, now, ok)),
                    (Some(target), None) if policy.sends(now) => {
                        sent[target] = Some(now);
                        (What::Sent, Step::Continue)
                    }
                    _ => (What::Nothing, policy.passed(now)),
                };
                history.push(Input { now, target: target.unwrap_or(0), what });
                prop_assert_eq!(step, slow(&rules, &history, targets), "after {:?}", history);
                if matches!(step, Step::End(_)) {
                    break;
                }
            }
        }
    }

    fn second(policy: &mut Policy, second: u64, ok: bool) -> Step {
        of(policy, 0, second, ok)
    }

    fn of(policy: &mut Policy, target: usize, second: u64, ok: bool) -> Step {
        let sent = Duration::from_secs(second);
        assert!(policy.sends(sent));
        policy.probed(target, sent, sent + Duration::from_millis(5), ok)
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
        assert_eq!(policy.probed(1, Duration::from_secs(2), late, true), Step::End(Verdict::Healthy));
    }
}
