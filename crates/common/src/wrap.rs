//! A child as a recorded stage: what `dm-stage` and `dm-migrate` share.

use std::ffi::OsString;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};

use crate::cli::warn;
use crate::clock::{Clock, SystemClock};
use crate::context::{Context, Ended};
use crate::event::{ChildUse, Detail, EventId, Reason, Status};
use crate::exit::Exit;
use crate::label::Stage;
use crate::process::{self, Finished, Running, Spec, StartError, Streams};
use crate::record::Recorder;
use crate::scope::Work;

/// A command to run as a stage.
#[derive(Debug)]
pub struct Wrap {
    /// Who runs it, and where it is recorded.
    pub context: Context,
    /// The stage.
    pub stage: Stage,
    /// What kind of work it is.
    pub work: Work,
    /// What a non-zero exit code of the command means.
    pub failure: Reason,
    /// Exit codes that are recorded as a success, beside 0.
    pub allowed: Vec<u8>,
    /// The command.
    pub argv: Vec<OsString>,
    /// Its time limit.
    pub timeout: Option<Duration>,
    /// The time between TERM and KILL.
    pub kill_after: Duration,
}

/// What goes on beside the child, and what only the tool knows of how it went. A tool that has nothing to do meanwhile
/// gives its [`Beside::detail`] alone.
pub trait Beside: Sized {
    /// Variables that the child gets beside those of every stage.
    fn env(&self) -> Vec<(&'static str, String)> {
        Vec::new()
    }

    /// The time limit has passed, or somebody asked for the end; the child is told once this has returned.
    fn before_stop(&mut self) {}

    /// The child has ended so. Whether it is to be run once more, and after what pause; all runs are one piece of work.
    fn again(&mut self, _finished: &Finished) -> Option<Duration> {
        None
    }

    /// The last child has ended, and this came of it.
    fn judge(&mut self, _outcome: &mut Outcome) {}

    /// What the record tells of this kind of work.
    fn detail(self, child: ChildUse) -> Detail;
}

impl<F: FnOnce(ChildUse) -> Detail> Beside for F {
    fn detail(self, child: ChildUse) -> Detail {
        self(child)
    }
}

/// What the child came to, for the record and for the caller.
#[derive(Debug)]
pub struct Outcome {
    /// How the tool ends.
    pub exit: Exit,
    /// How the stage ended.
    pub status: Status,
    /// Why not well.
    pub reason: Option<Reason>,
    /// Wall time by the monotonic clock.
    duration: Duration,
    /// What the child used.
    used: ChildUse,
}

/// Runs the command, records it, and ends as it ended. The child starts first: nothing here delays it.
pub fn run(wrap: Wrap, mut beside: impl Beside) -> Result<Exit> {
    let clock = SystemClock;
    let Wrap { context, stage, work, failure, allowed, argv, timeout, kill_after } = wrap;
    let id = EventId::random();
    let mut spec = Spec {
        argv,
        env: child_env(&context, &stage, &id).into_iter().chain(beside.env()).collect(),
        streams: Streams::Inherited,
        timeout,
        kill_after,
    };
    let started = process::start(&spec, &clock);
    let started_at = started.as_ref().map_or_else(|_| clock.now(), |running| running.started().started_at);
    let scope = context.scope(&stage, work, started_at);
    let recorder = Recorder::begin(&context.sinks, scope, &clock);
    let mut outcome = match started {
        Ok(running) => {
            let finished = see_through(running, &mut spec, &mut beside, &clock);
            ended(&finished.context("cannot wait for the command")?, failure, &allowed)
        }
        Err(error) => not_started(context.tool, &error),
    };
    beside.judge(&mut outcome);
    let ended = Ended {
        id,
        ts: clock.now(),
        duration: Some(outcome.duration),
        status: outcome.status,
        reason: outcome.reason,
    };
    let event = context.event(&stage, ended, beside.detail(outcome.used));
    Ok(context.conclude(outcome.exit, &recorder.finish(&event, &clock)))
}

/// Waits for the child, and runs it again for as long as `beside` wants it. The time limit is that of all runs.
fn see_through(
    mut running: Running,
    spec: &mut Spec,
    beside: &mut impl Beside,
    clock: &dyn Clock,
) -> Result<Finished> {
    let whole = *running.started();
    let limit = spec.timeout;
    let mut finished = running.wait_and(clock, &mut || beside.before_stop())?;
    while finished.asked_to_stop.is_none() && !finished.timed_out {
        let left = |elapsed| limit.map_or(Duration::MAX, |limit: Duration| limit.saturating_sub(elapsed));
        let Some(pause) = beside.again(&finished).filter(|pause| *pause < left(whole.elapsed(clock))) else {
            break;
        };
        finished.asked_to_stop = running.pause(pause, clock);
        if finished.asked_to_stop.is_some() {
            break;
        }
        spec.timeout = limit.map(|_| left(whole.elapsed(clock)));
        running = process::start(spec, clock).map_err(|error| anyhow!(error.message))?;
        finished = running.wait_and(clock, &mut || beside.before_stop())?;
    }
    finished.duration = whole.elapsed(clock);
    Ok(finished)
}

fn child_env(context: &Context, stage: &Stage, id: &EventId) -> Vec<(&'static str, String)> {
    let identity = &context.identity;
    let mut env = context.variables();
    env.push(("DM_PARENT_STAGE", stage.to_string()));
    env.push(("TRACEPARENT", identity.trace.traceparent(id.as_str())));
    env.extend(identity.version.as_ref().map(|version| ("DM_VERSION", version.to_string())));
    env
}

fn ended(finished: &Finished, failure: Reason, allowed: &[u8]) -> Outcome {
    let by_child = Exit::of_child(finished.status);
    let (exit, status, reason) = match by_child {
        _ if finished.timed_out => (Exit::TimedOut, Status::Timeout, Some(Reason::Timeout)),
        Exit::Child(code) if code == 0 || allowed.contains(&code) => (by_child, Status::Success, None),
        _ if finished.asked_to_stop.is_some() => (by_child, Status::Cancelled, Some(Reason::Cancelled)),
        Exit::Signal(_) => (by_child, Status::Error, Some(Reason::Signal)),
        _ => (by_child, Status::Failure, Some(failure)),
    };
    Outcome { exit, status, reason, duration: finished.duration, used: finished.used.clone() }
}

fn not_started(tool: &str, error: &StartError) -> Outcome {
    warn(tool, std::slice::from_ref(&error.message));
    Outcome {
        exit: error.exit,
        status: Status::Error,
        reason: Some(error.reason),
        duration: Duration::ZERO,
        used: ChildUse::default(),
    }
}
