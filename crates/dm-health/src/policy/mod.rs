//! The policy: when to stop polling, and with which verdict. Pure, and tested against a slow reference model.

mod fail_rate;
#[cfg(test)]
mod reference_model;
mod watch;

use std::time::Duration;

pub(crate) use fail_rate::FailRate;
use fail_rate::Window;
pub(crate) use watch::Extension;
use watch::Watch;

/// When to stop, and with which verdict. With several targets, the rules apply to each of them.
#[derive(Debug, Clone)]
pub(crate) struct PollRules {
    /// The number of consecutive failures that proves a target unhealthy; at least 1.
    pub(crate) max_fail: u32,
    /// Whether `max_fail` counts the failures of a target only from its first success on: before that the deadline decides.
    pub(crate) waits_for_success: bool,
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
    /// For a watch that continues through failures, because the reader of the records judges: how it is extended. `None`
    /// if `max_fail` ends the watch too.
    pub(crate) through_failures: Option<Extension>,
}

/// The verdict about the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// All targets were healthy at the same time, and stayed healthy during the watch.
    Healthy,
    /// Too many consecutive failures.
    Unhealthy,
    /// The same at the end of a watch that continued through failures.
    UnhealthyAtEnd,
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
    /// The watch, after it has started.
    watch: Option<Watch>,
    targets: Vec<TargetState>,
    /// The number of probes in flight.
    in_flight: usize,
}

/// The recent results of one target.
#[derive(Debug, Clone, Default)]
struct TargetState {
    successes_in_a_row: u32,
    has_succeeded: bool,
    /// Only failures that count.
    failures_in_a_row: u32,
    /// Probes that could not be sent. They do not interrupt a series of failures.
    not_probed_in_a_row: u32,
    window: Window,
}

impl Policy {
    /// A policy for this number of targets, before the first probe.
    pub(crate) fn new(rules: PollRules, targets: usize) -> Self {
        Self { rules, watch: None, targets: vec![TargetState::default(); targets], in_flight: 0 }
    }

    /// Whether to send a probe at `now`, when it is the turn of a target. After the end of the watch no more probes are
    /// sent; the policy only waits for those in flight.
    pub(crate) fn should_send(&mut self, now: Duration) -> bool {
        let over = self.is_over(now);
        self.in_flight += usize::from(!over);
        !over
    }

    /// Whether the watch is over at `now`.
    pub(crate) fn is_over(&self, now: Duration) -> bool {
        self.end_of_watch().is_some_and(|end| now >= end)
    }

    /// Whether the watch has started.
    pub(crate) fn is_watching(&self) -> bool {
        self.watch.is_some()
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
        let watches = self.watch.is_some();
        let counts = watches || sent >= self.rules.grace;
        let through = watches && self.rules.through_failures.is_some();
        self.note_failing(now);
        let proven =
            self.targets.get_mut(target).and_then(|state| state.add(&self.rules, counts, through, result));
        if let Some(verdict) = proven {
            return Step::Finish(verdict);
        }
        self.note_failing(now);
        if watches || self.not_yet_healthy().next().is_some() {
            return self.check_time(now);
        }
        match self.rules.watch {
            Some(watch) => {
                self.watch = Some(Watch::start(now, watch));
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
        Step::Finish(if self.is_watching() { self.verdict_at_end() } else { Verdict::DeadlineExpired })
    }

    /// The verdict if the watch ends now.
    pub(crate) fn verdict_at_end(&self) -> Verdict {
        if self.unhealthy().next().is_some() {
            Verdict::UnhealthyAtEnd
        } else if self.not_probed().next().is_some() {
            Verdict::Inconclusive
        } else {
            Verdict::Healthy
        }
    }

    /// When [`Policy::check_time`] gives a verdict without another probe.
    ///
    /// A watch does not end while a probe is in flight, or after a failure: the verdict "healthy" would contradict the last
    /// probe. It continues until the probes succeed or the failures are too many; if it continues through failures, until
    /// the end of its extension.
    pub(crate) fn due(&self) -> Option<Duration> {
        match &self.watch {
            Some(_) => self.end_of_watch().filter(|_| self.in_flight == 0),
            None => self.rules.deadline,
        }
    }

    /// The time after which a probe in flight no longer matters.
    pub(crate) fn deadline(&self) -> Option<Duration> {
        if self.watch.is_some() { None } else { self.rules.deadline }
    }

    /// The indexes of the targets that are not healthy yet.
    pub(crate) fn not_yet_healthy(&self) -> impl Iterator<Item = usize> {
        self.indexes(|state| state.successes_in_a_row < self.rules.min_success)
    }

    /// The indexes of the targets that failed too often in a row.
    pub(crate) fn unhealthy(&self) -> impl Iterator<Item = usize> {
        self.indexes(|state| state.failures_in_a_row >= self.rules.max_fail)
    }

    /// The indexes of the targets that this machine could not probe too often in a row.
    pub(crate) fn not_probed(&self) -> impl Iterator<Item = usize> {
        self.indexes(|state| state.not_probed_in_a_row >= self.rules.max_fail)
    }

    fn indexes(&self, of: impl Fn(&TargetState) -> bool) -> impl Iterator<Item = usize> {
        self.targets.iter().enumerate().filter_map(move |(index, state)| of(state).then_some(index))
    }

    fn end_of_watch(&self) -> Option<Duration> {
        self.watch.as_ref()?.end(self.rules.through_failures, self.is_failing())
    }

    fn note_failing(&mut self, now: Duration) {
        let is_failing = self.is_failing();
        if let Some(watch) = self.watch.as_mut().filter(|_| is_failing) {
            watch.note_failing(now);
        }
    }

    fn is_failing(&self) -> bool {
        self.targets.iter().any(|state| state.failures_in_a_row > 0 || state.not_probed_in_a_row > 0)
    }
}

impl TargetState {
    /// Adds a result. `counts` says whether a failure counts, and `through` whether polling continues through failures in
    /// a row. Returns a verdict if the result proves one.
    fn add(
        &mut self,
        rules: &PollRules,
        counts: bool,
        through: bool,
        result: ProbeResult,
    ) -> Option<Verdict> {
        let increment = |row: u32| row.saturating_add(u32::from(counts));
        match result {
            ProbeResult::Healthy => {
                self.successes_in_a_row = self.successes_in_a_row.saturating_add(1);
                self.has_succeeded = true;
                (self.failures_in_a_row, self.not_probed_in_a_row) = (0, 0);
            }
            ProbeResult::Unhealthy => {
                self.successes_in_a_row = 0;
                self.not_probed_in_a_row = 0;
                if self.has_succeeded || !rules.waits_for_success {
                    self.failures_in_a_row = increment(self.failures_in_a_row);
                }
            }
            ProbeResult::NotProbed => {
                self.successes_in_a_row = 0;
                self.not_probed_in_a_row = increment(self.not_probed_in_a_row);
                let too_many = !through && self.not_probed_in_a_row >= rules.max_fail;
                return too_many.then_some(Verdict::Inconclusive);
            }
        }
        if !through && self.failures_in_a_row >= rules.max_fail {
            return Some(Verdict::Unhealthy);
        }
        let rate = rules.fail_rate.filter(|_| counts)?;
        self.window.add_and_check(rate, result == ProbeResult::Healthy).then_some(Verdict::FailureRateReached)
    }
}

#[cfg(test)]
mod tests;
