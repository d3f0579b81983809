//! Stages that begin in one process and end in another, perhaps on another machine.

use std::time::Duration;

use crate::announcement;
use crate::exclusive::{self, Answer};
use crate::interrupted;
use crate::report::Report;
use crate::started_span::{self, StartedSpan};
use anyhow::{Context as _, Result};
use chrono::{DateTime, Utc};
use common::cli::warn;
use common::clock::{Clock, SystemClock};
use common::env;
use common::event::{ChildUse, Completion, Detail, Event, EventId, Reason, Status};
use common::exit::Exit;
use common::label::Stage;
use common::output;
use notify::Notifiers;
use telemetry::{Context, Entry, HEARTBEAT, Recorder, WorkKind, read_journal};

/// Carries the start time to a machine that has another journal.
const STARTED_AT: &str = "DM_STARTED_AT";

/// Set by `--start --exclusive`, so that `--finish` says so if it cannot release the lease.
pub(crate) const EXCLUSIVE: &str = "DM_EXCLUSIVE";

/// Records the start of the stage, and prints the variables that later processes need, as `NAME=value` lines.
pub(crate) fn start(
    context: &Context,
    stage: &Stage,
    exclusive: Option<Duration>,
    notifiers: &Notifiers,
) -> Result<Exit> {
    if let Some(wait) = exclusive
        && let Answer::Refused(exit) = exclusive::start(context, wait)?
    {
        return Ok(exit);
    }
    let clock = SystemClock;
    if stage.is_deployment() {
        interrupted::report(context);
    }
    let work = context.work_item(stage, WorkKind::Stage, clock.now());
    let started_at = work.started_at;
    let notification = announcement::started(context, started_at);
    let notified = notifiers.announce(move || notification);
    let recorded = Recorder::announce(&context.sinks, work, &clock);
    let mut variables = context.child_env();
    let position = &context.identity.trace;
    let span = StartedSpan::new(position);
    variables.push(("TRACEPARENT", position.traceparent(span.id.as_str())));
    variables.push((started_span::VARIABLE, span.to_variable(stage)));
    variables.push((STARTED_AT, started_at.to_rfc3339()));
    variables.push((HEARTBEAT, "1".to_owned()));
    if exclusive.is_some() {
        variables.push((EXCLUSIVE, "1".to_owned()));
    }
    let lines: Vec<String> = variables.iter().map(|(name, value)| format!("{name}={value}\n")).collect();
    output::print(&lines.concat()).context("cannot print the variables")?;
    warn(context.tool, &notified.wait());
    Ok(context.conclude(Exit::Success, &recorded))
}

/// Records the end of the stage.
pub(crate) fn finish(
    context: &Context,
    stage: &Stage,
    status: Status,
    report: Option<&Report>,
    notifiers: &Notifiers,
) -> Exit {
    let clock = SystemClock;
    let entries = read_journal(&context.sinks, &context.identity).map(|(contents, _)| contents.entries);
    let entries = entries.unwrap_or_default();
    let started_at = started_at(&entries, context, stage);
    if let Some(recorded) = recorded_end(&entries, context, stage, started_at) {
        // A trap and the last line of a script may both finish it. The first one counts.
        let message = format!(
            "the {stage} {} has already ended with {}: nothing more is recorded",
            context.identity.deployment,
            recorded.as_str()
        );
        warn(context.tool, &[message]);
        return Exit::Success;
    }
    let ended_at = clock.now();
    if started_at.is_none() {
        let unknown = format!(
            "the start of {stage} is unknown, so it has no duration: pass on {STARTED_AT}, which --start prints"
        );
        warn(context.tool, &[unknown]);
    }
    let work = context.work_item(stage, WorkKind::Stage, started_at.unwrap_or(ended_at));
    let recorder = Recorder::begin(&context.sinks, work, &clock);
    let span = StartedSpan::from_env(&env::system, stage, &context.identity.trace);
    let completion = Completion {
        id: span.as_ref().map_or_else(EventId::random, |span| span.id.clone()),
        ts: ended_at,
        // The wall clocks of two machines may differ. An end before the start gives no duration.
        duration: started_at.and_then(|began| ended_at.signed_duration_since(began).to_std().ok()),
        status,
        reason: reason(status),
    };
    let mut event = context.event(stage, completion, Detail::Stage(ChildUse::default()));
    if let Some(span) = span {
        // This process was at a position within the span that it ends.
        event.identity.trace.parent_span_id = span.parent;
    }
    let (ended_context, whole) = (context.clone(), event.clone());
    let notified = notifiers.announce(move || announcement::ended(&ended_context, &whole));
    let exit = context.conclude(Exit::Success, &recorder.finish(&event, &clock));
    if let Some(report) = report {
        report.end(context, &event);
    }
    warn(context.tool, &notified.wait());
    exit
}

/// The status with which the deployment has ended since this start. Other stages may run several times in a deployment.
fn recorded_end(
    entries: &[Entry],
    context: &Context,
    stage: &Stage,
    started_at: Option<DateTime<Utc>>,
) -> Option<Status> {
    let identity = &context.identity;
    let is_end = |event: &&Event| {
        event.identity.deployment == identity.deployment
            && event.identity.service == identity.service
            && event.stage == *stage
            && started_at.is_none_or(|started_at| event.ts >= started_at)
    };
    let finished = entries.iter().rev().filter_map(|entry| match entry {
        Entry::Finished(event) => Some(event),
        Entry::Started(_) => None,
    });
    finished.filter(|_| stage.is_deployment()).find(is_end).map(|event| event.status)
}

fn started_at(entries: &[Entry], context: &Context, stage: &Stage) -> Option<DateTime<Utc>> {
    if let Some(text) = env::system(STARTED_AT) {
        return DateTime::parse_from_rfc3339(&text).ok().map(|time| time.with_timezone(&Utc));
    }
    entries.iter().rev().find_map(|entry| match entry {
        Entry::Started(start)
            if start.identity.deployment == context.identity.deployment && start.stage == *stage =>
        {
            Some(start.ts)
        }
        _ => None,
    })
}

fn reason(status: Status) -> Option<Reason> {
    match status {
        Status::Success | Status::Skipped => None,
        Status::Timeout => Some(Reason::Timeout),
        Status::Cancelled => Some(Reason::Cancelled),
        Status::Failure | Status::Error => Some(Reason::Other),
    }
}
