//! A stage that begins in one run of the tool and ends in another, perhaps on another machine.

use std::io::Write;

use anyhow::{Context as _, Result};
use chrono::{DateTime, Utc};
use common::cli::warn;
use common::clock::{Clock, SystemClock};
use common::env;
use common::event::Completion;
use common::event::{ChildUse, Detail, EventId, Reason, Status};
use common::exit::Exit;
use common::label::Stage;
use telemetry::context::{Context, HEARTBEAT};
use telemetry::journal::{Entry, Journal};
use telemetry::recorder::Recorder;
use telemetry::work::WorkKind;

/// Carries the start to the run that finishes, where that has another journal.
const STARTED_AT: &str = "DM_STARTED_AT";

/// Records that the stage begins, and prints what the runs after it need, as `NAME=value` lines.
pub fn start(context: &Context, stage: &Stage) -> Result<Exit> {
    let clock = SystemClock;
    let scope = context.work_item(stage, WorkKind::Stage, clock.now());
    let started_at = scope.started_at;
    let recorded = Recorder::announce(&context.sinks, scope, context.tool, &clock);
    let identity = &context.identity;
    let lines = format!(
        "DM_DEPLOYMENT_ID={}\nDM_SERVICE={}\nDM_ENVIRONMENT={}\nTRACEPARENT={}\n{STARTED_AT}={}\n{HEARTBEAT}=1\n",
        identity.deployment,
        identity.service,
        identity.environment,
        identity.trace.traceparent(EventId::random().as_str()),
        started_at.to_rfc3339()
    );
    std::io::stdout().write_all(lines.as_bytes()).context("cannot print the variables")?;
    Ok(context.conclude(Exit::Success, &recorded))
}

/// Records that the stage ended with `status`.
pub fn finish(context: &Context, stage: &Stage, status: Status) -> Result<Exit> {
    let clock = SystemClock;
    let started_at = started_at(context, stage);
    let ended_at = clock.now();
    if started_at.is_none() {
        let unknown = format!("when {stage} began is not known here: hand {STARTED_AT} on from --start");
        warn(context.tool, &[unknown]);
    }
    let scope = context.work_item(stage, WorkKind::Stage, started_at.unwrap_or(ended_at));
    let recorder = Recorder::begin(&context.sinks, scope, &clock);
    let ended = Completion {
        id: EventId::random(),
        ts: ended_at,
        // Two machines' wall clocks may disagree: an end before the start is no duration.
        duration: started_at.and_then(|began| ended_at.signed_duration_since(began).to_std().ok()),
        status,
        reason: reason(status),
    };
    let event = context.event(stage, ended, Detail::Stage(ChildUse::default()));
    Ok(context.conclude(Exit::Success, &recorder.finish(&event, &clock)))
}

fn started_at(context: &Context, stage: &Stage) -> Option<DateTime<Utc>> {
    if let Some(text) = env::system(STARTED_AT) {
        return DateTime::parse_from_rfc3339(&text).ok().map(|when| when.with_timezone(&Utc));
    }
    let entries = Journal::new(context.sinks.state_dir.as_deref()?).read().ok()?;
    entries.into_iter().rev().find_map(|entry| match entry {
        Entry::Started(began)
            if began.identity.deployment == context.identity.deployment && began.stage == *stage =>
        {
            Some(began.ts)
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
