//! The poll loop: probes each target at every turn of its interval, until the policy has a verdict or polling is stopped.

use std::ops::ControlFlow;
use std::pin::pin;
use std::time::Duration;

use common::clock::{Clock, Stopwatch};
use common::random;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at, sleep};

use crate::expectations::Expectations;
use crate::policy::{Policy, Step, Verdict};
use crate::probe::{FinishedProbe, ProbeOutcome, ProbeResponse, Prober};
use crate::run_outcome::RunOutcome;

/// The time between the first probes of two targets, or less if the interval is short. A thousand simultaneous probes would
/// delay each other, and the delay would look like latency of the targets.
const STAGGER: Duration = Duration::from_millis(1);

/// When targets are probed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Schedule {
    /// The time from one turn to the next, until the watch starts; longer than zero.
    pub(crate) interval: Duration,
    /// The same in the watch.
    pub(crate) watch_interval: Duration,
    /// The maximum random delay of a probe.
    pub(crate) jitter: Duration,
}

/// Probes each target on `schedule`, checks the responses against what is `expected` of each, and calls `on_probe` with each outcome and
/// the index of its target. Targets of the control group come last; the policy does not know them. Returns the verdict of the policy, the value with which `on_probe` breaks, or the value of `stopped` as soon as that completes.
pub(crate) async fn poll(
    probers: Vec<Prober<'_>>,
    expected: &[Expectations],
    policy: &mut Policy,
    schedule: Schedule,
    clock: &dyn Clock,
    stopped: impl Future<Output = RunOutcome>,
    mut on_probe: impl FnMut(usize, &ProbeOutcome, Step) -> ControlFlow<RunOutcome>,
) -> RunOutcome {
    let started = Stopwatch::start(clock);
    let until = async |moment: Option<Duration>| match moment {
        Some(moment) => sleep(moment.saturating_sub(started.elapsed(clock))).await,
        None => std::future::pending().await,
    };
    let mut stopped = pin!(stopped);
    let nothing = Expectations::default();
    let mut running: FuturesUnordered<_> =
        pollers(probers, schedule).into_iter().map(|poller| advance(poller, None)).collect();
    loop {
        let (mut poller, probed) = tokio::select! {
            biased;
            outcome = &mut stopped => return outcome,
            Some(next) = running.next() => next,
            // A probe that is cut off here proves nothing about the service, and is not counted.
            () = until(policy.deadline()) => return RunOutcome::Verdict(Verdict::DeadlineExpired),
            () = until(policy.due()) => match policy.check_time(started.elapsed(clock)) {
                Step::Finish(verdict) => return RunOutcome::Verdict(verdict),
                Step::Continue | Step::WatchStarts => continue,
            },
        };
        let now = started.elapsed(clock);
        let Some((sent, probe)) = probed else {
            // With many targets there may be no pause in which the timer of the deadline fires.
            if let Step::Finish(verdict) = policy.check_time(now) {
                return RunOutcome::Verdict(verdict);
            }
            let sends = if poller.is_control() { !policy.is_over(now) } else { policy.should_send(now) };
            running.push(advance(poller, sends.then_some(now)));
            continue;
        };
        let expected = expected.get(poller.target).unwrap_or(&nothing);
        let check = |response: &ProbeResponse, latency| expected.check(response, latency);
        let mut outcome = probe.outcome(check, |response| expected.detect_version(response));
        outcome.skipped = turns(poller.turns.period(), now.saturating_sub(sent));
        let step = if poller.is_control() {
            Step::Continue
        } else {
            policy.add_result(poller.target, sent, now, outcome.result())
        };
        if let ControlFlow::Break(stopped) = on_probe(poller.target, &outcome, step) {
            return stopped;
        }
        if let Step::Finish(verdict) = step {
            return RunOutcome::Verdict(verdict);
        }
        if policy.is_watching() {
            poller.set_interval(schedule.watch_interval);
        }
        running.push(advance(poller, None));
    }
}

/// A target with the timer of its turns.
struct Poller<'a> {
    target: usize,
    prober: Prober<'a>,
    turns: Interval,
    jitter: Duration,
}

impl Poller<'_> {
    fn is_control(&self) -> bool {
        self.prober.is_control()
    }

    /// Changes the time between its turns, from now on.
    fn set_interval(&mut self, interval: Duration) {
        if self.turns.period() != interval {
            self.turns = every(interval, Instant::now() + interval);
        }
    }
}

/// The turns from `first` on. Those that pass during a probe are skipped.
fn every(interval: Duration, first: Instant) -> Interval {
    let mut turns = interval_at(first, interval);
    turns.set_missed_tick_behavior(MissedTickBehavior::Skip);
    turns
}

fn pollers(probers: Vec<Prober<'_>>, schedule: Schedule) -> Vec<Poller<'_>> {
    let count = u32::try_from(probers.len().max(1)).unwrap_or(u32::MAX);
    let stagger = STAGGER.min(schedule.interval / count);
    let mut first = Instant::now();
    let poller = |(target, prober)| {
        let turns = every(schedule.interval, first);
        first += stagger;
        Poller { target, prober, turns, jitter: schedule.jitter }
    };
    probers.into_iter().enumerate().map(poller).collect()
}

/// One step of a target: if a probe is `sent`, the finished probe; otherwise the wait for its next turn.
async fn advance(
    mut poller: Poller<'_>,
    sent: Option<Duration>,
) -> (Poller<'_>, Option<(Duration, FinishedProbe)>) {
    let Some(sent) = sent else {
        poller.turns.tick().await;
        if !poller.jitter.is_zero() {
            sleep(random::up_to(poller.jitter)).await;
        }
        return (poller, None);
    };
    let probe = poller.prober.probe().await;
    (poller, Some((sent, probe)))
}

/// The number of turns in a time.
fn turns(interval: Duration, time: Duration) -> u64 {
    let turns = time.as_nanos().checked_div(interval.as_nanos()).unwrap_or(0);
    u64::try_from(turns).unwrap_or(u64::MAX)
}
