//! One run: the watch, with its report on stdout and its record.

use std::io;
use std::ops::ControlFlow;
use std::thread;

use anyhow::{Context as _, Result};
use child_process::ShutdownSignals;
use common::cli::warn;
use common::clock::{Clock, Stopwatch, SystemClock};
use common::event::Completion;
use common::event::EventId;
use common::exit::Exit;
use common::records::Start;
use telemetry::context::Context;
use telemetry::recorder::Recorder;
use telemetry::work::WorkItem;
use telemetry::work::WorkKind;

use crate::ending::{Ending, Subject};
use crate::plan::Plan;
use crate::policy::{Policy, Step, Verdict};
use crate::probe::{Outcome, Prober};
use crate::report::{Report, Style};
use crate::runtime::{block_on, reader_gone};
use crate::tally::Tallies;
use crate::watch::watch;

/// Polls as planned, and records what came of it.
pub fn run(plan: &Plan) -> Result<Exit> {
    let clock = SystemClock;
    let started = Stopwatch::start(&clock);
    let id = EventId::random();
    let probers = Prober::of_each(&plan.targets, &plan.expected, plan.manner, &clock)?;
    let scope = plan.context.work_item(&plan.stage, WorkKind::Health, started.started_at);
    let recorder = begin_recording(&plan.context, scope, clock);
    let mut tallies = Tallies::new(plan.targets.len());
    let mut policy = Policy::new(plan.rules.clone(), plan.targets.len());
    let start = plan.context.stream_start(&id, started.started_at, Some(plan.pace.every));
    let ending = poll(plan, start, probers, &mut policy, &mut tallies, clock)?;
    let (status, reason) = ending.status(&tallies.whole);
    let ended = Completion { id, ts: clock.now(), duration: Some(started.elapsed(&clock)), status, reason };
    let event = plan.context.event(&plan.stage, ended, tallies.detail(&plan.targets));
    if is_told_on_stderr(&ending, plan.style) {
        warn(plan.context.tool, &[sentence(&ending, plan, &policy, &tallies)]);
    }
    Ok(plan.context.conclude(ending.exit(&tallies.whole), &recorder().finish(&event, &clock)))
}

/// Polls, and reports on stdout from `start` to `end`.
fn poll(
    plan: &Plan,
    start: Start,
    probers: Vec<Prober<'_>>,
    policy: &mut Policy,
    tallies: &mut Tallies,
    clock: SystemClock,
) -> Result<Ending> {
    let mut report = match Report::begin(io::stdout(), plan.style, &plan.targets, start) {
        Ok(report) if report.is_closed() => return Ok(Ending::ReaderGone),
        Ok(report) => report,
        Err(error) => return Ok(Ending::Unwritable(error)),
    };
    let see = |target: usize, outcome: &Outcome, step| {
        tallies.add(target, outcome);
        tell(&mut report, tallies, target, outcome, step)
    };
    let ending = block_on(async {
        let mut signals = ShutdownSignals::watch().context("cannot watch for signals")?;
        let ended = async {
            tokio::select! {
                signal = signals.next() => Ending::Signal(signal),
                () = reader_gone() => Ending::ReaderGone,
            }
        };
        anyhow::Ok(watch(probers, policy, plan.pace, &clock, ended, see).await)
    })??;
    let sentence = sentence(&ending, plan, policy, tallies);
    Ok(match report.end(clock.now(), ending.exit(&tallies.whole).code(), &sentence, tallies) {
        // A terminal that was closed cannot be written to, and is why it ended.
        Err(error) if !matches!(ending, Ending::Signal(_) | Ending::ReaderGone) => Ending::Unwritable(error),
        _ => ending,
    })
}

fn tell<W: io::Write>(
    report: &mut Report<'_, W>,
    tallies: &Tallies,
    target: usize,
    outcome: &Outcome,
    step: Step,
) -> ControlFlow<Ending> {
    let seq = tallies.whole.probes + tallies.whole.not_made;
    match report.probe(seq, target, outcome, step, tallies) {
        Err(error) => ControlFlow::Break(Ending::Unwritable(error)),
        // An answer stays the answer, though its last line was not read.
        Ok(()) if report.is_closed() && !matches!(step, Step::End(_)) => {
            ControlFlow::Break(Ending::ReaderGone)
        }
        Ok(()) => ControlFlow::Continue(()),
    }
}

/// The answer in a sentence, about those targets that made it.
fn sentence(ending: &Ending, plan: &Plan, policy: &Policy, tallies: &Tallies) -> String {
    let about: Vec<usize> = match ending {
        Ending::Verdict(Verdict::Unhealthy | Verdict::FailsTooOften | Verdict::CannotTell) => {
            vec![tallies.last]
        }
        Ending::Verdict(Verdict::DeadlinePassed) => policy.unproven().collect(),
        _ => (0..plan.targets.len()).collect(),
    };
    let names = about.iter().filter_map(|index| plan.targets.get(*index)).map(|target| target.name.as_str());
    let first = about.first().and_then(|index| tallies.each.get(*index)).unwrap_or(&tallies.whole);
    let any_failed =
        about.iter().filter_map(|index| tallies.each.get(*index)).any(|tally| tally.failures > 0);
    ending.sentence(&Subject { names: names.collect(), first, any_failed }, &plan.rules)
}

/// Begins on a thread of its own, for a slow disk or a held lock is not to delay the first probe. The answer waits for
/// it.
fn begin_recording(context: &Context, scope: WorkItem, clock: SystemClock) -> impl FnOnce() -> Recorder {
    let sinks = context.sinks.clone();
    let begin = move || Recorder::begin(&sinks, scope, &clock);
    let beside = thread::Builder::new().name("recorder".to_owned()).spawn(begin.clone());
    // Without a thread it begins late, which is better than never.
    move || beside.ok().and_then(|thread| thread.join().ok()).unwrap_or_else(begin)
}

/// People who read stdout have seen the answer there. A reader that went away, and whoever sent a signal, know.
fn is_told_on_stderr(ending: &Ending, style: Style) -> bool {
    match ending {
        Ending::Verdict(
            Verdict::Unhealthy | Verdict::FailsTooOften | Verdict::DeadlinePassed | Verdict::CannotTell,
        ) => style == Style::JsonLines,
        Ending::Unwritable(_) => true,
        Ending::Verdict(Verdict::Healthy) | Ending::Signal(_) | Ending::ReaderGone => false,
    }
}
