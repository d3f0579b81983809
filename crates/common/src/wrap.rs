//! A child as a recorded stage: what `dm-stage` and `dm-migrate` share.

use std::ffi::OsString;
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::cli::warn;
use crate::clock::{Clock, SystemClock};
use crate::context::{Context, Ended};
use crate::event::{ChildUse, Detail, EventId, Reason, Status};
use crate::exit::Exit;
use crate::label::Stage;
use crate::process::{self, Finished, Signals, Spec, StartError, Streams};
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
    /// Whether the command may go on where the tool is killed.
    pub may_outlive: bool,
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

    /// The child has ended, and this came of it.
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
    let Wrap { context, stage, work, failure, allowed, argv, timeout, kill_after, may_outlive } = wrap;
    // Before the child: a signal in between must not be lost.
    let mut signals = Signals::watch().context("cannot watch for signals")?;
    let id = EventId::random();
    let spec = Spec {
        argv,
        env: child_env(&context, &stage, &id).into_iter().chain(beside.env()).collect(),
        streams: Streams::Inherited,
        timeout,
        kill_after,
        may_outlive,
    };
    let started = process::start(&spec, &clock);
    let started_at = started.as_ref().map_or_else(|_| clock.now(), |running| running.started().started_at);
    let scope = context.scope(&stage, work, started_at);
    let recorder = Recorder::begin(&context.sinks, scope, &clock);
    let mut outcome = match started {
        Ok(running) => {
            let waited = running.wait(&mut signals, &clock, &mut || beside.before_stop());
            ended(&waited.context("cannot wait for the command")?, failure, &allowed)
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
