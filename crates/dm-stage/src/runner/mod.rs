//! Runs a command as a recorded stage. `dm-stage` and `dm-migrate` share this module.

mod error_pattern;
mod last_words;
mod limit_args;
mod outcome;
mod output;
mod progress;
mod retry;
mod stdin;
mod stdin_copy;
mod tail;

use std::ffi::OsString;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::announcement;
use crate::interrupted;
use child_process::{self, OomKills, Running, Signals, Spec, StartError, StdioMode};
use common::cli::warn;
use common::clock::{Clock, SystemClock};
use common::duration::format_duration;
use common::event::Completion;
use common::event::{Attempt, ChildUse, Detail, Event, EventId, Status};
use common::exit::Exit;
use common::github_actions::GitHub;
use common::label::Stage;
use common::term::status_line::StatusLine;
use nix::sys::signal::Signal;
use notify::{NOTIFIED_BY, Notifiers};
use telemetry::{Context, Recorder, WorkKind};

pub use error_pattern::ErrorPattern;
pub use limit_args::LimitArgs;
pub use outcome::{Outcome, SuccessCriteria};
pub(crate) use output::StageResult;
pub use output::{OutputArgs, OutputMode};
pub use retry::{RetryArgs, RetryPolicy};
pub use stdin::{Stdin, StdinLost, StdinMode};
pub use tail::Tail;

/// How many of the last lines of stderr are searched for an [`ErrorPattern`].
const SEARCHED_LINES: usize = 100;

/// A command to run as a stage, with all options.
#[derive(Debug)]
pub struct StageRun {
    /// The deployment, and where to record.
    pub context: Context,
    /// The stage.
    pub stage: Stage,
    /// The kind of work.
    pub kind: WorkKind,
    /// The criteria for success.
    pub criteria: SuccessCriteria,
    /// When the command runs again after a failure.
    pub retry: RetryPolicy,
    /// Which of the last lines of stderr the event contains. If a number of them is requested, stderr is a pipe, not a
    /// terminal. If the output is kept, the lines of stdout are among them.
    pub tail: Tail,
    /// What is shown of the command's output.
    pub output: OutputMode,
    /// Output to GitHub Actions.
    pub github: GitHub,
    /// Whether to show a status line on a terminal.
    pub status: bool,
    /// The command.
    pub argv: Vec<OsString>,
    /// The stdin of all attempts.
    pub stdin: Arc<Stdin>,
    /// The time limit of each attempt.
    pub timeout: Option<Duration>,
    /// The signal at the time limit.
    pub stop_signal: Signal,
    /// The time between that signal and KILL.
    pub kill_after: Duration,
    /// Whether the command may continue if the tool is killed.
    pub may_outlive: bool,
}

/// What a tool does while the child runs, and what it adds to the event. A function serves for a tool that needs only
/// [`StageHooks::detail`].
pub trait StageHooks: Sized {
    /// Additional variables for the child.
    fn env(&self) -> Vec<(&'static str, String)> {
        Vec::new()
    }

    /// Called when the time limit has expired or a signal asks for termination, before the child gets a signal.
    fn before_stop(&mut self) {}

    /// Additional text for the status line. Called once a second, on a separate thread.
    fn live(&self) -> impl FnMut() -> String + Send + 'static {
        String::new
    }

    /// Called after each attempt. May change the outcome. Returns the delay before another attempt, or `None` for no other
    /// attempt. All attempts are one piece of work, and each has the whole time limit.
    fn judge(&mut self, _outcome: &mut Outcome) -> Option<Duration> {
        None
    }

    /// The part of the event that depends on the kind of work.
    fn detail(self, child: ChildUse) -> Detail;
}

impl<F: FnOnce(ChildUse) -> Detail> StageHooks for F {
    fn detail(self, child: ChildUse) -> Detail {
        self(child)
    }
}

/// Runs the command, records it, and returns how it ended. The child starts first: nothing delays it.
///
/// # Errors
/// The signals or the child cannot be watched.
pub fn run(stage_run: &StageRun, hooks: impl StageHooks) -> Result<Exit> {
    run_and_return_event(stage_run, hooks, &Notifiers::default()).map(|(exit, _)| exit)
}

