//! One run: polls, reports on stdout, and records the outcome.

use std::ops::ControlFlow;
use std::time::Duration;
use std::{io, mem, thread};

use anyhow::{Context as _, Result};
use child_process::ShutdownSignals;
use chrono::{DateTime, Utc};
use common::cli::warn;
use common::clock::{Clock, Stopwatch, SystemClock};
use common::event::{Completion, EventId, Status};
use common::exit::Exit;
use common::records::Start;
use common::runtime;
use telemetry::{Context, Recorder, WorkItem, WorkKind};

use crate::clock_difference;
use crate::expectations::Expectations;
use crate::plan::Plan;
use crate::policy::{Policy, Step, Verdict};
use crate::poll_loop::poll;
use crate::probe::{ProbeOutcome, Prober, without_control};
use crate::report::{Report, Style};
use crate::run_outcome::{RunOutcome, Subject};
use crate::stats::RunStats;
use crate::stdout_closed::stdout_closed;

/// Polls as planned, and records the outcome.
pub(crate) fn run(plan: &Plan) -> Result<Exit> {
    let clock = SystemClock;
    let started = Stopwatch::start(&clock);
    let id = EventId::random();
    let probers = Prober::for_targets(&plan.targets, plan.options, &clock)?;
    let work = plan.context.work_item(&plan.stage, WorkKind::Health, started.started_at).with_id(&id);
    let recorder = begin_recording(&plan.context, work, clock);
    let mut run_stats = RunStats::new(&plan.targets);
    let mut policy = Policy::new(plan.rules.clone(), without_control(&plan.targets).len());
    let start = start_record(plan, &id, started.started_at);
    let outcome = poll_and_report(plan, start, probers, &mut policy, &mut run_stats, clock)?;
    let (status, reason) = outcome.status(&run_stats.total);
    let completion =
        Completion { id, ts: clock.now(), duration: Some(started.elapsed(&clock)), status, reason };
    let cause = (status != Status::Success).then(|| sentence(&outcome, plan, &policy, &run_stats));
    let event = plan.context.event(&plan.stage, completion, run_stats.detail(&plan.targets));
    let event = event.because(cause.as_deref());
    if needs_warning(&outcome, plan.style) {
        warn(plan.context.tool, &Vec::from_iter(cause));
    }
    Ok(plan.context.conclude(outcome.exit(&run_stats.total), &recorder().finish(&event, &clock)))
}

/// The first record of the stream.
fn start_record(plan: &Plan, id: &EventId, ts: DateTime<Utc>) -> Start {
    let schedule = plan.schedule;
    let interval = if plan.watch.is_some() { schedule.watch_interval } else { schedule.interval };
    let milliseconds = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    Start {
        expectations: plan.expected.iter().any(Expectations::are_specific),
        watch_min_ms: plan.watch.and_then(|watch| watch.min).map(milliseconds),
        watch_max_ms: plan.watch.map(|watch| watch.max).map(milliseconds),
        ..plan.context.stream_start(id, ts, Some(interval))
    }
}

/// Polls, and reports on stdout from `start` to `end`.
fn poll_and_report(
    plan: &Plan,
    start: Start,
    probers: Vec<Prober<'_>>,
    policy: &mut Policy,
    run_stats: &mut RunStats,
    clock: SystemClock,
) -> Result<RunOutcome> {
    let mut report = match Report::begin(io::stdout(), plan.style, &plan.targets, start) {
        Ok(report) if report.is_closed() => return Ok(RunOutcome::OutputClosed),
        Ok(report) => report,
        Err(error) => return Ok(RunOutcome::Unwritable(error)),
    };
    let mut clock_is_checked = false;
    let on_probe = |target: usize, probe: &ProbeOutcome, step| {
        run_stats.add(target, probe);
        if let Some(difference) =
            probe.clock_difference.filter(|_| !mem::replace(&mut clock_is_checked, true))
        {
            let target = plan.targets.get(target).map_or("the server", |target| &target.display);
            report.aside(|| warn(plan.context.tool, &[clock_difference::warning(target, difference)]));
        }
        report_probe(&mut report, run_stats, target, probe, step)
    };
    let outcome = runtime::block_on(async {
        let mut signals = ShutdownSignals::watch().context("cannot watch for signals")?;
        let stopped = async {
            tokio::select! {
                signal = signals.next() => RunOutcome::Signal(signal),
                () = stdout_closed() => RunOutcome::OutputClosed,
            }
        };
        anyhow::Ok(poll(probers, &plan.expected, policy, plan.schedule, &clock, stopped, on_probe).await)
    });
    let outcome = match outcome.context("cannot set up the event loop")?? {
        RunOutcome::OutputClosed if policy.is_watching() => RunOutcome::WatchClosed(policy.verdict_at_end()),
        outcome => outcome,
    };
    let sentence = sentence(&outcome, plan, policy, run_stats);
    Ok(match report.end(clock.now(), outcome.exit(&run_stats.total).code(), &sentence, run_stats) {
        // A closed terminal cannot be written to. That is why polling stopped, so it is not a second error.
        Err(error)
            if !matches!(
                outcome,
                RunOutcome::Signal(_) | RunOutcome::OutputClosed | RunOutcome::WatchClosed(_)
            ) =>
        {
            RunOutcome::Unwritable(error)
        }
        _ => outcome,
    })
}

