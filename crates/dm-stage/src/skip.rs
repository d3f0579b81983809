//! A stage that is not run, on purpose.

use std::time::Duration;

use anyhow::Result;
use common::clock::{Clock, SystemClock};
use common::event::Completion;
use common::event::{ChildUse, Detail, EventId, Status};
use common::exit::Exit;
use common::github_actions::GitHub;
use common::label::{Label, Stage};
use telemetry::context::Context;
use telemetry::recorder::Recorder;
use telemetry::work::WorkKind;

/// Records that the stage was skipped, and why.
pub fn skip(context: &Context, stage: &Stage, reason: &Label, github: &GitHub) -> Result<Exit> {
    let clock = SystemClock;
    let scope = context.work_item(stage, WorkKind::Stage, clock.now());
    let recorder = Recorder::begin(&context.sinks, scope, &clock);
    let ended = Completion {
        id: EventId::random(),
        ts: clock.now(),
        duration: Some(Duration::ZERO),
        status: Status::Skipped,
        reason: None,
    };
    github.report_stage(&context.qualified_name(stage), &ended, reason.as_str());
    let detail = Detail::Stage(ChildUse { skip_reason: Some(reason.clone()), ..ChildUse::default() });
    let event = context.event(stage, ended, detail);
    Ok(context.conclude(Exit::Success, &recorder.finish(&event, &clock)))
}
