//! A child as a recorded stage: what `dm-stage` and `dm-migrate` share.

mod error_pattern;
mod limit_args;
mod outcome;
mod progress;

use std::ffi::OsString;
use std::time::Duration;

use anyhow::{Context as _, Result};

use child_process::{self, OomKills, Running, Signals, Spec, StartError, StdioMode};
use common::cli::warn;
use common::clock::{Clock, SystemClock};
use common::duration::format_duration;
use common::event::Completion;
use common::event::{Attempt, ChildUse, Detail, EventId};
use common::exit::Exit;
use common::github_actions::GitHub;
use common::label::Stage;
use common::secrets::Redactor;
use common::term::status_line::StatusLine;
use telemetry::context::Context;
use telemetry::recorder::Recorder;
use telemetry::work::WorkKind;

pub use error_pattern::ErrorPattern;
pub use limit_args::LimitArgs;
pub use outcome::{Outcome, SuccessCriteria};

/// So many lines of stderr are looked through for an [`ErrorPattern`], where fewer are kept.
const SEARCHED: usize = 100;

/// A command to run as a stage.
#[derive(Debug)]
pub struct StageRun {
    /// Who runs it, and where it is recorded.
    pub context: Context,
    /// The stage.
    pub stage: Stage,
    /// What kind of work it is.
    pub work: WorkKind,
    /// By what the command is judged.
    pub rules: SuccessCriteria,
    /// How often it is tried again after a failure.
    pub retries: u32,
    /// How long before it is tried again.
    pub retry_delay: Duration,
    /// So many of the last lines of its stderr are kept in the record. It is then a pipe, and no terminal.
    pub tail: usize,
    /// What GitHub Actions is told.
    pub github: GitHub,
    /// Whether a terminal shows one live line.
    pub status: bool,
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
/// gives its [`StageHooks::detail`] alone.
pub trait StageHooks: Sized {
    /// Variables that the child gets beside those of every stage.
    fn env(&self) -> Vec<(&'static str, String)> {
        Vec::new()
    }

    /// The time limit has passed, or somebody asked for the end; the child is told once this has returned.
    fn before_stop(&mut self) {}

    /// What the live line says after the stage and its time; asked once a second, on a thread of its own.
    fn live(&self) -> impl FnMut() -> String + Send + 'static {
        String::new
    }

    /// A child has ended, and this came of it, unless the tool knows better. Whether to run it once more, and after what
    /// pause; all runs are one piece of work, and each has the whole time limit.
    fn judge(&mut self, _outcome: &mut Outcome) -> Option<Duration> {
        None
    }

    /// What the record tells of this kind of work.
    fn detail(self, child: ChildUse) -> Detail;
}

impl<F: FnOnce(ChildUse) -> Detail> StageHooks for F {
    fn detail(self, child: ChildUse) -> Detail {
        self(child)
    }
}

/// Runs the command, records it, and ends as it ended. The child starts first: nothing here delays it.
pub fn run(wrap: &StageRun, mut beside: impl StageHooks) -> Result<Exit> {
    let clock = SystemClock;
    // Before the child: a signal in between must not be lost.
    let mut signals = Signals::watch().context("cannot watch for signals")?;
    let id = EventId::random();
    let mut spec = spec(wrap, &id, &beside);
    let StageRun { context, stage, .. } = wrap;
    wrap.github.begin_group(&context.qualified_name(stage));
    let started = child_process::start(&spec, &clock);
    let started_at = started.as_ref().map_or_else(|_| clock.now(), |running| running.started().started_at);
    let scope = context.work_item(stage, wrap.work, started_at);
    let recorder = Recorder::begin(&context.sinks, scope, &clock);
    let status = wrap.status.then(|| StatusLine::show(progress::of(wrap, beside.live())));
    let (mut outcome, attempts) = attempts(wrap, &mut spec, started, &mut signals, &mut beside, &clock)?;
    drop(status);
    wrap.github.end_group();
    if attempts.len() > 1 {
        outcome.used.attempts = attempts;
    }
    keep_tail(&mut outcome.used, wrap.tail);
    let ended = Completion {
        id,
        ts: clock.now(),
        duration: Some(outcome.duration),
        status: outcome.status,
        reason: outcome.reason,
    };
    wrap.github.report_stage(&context.qualified_name(stage), &ended, &outcome.told());
    let event = context.event(stage, ended, beside.detail(outcome.used));
    Ok(context.conclude(outcome.exit, &recorder.finish(&event, &clock)))
}

