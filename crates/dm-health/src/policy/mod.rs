//! The policy: when to stop polling, and with which verdict. Pure, and tested against a slow reference model.

mod fail_rate;
#[cfg(test)]
mod reference_model;

use std::time::Duration;

pub(crate) use fail_rate::FailRate;
use fail_rate::Window;

/// When to stop, and with which verdict. With several targets, the rules apply to each of them.
#[derive(Debug, Clone)]
pub(crate) struct PollRules {
    /// The number of consecutive failures that proves a target unhealthy; at least 1.
    pub(crate) max_fail: u32,
    /// The failure rate that also proves a target unhealthy.
    pub(crate) fail_rate: Option<FailRate>,
    /// The number of consecutive successes that proves a target healthy; at least 1.
    pub(crate) min_success: u32,
    /// Failures of probes that were sent in this time after the start do not count, not even for the failure rate, because
    /// a service may fail while it starts. The grace time ends early when all targets are healthy.
    pub(crate) grace: Duration,
    /// The time in which the service must become healthy.
    pub(crate) deadline: Option<Duration>,
    /// How long to keep watching after it is healthy.
    pub(crate) watch: Option<Duration>,
}

/// The verdict about the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// All targets were healthy at the same time, and stayed healthy during the watch.
    Healthy,
    /// Too many consecutive failures.
    Unhealthy,
    /// Too many failures among the last probes.
    FailureRateReached,
    /// Not healthy before the deadline.
    DeadlineExpired,
    /// There were too many consecutive probes that this machine could not send.
    Inconclusive,
}

/// What a probe says about the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ProbeResult {
    /// It meets the expectations.
    Healthy,
    /// It does not.
    Unhealthy,
    /// Nothing, because this machine could not send the probe.
    NotProbed,
}

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Continue polling.
    Continue,
    /// The service is healthy. Continue: the watch starts.
    WatchStarts,
    /// Stop with this verdict.
    Finish(Verdict),
}

/// The state between two probes. All times are relative to the start, by a monotonic clock.
///
/// Several targets are healthy if all of them are healthy at the same time, and unhealthy if one of them is.
#[derive(Debug, Clone)]
pub(crate) struct Policy {
    rules: PollRules,
    /// The end of the watch, after it has started.
    watch_until: Option<Duration>,
    targets: Vec<TargetState>,
    /// The number of probes in flight.
    in_flight: usize,
}

/// The recent results of one target.
#[derive(Debug, Clone, Default)]
struct TargetState {
    successes_in_a_row: u32,
    /// Only failures that count.
    failures_in_a_row: u32,
    /// Probes that could not be sent. They do not interrupt a series of failures.
    not_probed_in_a_row: u32,
    window: Window,
}

impl Policy {
    /// A policy for this number of targets, before the first probe.
    pub(crate) fn new(rules: PollRules, targets: usize) -> Self {
        Self { rules, watch_until: None, targets: vec![TargetState::default(); targets], in_flight: 0 }
    }

    /// Whether to send a probe at `now`, when it is the turn of a target. After the end of the watch no more probes are
    /// sent; the policy only waits for those in flight.
    pub(crate) fn should_send(&mut self, now: Duration) -> bool {
        let over = self.watch_until.is_some_and(|until| now >= until) && !self.is_failing();
        self.in_flight += usize::from(!over);
        !over
    }

    /// Adds the result of a probe of the target with this index, sent at `sent` and finished at `now`.
    pub(crate) fn add_result(
        &mut self,
        target: usize,
        sent: Duration,
        now: Duration,
        result: ProbeResult,
    ) -> Step {
        self.in_flight = self.in_flight.saturating_sub(1);
        if self.deadline().is_some_and(|deadline| now >= deadline) {
            return Step::Finish(Verdict::DeadlineExpired);
        }
        let counts = self.watch_until.is_some() || sent >= self.rules.grace;
        if let Some(verdict) =
            self.targets.get_mut(target).and_then(|state| state.add(&self.rules, counts, result))
        {
            return Step::Finish(verdict);
        }
        if self.watch_until.is_some() || self.not_yet_healthy().next().is_some() {
            return self.check_time(now);
        }
        match self.rules.watch {
            Some(watch) => {
                self.watch_until = Some(now.saturating_add(watch));
                Step::WatchStarts
            }
            None => Step::Finish(Verdict::Healthy),
        }
    }

