//! The loop: a probe at every turn of the interval, until the policy has an answer or somebody wants no more.

use std::ops::ControlFlow;
use std::pin::pin;
use std::time::Duration;

use common::clock::{Clock, Stopwatch};
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::ending::Ending;
use crate::policy::{Policy, Step, Verdict};
use crate::probe::{Outcome, Prober};

/// Probes every `every` (longer than zero), shows each outcome to `see`, and ends with the policy's answer, with what
/// `see` breaks off with, or as soon as `ended` does.
pub async fn watch(
    prober: &mut Prober<'_>,
    mut policy: Policy,
    every: Duration,
    clock: &dyn Clock,
    ended: impl Future<Output = Ending>,
    mut see: impl FnMut(&Outcome, Step) -> ControlFlow<Ending>,
) -> Ending {
    let started = Stopwatch::start(clock);
    let until = async |moment: Option<Duration>| match moment {
        Some(moment) => sleep(moment.saturating_sub(started.elapsed(clock))).await,
        None => std::future::pending().await,
    };
    let mut ended = pin!(ended);
    let mut turns = interval(every);
    turns.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        tokio::select! {
            biased;
            ending = &mut ended => return ending,
            () = until(policy.due()) => match policy.passed(started.elapsed(clock)) {
                Step::End(verdict) => return Ending::Verdict(verdict),
                Step::Continue | Step::WatchBegins => continue,
            },
            _ = turns.tick() => {}
        }
        let sent = started.elapsed(clock);
        let outcome = tokio::select! {
            biased;
            ending = &mut ended => return ending,
            outcome = prober.probe() => outcome,
            // What is cut off here proves nothing about the service, and is not counted.
            () = until(policy.deadline()) => return Ending::Verdict(Verdict::DeadlinePassed),
        };
        let step = policy.probed(sent, started.elapsed(clock), outcome.is_ok());
        if let ControlFlow::Break(ending) = see(&outcome, step) {
            return ending;
        }
        if let Step::End(verdict) = step {
            return Ending::Verdict(verdict);
        }
    }
}