/// Like [`run`]; also notifies people of the start and the end, and returns the event.
pub(crate) fn run_and_return_event(
    stage_run: &StageRun,
    mut hooks: impl StageHooks,
    notifiers: &Notifiers,
) -> Result<(Exit, Event)> {
    let clock = SystemClock;
    // Before the child starts, so that no signal is lost.
    let mut signals = Signals::watch().context("cannot watch for signals")?;
    let id = EventId::random();
    let mut spec = child_spec(stage_run, &id, &hooks);
    if !notifiers.is_empty() {
        spec.env.push((NOTIFIED_BY, stage_run.context.tool.to_owned()));
    }
    let StageRun { context, stage, .. } = stage_run;
    stage_run.github.begin_group(&context.qualified_name(stage));
    let started = start(stage_run, &mut spec, &clock);
    let started_at = started.as_ref().map_or_else(|_| clock.now(), |running| running.started().started_at);
    let work = context.work_item(stage, stage_run.kind, started_at).with_id(&id);
    let recorder = Recorder::begin(&context.sinks, work, &clock);
    let announcement = notifiers.begin(|| announcement::started(context, started_at));
    if stage.is_deployment() {
        interrupted::report(context);
    }
    let status = (stage_run.status || stage_run.keeps_output())
        .then(|| StatusLine::show(progress::status_text(context, stage, hooks.live())));
    let (mut outcome, attempts) =
        run_attempts(stage_run, &mut spec, started, &mut signals, &mut hooks, &clock)?;
    drop(status);
    tail::mask_requested(&mut outcome.used.stderr_tail);
    stage_run.github.end_group();
    stage_run.print_result(&outcome);
    let cause = outcome.cause();
    if attempts.len() > 1 {
        outcome.used.attempts = attempts;
    }
    stage_run.tail.trim(&mut outcome.used, outcome.status == Status::Success);
    let completion = Completion {
        id,
        ts: clock.now(),
        duration: Some(outcome.duration),
        status: outcome.status,
        reason: outcome.reason,
    };
    let event =
        context.event(stage, completion.clone(), hooks.detail(outcome.used)).because(cause.as_deref());
    // The deployment is reported as a whole.
    if !stage.is_deployment() {
        let cause = event.cause.as_deref().unwrap_or_default();
        stage_run.github.report_stage(&context.qualified_name(stage), &completion, cause);
    }
    let (ended_context, whole) = (context.clone(), event.clone());
    let notified = announcement.end(move || announcement::ended(&ended_context, &whole));
    let exit = context.conclude(outcome.exit, &recorder.finish(&event, &clock));
    warn(context.tool, &notified.wait());
    Ok((exit, event))
}

impl StageRun {
    fn keeps_output(&self) -> bool {
        self.output == OutputMode::OnFailure
    }

    /// Prints the line about the result, if it is wanted, and what was kept of the output of a failed command.
    fn print_result(&self, outcome: &Outcome) {
        if self.output == OutputMode::Live {
            return;
        }
        let result = StageResult {
            service: &self.context.identity.service,
            stage: &self.stage,
            status: outcome.status,
            duration: Some(outcome.duration),
            explanation: &outcome.describe(),
        };
        let lines = &outcome.used.stderr_tail;
        let shown = match self.tail.requested() {
            0 => output::SHOWN_LINES,
            lines => lines,
        };
        let hidden = lines.len().saturating_sub(shown);
        let is_shown = self.keeps_output() && outcome.status != Status::Success;
        result.print(if is_shown { &lines[hidden..] } else { &[] });
    }

    /// The delay before a retry, if attempt `number` was not the last. Prints a warning.
    fn retry_after(&self, number: usize, outcome: &Outcome) -> Option<Duration> {
        let max = self.retry.retries.saturating_add(1);
        let retry = u32::try_from(number).unwrap_or(u32::MAX);
        if retry >= max {
            return None;
        }
        if !self.retry.applies_to(outcome) {
            let message =
                format!("{}: no retry: {} is none of the failures to retry", self.stage, outcome.describe());
            warn(self.context.tool, &[message]);
            return None;
        }
        if let Err(lost) = self.stdin.check() {
            self.report_no_retry(lost);
            return None;
        }
        let delay = self.retry.delay(retry);
        let message = format!(
            "{}: attempt {number} of {max} failed: {}; retrying in {}",
            self.stage,
            outcome.describe(),
            format_duration(delay)
        );
        warn(self.context.tool, &[message]);
        Some(delay)
    }

