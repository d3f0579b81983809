//! The loop: a probe of each target at every turn of its interval, until the policy has an answer or somebody wants no
//! more.

use std::ops::ControlFlow;
use std::pin::pin;
use std::time::Duration;

use common::clock::{Clock, Stopwatch};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at, sleep};

use crate::ending::Ending;
use crate::policy::{Policy, Step, Verdict};
use crate::probe::{Outcome, Prober};

/// Targets start so far apart, or nearer where their interval is too short for that: a thousand at once would wait for
/// each other, and that would pass for a latency of theirs.
const APART: Duration = Duration::from_millis(1);

/// When a target's turns are.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// From one to the next; longer than zero.
    pub every: Duration,
    /// So much later, at most, a probe is sent, by chance.
    pub jitter: Duration,
}

/// Probes each target at its `pace`, shows each outcome with the index of its target to `see`, and
/// ends with the policy's answer, with what `see` breaks off with, or as soon as `ended` does.
pub async fn watch(
    probers: Vec<Prober<'_>>,
    policy: &mut Policy,
    pace: Pace,
    clock: &dyn Clock,
    ended: impl Future<Output = Ending>,
    mut see: impl FnMut(usize, &Outcome, Step) -> ControlFlow<Ending>,
) -> Ending {
    let started = Stopwatch::start(clock);
    let until = async |moment: Option<Duration>| match moment {
        Some(moment) => sleep(moment.saturating_sub(started.elapsed(clock))).await,
        None => std::future::pending().await,
    };
    let mut ended = pin!(ended);
    let mut beside: FuturesUnordered<_> =
        pollers(probers, pace).into_iter().map(|poller| advance(poller, None)).collect();
    loop {
        let (poller, probed) = tokio::select! {
            biased;
            ending = &mut ended => return ending,
            Some(next) = beside.next() => next,
            // What is cut off here proves nothing about the service, and is not counted.
            () = until(policy.deadline()) => return Ending::Verdict(Verdict::DeadlinePassed),
            () = until(policy.due()) => match policy.passed(started.elapsed(clock)) {
                Step::End(verdict) => return Ending::Verdict(verdict),
                Step::Continue | Step::WatchBegins => continue,
            },
        };
        let now = started.elapsed(clock);
        let Some((sent, mut outcome)) = probed else {
            // Many turns leave no pause in which the timer of the end would come up.
            if let Step::End(verdict) = policy.passed(now) {
                return Ending::Verdict(verdict);
            }
            let sends = policy.sends(now).then_some(now);
            beside.push(advance(poller, sends));
            continue;
        };
        outcome.skipped = turns(pace.every, now.saturating_sub(sent));
        let step = policy.probed(poller.target, sent, now, outcome.found());
        if let ControlFlow::Break(ending) = see(poller.target, &outcome, step) {
            return ending;
        }
        if let Step::End(verdict) = step {
            return Ending::Verdict(verdict);
        }
        beside.push(advance(poller, None));
    }
}

/// A target with its turns.
struct Poller<'a> {
    target: usize,
    prober: Prober<'a>,
    turns: Interval,
    jitter: Duration,
}

fn pollers(probers: Vec<Prober<'_>>, pace: Pace) -> Vec<Poller<'_>> {
    let count = u32::try_from(probers.len().max(1)).unwrap_or(u32::MAX);
    let apart = APART.min(pace.every / count);
    let mut first = Instant::now();
    let poller = |(target, prober)| {
        let mut turns = interval_at(first, pace.every);
        turns.set_missed_tick_behavior(MissedTickBehavior::Skip);
        first += apart;
        Poller { target, prober, turns, jitter: pace.jitter }
    };
    probers.into_iter().enumerate().map(poller).collect()
}

/// One step of a target: where it was `sent` a probe, the outcome of that, else the coming of its turn.
async fn advance(
    mut poller: Poller<'_>,
    sent: Option<Duration>,
) -> (Poller<'_>, Option<(Duration, Outcome)>) {
    let Some(sent) = sent else {
        poller.turns.tick().await;
        if !poller.jitter.is_zero() {
            sleep(by_chance(poller.jitter)).await;
        }
        return (poller, None);
    };
    let outcome = poller.prober.probe().await;
    (poller, Some((sent, outcome)))
}

/// How many turns there are in a time.
fn turns(every: Duration, time: Duration) -> u64 {
    let turns = time.as_nanos().checked_div(every.as_nanos()).unwrap_or(0);
    u64::try_from(turns).unwrap_or(u64::MAX)
}

/// A time up to `most`.
fn by_chance(most: Duration) -> Duration {
    // Without entropy there is no jitter, which harms nothing.
    most.mul_f64(f64::from(getrandom::u32().unwrap_or(0)) / f64::from(u32::MAX))
}