impl StageRun {
    /// After how long the command is run again, where attempts are left after this `number` of them; says so.
    fn next_attempt(&self, number: usize, outcome: &Outcome) -> Option<Duration> {
        let most = self.retries.saturating_add(1);
        if usize::try_from(most).is_ok_and(|most| number >= most) {
            return None;
        }
        let told = format!(
            "{}: attempt {number} of {most} failed: {}; the next in {}",
            self.stage,
            outcome.told(),
            format_duration(self.retry_delay)
        );
        warn(self.context.tool, &[told]);
        Some(self.retry_delay)
    }
}

fn spec(wrap: &StageRun, id: &EventId, beside: &impl StageHooks) -> Spec {
    let searched = if wrap.rules.patterns.is_empty() { 0 } else { SEARCHED };
    Spec {
        argv: wrap.argv.clone(),
        env: child_env(&wrap.context, &wrap.stage, id).into_iter().chain(beside.env()).collect(),
        streams: StdioMode::Inherited,
        stderr_tail: wrap.tail.max(searched),
        timeout: wrap.timeout,
        kill_after: wrap.kill_after,
        may_outlive: wrap.may_outlive,
    }
}

/// The outcome of the last attempt, with the time that all took, and what came of each.
fn attempts(
    wrap: &StageRun,
    spec: &mut Spec,
    first: Result<Running, StartError>,
    signals: &mut Signals,
    beside: &mut impl StageHooks,
    clock: &dyn Clock,
) -> Result<(Outcome, Vec<Attempt>)> {
    let tool = wrap.context.tool;
    let mut attempts = Vec::new();
    let mut before = Duration::ZERO;
    let mut started = first;
    loop {
        let oom = OomKills::watch();
        let mut outcome = match started {
            Ok(running) => {
                let waited = running.wait(signals, clock, &mut || beside.before_stop());
                Outcome::of(&waited.context("cannot wait for the command")?, &wrap.rules, || oom.happened())
            }
            Err(error) => Outcome::of_start(tool, &error),
        };
        let mut again = beside.judge(&mut outcome);
        attempts.push(outcome.attempt());
        let number = attempts.len();
        outcome.duration += before;
        if again.is_none() && outcome.has_failed() {
            again = wrap.next_attempt(number, &outcome);
        }
        let Some(pause) = again else { return Ok((outcome, attempts)) };
        let since = clock.instant();
        if let Some(signal) = signals.pause(pause, clock) {
            outcome.cancel(signal);
            return Ok((outcome, attempts));
        }
        before = outcome.duration + clock.instant().saturating_duration_since(since);
        spec.env.push(("DM_ATTEMPT", (number + 1).to_string()));
        started = child_process::start(spec, clock);
    }
}

/// Of the lines that were read, those that were asked for, without secrets.
fn keep_tail(used: &mut ChildUse, most: usize) {
    let surplus = used.stderr_tail.len().saturating_sub(most);
    used.stderr_tail.drain(..surplus);
    if !used.stderr_tail.is_empty() {
        let secrets = Redactor::default().with_environment();
        for line in &mut used.stderr_tail {
            *line = secrets.redact(line);
        }
    }
}

fn child_env(context: &Context, stage: &Stage, id: &EventId) -> Vec<(&'static str, String)> {
    let identity = &context.identity;
    let mut env = context.child_env();
    env.push(("DM_PARENT_STAGE", stage.to_string()));
    env.push(("TRACEPARENT", identity.trace.traceparent(id.as_str())));
    env.extend(identity.version.as_ref().map(|version| ("DM_VERSION", version.to_string())));
    env
}