    /// Checks whether the time alone gives a verdict at `now`.
    pub(crate) fn check_time(&self, now: Duration) -> Step {
        if self.due().is_none_or(|due| now < due) {
            return Step::Continue;
        }
        Step::Finish(if self.watch_until.is_some() { Verdict::Healthy } else { Verdict::DeadlineExpired })
    }

    /// When [`Policy::check_time`] gives a verdict without another probe.
    ///
    /// A watch does not end after a failure or while a probe is in flight: the verdict "healthy" would contradict the last
    /// probe. It continues until the probes succeed or the failures are too many.
    pub(crate) fn due(&self) -> Option<Duration> {
        match self.watch_until {
            Some(until) => (self.in_flight == 0 && !self.is_failing()).then_some(until),
            None => self.rules.deadline,
        }
    }

    /// The time after which a probe in flight no longer matters.
    pub(crate) fn deadline(&self) -> Option<Duration> {
        if self.watch_until.is_some() { None } else { self.rules.deadline }
    }

    /// The indexes of the targets that are not healthy yet.
    pub(crate) fn not_yet_healthy(&self) -> impl Iterator<Item = usize> {
        let required = self.rules.min_success;
        let is_missing = move |(index, state): (usize, &TargetState)| {
            (state.successes_in_a_row < required).then_some(index)
        };
        self.targets.iter().enumerate().filter_map(is_missing)
    }

    fn is_failing(&self) -> bool {
        self.targets.iter().any(|state| state.failures_in_a_row > 0 || state.not_probed_in_a_row > 0)
    }
}