fn report_probe<W: io::Write>(
    report: &mut Report<'_, W>,
    run_stats: &RunStats,
    target: usize,
    probe: &ProbeOutcome,
    step: Step,
) -> ControlFlow<RunOutcome> {
    match report.probe(run_stats.probes, target, probe, step, run_stats) {
        Err(error) => ControlFlow::Break(RunOutcome::Unwritable(error)),
        // A verdict stays the verdict, even if its last line is not read.
        Ok(()) if report.is_closed() && !matches!(step, Step::Finish(_)) => {
            ControlFlow::Break(RunOutcome::OutputClosed)
        }
        Ok(()) => ControlFlow::Continue(()),
    }
}

/// The outcome in a sentence, about the targets that decided it.
fn sentence(outcome: &RunOutcome, plan: &Plan, policy: &Policy, run_stats: &RunStats) -> String {
    let about: Vec<usize> = match outcome {
        RunOutcome::Verdict(Verdict::Unhealthy | Verdict::UnhealthyAtEnd) => policy.unhealthy().collect(),
        RunOutcome::Verdict(Verdict::Inconclusive) => policy.not_probed().collect(),
        RunOutcome::Verdict(Verdict::FailureRateReached) => vec![run_stats.last],
        RunOutcome::Verdict(Verdict::DeadlineExpired) => policy.not_yet_healthy().collect(),
        _ => (0..without_control(&plan.targets).len()).collect(),
    };
    let names = about.iter().filter_map(|index| plan.targets.get(*index)).map(|target| target.name.as_str());
    let first = about.first().and_then(|index| run_stats.per_target.get(*index)).unwrap_or(&run_stats.total);
    let any_failed =
        about.iter().filter_map(|index| run_stats.per_target.get(*index)).any(|stats| stats.failures > 0);
    outcome.sentence(&Subject { names: names.collect(), first, any_failed }, &plan.rules)
}

/// Begins recording on another thread, so that a slow disk or a lock does not delay the first probe. The returned function
/// waits for it.
fn begin_recording(context: &Context, work: WorkItem, clock: SystemClock) -> impl FnOnce() -> Recorder {
    let sinks = context.sinks.clone();
    let begin = move || Recorder::begin(&sinks, work, &clock);
    let recorder = thread::Builder::new().name("recorder".to_owned()).spawn(begin.clone());
    // If no thread can be started, recording begins late, which is better than never.
    move || recorder.ok().and_then(|thread| thread.join().ok()).unwrap_or_else(begin)
}

/// Whether the outcome also has to be reported on stderr. Human output already contains it, and whoever closed the output
/// or sent a signal knows.
fn needs_warning(outcome: &RunOutcome, style: Style) -> bool {
    match outcome {
        RunOutcome::Verdict(
            Verdict::Unhealthy
            | Verdict::UnhealthyAtEnd
            | Verdict::FailureRateReached
            | Verdict::DeadlineExpired
            | Verdict::Inconclusive,
        ) => style == Style::JsonLines,
        RunOutcome::Unwritable(_) => true,
        RunOutcome::Verdict(Verdict::Healthy)
        | RunOutcome::Signal(_)
        | RunOutcome::OutputClosed
        | RunOutcome::WatchClosed(_) => false,
    }
}
