//! When to stop polling, and with which answer: pure, so that it can be checked against a slow twin of itself.

use std::time::Duration;

use crate::fail_rate::{FailRate, Window};

/// When to stop, and with which answer.
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
    /// It is healthy, and stayed so for as long as it was watched.
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
#[derive(Debug, Clone)]
pub struct Policy {
    rules: Rules,
    /// The end of the watch, once it is healthy.
    watch_until: Option<Duration>,
    successes_in_a_row: u32,
    /// Those that count.
    failures_in_a_row: u32,
    last: Window,
}

impl Policy {
    /// Nothing is known yet.
    pub fn new(rules: Rules) -> Self {
        Self {
            rules,
            watch_until: None,
            successes_in_a_row: 0,
            failures_in_a_row: 0,
            last: Window::default(),
        }
    }

    /// A probe was sent at `sent`, and its result was there at `now`.
    pub fn probed(&mut self, sent: Duration, now: Duration, ok: bool) -> Step {
        if self.deadline().is_some_and(|deadline| now >= deadline) {
            return Step::End(Verdict::DeadlinePassed);
        }
        if ok {
            self.failures_in_a_row = 0;
            self.successes_in_a_row = self.successes_in_a_row.saturating_add(1);
        } else {
            self.successes_in_a_row = 0;
            if sent >= self.rules.grace {
                self.failures_in_a_row = self.failures_in_a_row.saturating_add(1);
            }
        }
        if self.failures_in_a_row >= self.rules.max_fail {
            return Step::End(Verdict::Unhealthy);
        }
        if let Some(rate) = self.rules.fail_rate
            && sent >= self.rules.grace
            && self.last.is_exceeded_by(rate, ok)
        {
            return Step::End(Verdict::FailsTooOften);
        }
        if self.watch_until.is_some() || self.successes_in_a_row < self.rules.min_success {
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

    /// It is `now`, and no probe is on its way.
    pub fn passed(&self, now: Duration) -> Step {
        if self.due().is_none_or(|due| now < due) {
            return Step::Continue;
        }
        Step::End(if self.watch_until.is_some() { Verdict::Healthy } else { Verdict::DeadlinePassed })
    }

    /// When [`Policy::passed`] gives an answer without another probe.
    ///
    /// A watch does not end on a failure: that would be an answer of "healthy" that the last probe denies. It goes on
    /// until a probe succeeds, or until there were enough failures.
    pub fn due(&self) -> Option<Duration> {
        match self.watch_until {
            Some(until) => (self.failures_in_a_row == 0).then_some(until),
            None => self.rules.deadline,
        }
    }

    /// When a probe that is on its way is too late to matter.
    pub fn deadline(&self) -> Option<Duration> {
        if self.watch_until.is_some() { None } else { self.rules.deadline }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, Clone, Copy)]
    enum Input {
        Probe { sent: Duration, now: Duration, ok: bool },
        Tick { now: Duration },
    }

    impl Input {
        fn now(self) -> Duration {
            match self {
                Self::Probe { now, .. } | Self::Tick { now } => now,
            }
        }
    }

    /// The same answer, worked out from the whole history each time. The answers before the last input were all
    /// "go on".
    fn slow(rules: &Rules, history: &[Input]) -> Step {
        let probes: Vec<(Duration, Duration, bool)> = history
            .iter()
            .filter_map(|input| match *input {
                Input::Probe { sent, now, ok } => Some((sent, now, ok)),
                Input::Tick { .. } => None,
            })
            .collect();
        let need = rules.min_success as usize;
        let healthy_after = (need..=probes.len()).find(|end| probes[end - need..*end].iter().all(|p| p.2));
        let healthy_at = healthy_after.map(|end| probes[end - 1].1);
        let failing = probes.iter().rev().take_while(|p| !p.2).filter(|p| p.0 >= rules.grace).count();
        let last = history[history.len() - 1];
        let last_is_probe = matches!(last, Input::Probe { .. });

        let by_deadline = healthy_at.is_some_and(|at| rules.deadline.is_none_or(|deadline| at < deadline));
        if !by_deadline && rules.deadline.is_some_and(|deadline| last.now() >= deadline) {
            return Step::End(Verdict::DeadlinePassed);
        }
        if failing >= rules.max_fail as usize {
            return Step::End(Verdict::Unhealthy);
        }
        let counted = probes.iter().rev().filter(|p| p.0 >= rules.grace);
        let exceeded = |rate: FailRate| counted.take(rate.probes).filter(|p| !p.2).count() >= rate.failures;
        if rules.fail_rate.is_some_and(exceeded) {
            return Step::End(Verdict::FailsTooOften);
        }
        match (healthy_at, rules.watch) {
            (Some(_), None) => Step::End(Verdict::Healthy),
            (Some(_), Some(_)) if last_is_probe && healthy_after == Some(probes.len()) => Step::WatchBegins,
            (Some(at), Some(watch)) if last.now() >= at + watch && failing == 0 => {
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

    /// Pauses and probe times, as one clock makes them: no probe is sent before the one before it has ended.
    fn history() -> impl Strategy<Value = Vec<Input>> {
        let step = (ms(0..4), proptest::option::of((ms(0..4), any::<bool>())));
        proptest::collection::vec(step, 1..60).prop_map(|steps| {
            let mut clock = Duration::ZERO;
            let input = |(pause, probe): (Duration, Option<(Duration, bool)>)| {
                let sent = clock + pause;
                clock = sent + probe.map_or(Duration::ZERO, |(took, _)| took);
                match probe {
                    Some((_, ok)) => Input::Probe { sent, now: clock, ok },
                    None => Input::Tick { now: clock },
                }
            };
            steps.into_iter().map(input).collect()
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn it_answers_as_its_slow_twin_does(rules in rules(), history in history()) {
            let mut policy = Policy::new(rules.clone());
            for (index, input) in history.iter().enumerate() {
                let step = match *input {
                    Input::Probe { sent, now, ok } => policy.probed(sent, now, ok),
                    Input::Tick { now } => policy.passed(now),
                };
                prop_assert_eq!(step, slow(&rules, &history[..=index]), "after input {}", index);
                if matches!(step, Step::End(_)) {
                    break;
                }
            }
        }
    }

    fn second(policy: &mut Policy, second: u64, ok: bool) -> Step {
        let sent = Duration::from_secs(second);
        policy.probed(sent, sent + Duration::from_millis(5), ok)
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
        let mut policy = Policy::new(RULES);
        for (at, ok) in [false, false, false, false, true, false, false, false, false].into_iter().enumerate()
        {
            assert_eq!(second(&mut policy, at as u64, ok), Step::Continue);
        }
        assert_eq!(second(&mut policy, 9, false), Step::End(Verdict::Unhealthy));
    }

    #[test]
    fn failures_in_the_grace_time_do_not_count_and_still_break_a_row_of_successes() {
        let mut policy = Policy::new(Rules { grace: Duration::from_secs(10), ..RULES });
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
        let mut policy = Policy::new(Rules { min_success: 1, watch, ..RULES });
        assert_eq!(second(&mut policy, 0, true), Step::WatchBegins);
        assert_eq!(second(&mut policy, 3, false), Step::Continue);
        assert_eq!(policy.passed(Duration::from_mins(1)), Step::Continue);
        assert_eq!(second(&mut policy, 4, true), Step::End(Verdict::Healthy));
    }
}