    fn report_no_retry(&self, lost: StdinLost) {
        warn(self.context.tool, &[format!("{}: the command is not run again, because {lost}", self.stage)]);
    }
}

fn child_spec(stage_run: &StageRun, id: &EventId, hooks: &impl StageHooks) -> Spec {
    let shown = if stage_run.keeps_output() { output::SHOWN_LINES } else { 0 };
    let has_patterns = !stage_run.criteria.patterns.is_empty() || stage_run.retry.has_patterns();
    let searched = if has_patterns { SEARCHED_LINES } else { 0 };
    Spec {
        argv: stage_run.argv.clone(),
        env: child_env(&stage_run.context, &stage_run.stage, id).into_iter().chain(hooks.env()).collect(),
        removed_env: Vec::new(),
        streams: if stage_run.keeps_output() { StdioMode::Kept } else { StdioMode::Inherited },
        stdin: None,
        stderr_tail: stage_run.tail.requested().max(searched).max(shown),
        timeout: stage_run.timeout,
        stop_signal: stage_run.stop_signal,
        kill_after: stage_run.kill_after,
        may_outlive: stage_run.may_outlive,
        is_shielded: false,
    }
}

/// Runs all attempts. Returns the outcome of the last one, with the time of all, and a list of all.
fn run_attempts(
    stage_run: &StageRun,
    spec: &mut Spec,
    first: Result<Running, StartError>,
    signals: &mut Signals,
    hooks: &mut impl StageHooks,
    clock: &dyn Clock,
) -> Result<(Outcome, Vec<Attempt>)> {
    let tool = stage_run.context.tool;
    let mut attempts = Vec::new();
    let mut before = Duration::ZERO;
    let mut started = first;
    loop {
        let oom = OomKills::watch();
        let mut outcome = match started {
            Ok(running) => {
                let exit = running.wait(signals, clock, &mut || hooks.before_stop());
                Outcome::from_exit(&exit.context("cannot wait for the command")?, &stage_run.criteria, || {
                    oom.happened()
                })
            }
            Err(error) => Outcome::from_start_error(tool, &error),
        };
        let mut retry_after = hooks.judge(&mut outcome);
        attempts.push(outcome.attempt());
        let number = attempts.len();
        outcome.duration += before;
        if retry_after.is_none() && outcome.has_failed() {
            retry_after = stage_run.retry_after(number, &outcome);
        }
        let Some(pause) = retry_after else { return Ok((outcome, attempts)) };
        let since = clock.instant();
        if let Some(signal) = signals.pause(pause, clock) {
            outcome.cancel(signal);
            return Ok((outcome, attempts));
        }
        before = outcome.duration + clock.instant().saturating_duration_since(since);
        if let Err(lost) = stage_run.stdin.rewind() {
            stage_run.report_no_retry(lost);
            return Ok((outcome, attempts));
        }
        spec.env.push(("DM_ATTEMPT", (number + 1).to_string()));
        started = start(stage_run, spec, clock);
    }
}

/// Starts an attempt.
fn start(stage_run: &StageRun, spec: &mut Spec, clock: &dyn Clock) -> Result<Running, StartError> {
    spec.stdin = stage_run
        .stdin
        .for_attempt()
        .map_err(|error| StartError::wrapper_fault(format!("cannot replay stdin: {error}")))?;
    let started = child_process::start(spec, clock);
    // Only the command keeps the pipe open.
    spec.stdin = None;
    started
}

fn child_env(context: &Context, stage: &Stage, id: &EventId) -> Vec<(&'static str, String)> {
    let identity = &context.identity;
    let mut env = context.child_env();
    env.extend(context.sharing_env());
    env.push(("DM_PARENT_STAGE", stage.to_string()));
    env.push(("TRACEPARENT", identity.trace.traceparent(id.as_str())));
    env.extend(identity.version.as_ref().map(|version| ("DM_VERSION", version.to_string())));
    env
}