impl TargetState {
    /// Adds a result. `counts` says whether a failure counts. Returns a verdict if the result proves one.
    fn add(&mut self, rules: &PollRules, counts: bool, result: ProbeResult) -> Option<Verdict> {
        let increment = |row: u32| row.saturating_add(u32::from(counts));
        match result {
            ProbeResult::Healthy => {
                self.successes_in_a_row = self.successes_in_a_row.saturating_add(1);
                (self.failures_in_a_row, self.not_probed_in_a_row) = (0, 0);
            }
            ProbeResult::Unhealthy => {
                self.successes_in_a_row = 0;
                (self.failures_in_a_row, self.not_probed_in_a_row) = (increment(self.failures_in_a_row), 0);
            }
            ProbeResult::NotProbed => {
                self.successes_in_a_row = 0;
                self.not_probed_in_a_row = increment(self.not_probed_in_a_row);
                return (self.not_probed_in_a_row >= rules.max_fail).then_some(Verdict::Inconclusive);
            }
        }
        if self.failures_in_a_row >= rules.max_fail {
            return Some(Verdict::Unhealthy);
        }
        let rate = rules.fail_rate.filter(|_| counts)?;
        self.window.add_and_check(rate, result == ProbeResult::Healthy).then_some(Verdict::FailureRateReached)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(policy: &mut Policy, second: u64, ok: bool) -> Step {
        probe_target(policy, 0, second, ok)
    }

    fn probe_target(policy: &mut Policy, target: usize, second: u64, ok: bool) -> Step {
        let sent = Duration::from_secs(second);
        assert!(policy.should_send(sent));
        let result = if ok { ProbeResult::Healthy } else { ProbeResult::Unhealthy };
        policy.add_result(target, sent, sent + Duration::from_millis(5), result)
    }

    const RULES: PollRules = PollRules {
        max_fail: 5,
        fail_rate: None,
        min_success: 3,
        grace: Duration::ZERO,
        deadline: None,
        watch: None,
    };

    #[test]
    fn a_success_resets_the_count_of_failures() {
        let mut policy = Policy::new(RULES, 1);
        for (at, ok) in [false, false, false, false, true, false, false, false, false].into_iter().enumerate()
        {
            assert_eq!(second(&mut policy, at as u64, ok), Step::Continue);
        }
        assert_eq!(second(&mut policy, 9, false), Step::Finish(Verdict::Unhealthy));
    }

    #[test]
    fn failures_in_the_grace_time_only_reset_the_successes() {
        let mut policy = Policy::new(PollRules { grace: Duration::from_secs(10), ..RULES }, 1);
        for at in 0..8 {
            assert_eq!(second(&mut policy, at, at % 3 == 0), Step::Continue);
        }
        for at in 10..14 {
            assert_eq!(second(&mut policy, at, false), Step::Continue);
        }
        assert_eq!(second(&mut policy, 14, false), Step::Finish(Verdict::Unhealthy));
    }

    #[test]
    fn the_grace_time_ends_when_all_targets_are_healthy() {
        let (grace, watch) = (Duration::from_mins(1), Some(Duration::from_secs(5)));
        let mut policy = Policy::new(PollRules { max_fail: 2, min_success: 1, grace, watch, ..RULES }, 2);
        assert_eq!(probe_target(&mut policy, 0, 0, true), Step::Continue);
        for at in 1..4 {
            assert_eq!(probe_target(&mut policy, 0, at, false), Step::Continue);
        }
        // Sent in the grace time, finished after it.
        assert!(policy.should_send(Duration::from_secs(4)));
        assert_eq!(probe_target(&mut policy, 0, 5, true), Step::Continue);
        assert_eq!(probe_target(&mut policy, 1, 5, true), Step::WatchStarts);
        let (sent, now) = (Duration::from_secs(4), Duration::from_secs(6));
        assert_eq!(policy.add_result(1, sent, now, ProbeResult::Unhealthy), Step::Continue);
        assert_eq!(policy.check_time(Duration::from_secs(20)), Step::Continue);
        assert_eq!(probe_target(&mut policy, 1, 20, false), Step::Finish(Verdict::Unhealthy));
    }

    #[test]
    fn a_watch_does_not_end_on_a_failure() {
        let watch = Some(Duration::from_secs(3));
        let mut policy = Policy::new(PollRules { min_success: 1, watch, ..RULES }, 1);
        assert_eq!(second(&mut policy, 0, true), Step::WatchStarts);
        assert_eq!(second(&mut policy, 3, false), Step::Continue);
        assert_eq!(policy.check_time(Duration::from_mins(1)), Step::Continue);
        assert_eq!(second(&mut policy, 4, true), Step::Finish(Verdict::Healthy));
    }

    #[test]
    fn several_targets_are_healthy_when_all_are_at_once() {
        let mut policy = Policy::new(PollRules { min_success: 1, ..RULES }, 2);
        assert_eq!(probe_target(&mut policy, 0, 0, true), Step::Continue);
        assert_eq!(probe_target(&mut policy, 0, 1, false), Step::Continue);
        assert_eq!(probe_target(&mut policy, 1, 1, true), Step::Continue);
        assert_eq!(policy.not_yet_healthy().collect::<Vec<_>>(), [0]);
        assert_eq!(probe_target(&mut policy, 0, 2, true), Step::Finish(Verdict::Healthy));
    }

    #[test]
    fn several_targets_are_unhealthy_when_one_is() {
        let mut policy = Policy::new(PollRules { max_fail: 2, ..RULES }, 2);
        assert_eq!(probe_target(&mut policy, 0, 0, false), Step::Continue);
        assert_eq!(probe_target(&mut policy, 1, 0, false), Step::Continue);
        assert_eq!(probe_target(&mut policy, 0, 1, true), Step::Continue);
        assert_eq!(probe_target(&mut policy, 1, 1, false), Step::Finish(Verdict::Unhealthy));
    }

    #[test]
    fn the_end_of_a_watch_waits_for_probes_in_flight() {
        let watch = Some(Duration::from_secs(3));
        let mut policy = Policy::new(PollRules { min_success: 1, watch, ..RULES }, 2);
        assert_eq!(probe_target(&mut policy, 0, 0, true), Step::Continue);
        assert_eq!(probe_target(&mut policy, 1, 0, true), Step::WatchStarts);
        assert!(policy.should_send(Duration::from_secs(2)));
        let late = Duration::from_secs(4);
        assert!(!policy.should_send(late));
        assert_eq!(policy.check_time(late), Step::Continue);
        assert_eq!(
            policy.add_result(1, Duration::from_secs(2), late, ProbeResult::Healthy),
            Step::Finish(Verdict::Healthy)
        );
    }

    #[test]
    fn a_probe_that_could_not_be_sent_proves_nothing() {
        let mut policy = Policy::new(PollRules { max_fail: 2, ..RULES }, 1);
        let not_probed = |policy: &mut Policy, second| {
            let sent = Duration::from_secs(second);
            assert!(policy.should_send(sent));
            policy.add_result(0, sent, sent, ProbeResult::NotProbed)
        };
        assert_eq!(not_probed(&mut policy, 0), Step::Continue);
        assert_eq!(second(&mut policy, 1, false), Step::Continue);
        assert_eq!(not_probed(&mut policy, 2), Step::Continue);
        let mut other = policy.clone();
        assert_eq!(not_probed(&mut policy, 3), Step::Finish(Verdict::Inconclusive));
        assert_eq!(second(&mut other, 3, false), Step::Finish(Verdict::Unhealthy));
    }
}
