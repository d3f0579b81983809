//! Skipped stages.

use std::time::Duration;

use crate::runner::{OutputMode, StageResult};
use common::clock::{Clock, SystemClock};
use common::event::Completion;
use common::event::{ChildUse, Detail, EventId, Status};
use common::exit::Exit;
use common::github_actions::GitHub;
use common::label::{Label, Stage};
use telemetry::{Context, Recorder, WorkKind};

/// Why a stage is skipped, and what is live without it.
#[derive(Debug)]
pub struct Skipped {
    /// The reason.
    pub(crate) reason: Label,
    /// The release that stays live, as the platform names it.
    pub(crate) live_release: Option<Label>,
}

/// Records that the stage was skipped.
pub(crate) fn skip(
    context: &Context,
    stage: &Stage,
    skipped: Skipped,
    output: OutputMode,
    github: &GitHub,
) -> Exit {
    let clock = SystemClock;
    let work = context.work_item(stage, WorkKind::Stage, clock.now());
    let recorder = Recorder::begin(&context.sinks, work, &clock);
    let completion = Completion {
        id: EventId::random(),
        ts: clock.now(),
        duration: Some(Duration::ZERO),
        status: Status::Skipped,
        reason: None,
    };
    if output != OutputMode::Live {
        let (service, explanation) = (&context.identity.service, skipped.reason.as_str());
        StageResult { service, stage, status: Status::Skipped, duration: None, explanation }.print(&[]);
    }
    github.report_stage(&context.qualified_name(stage), &completion, skipped.reason.as_str());
    let Skipped { reason, live_release } = skipped;
    let detail = Detail::Stage(ChildUse { skip_reason: Some(reason), live_release, ..ChildUse::default() });
    let event = context.event(stage, completion, detail);
    context.conclude(Exit::Success, &recorder.finish(&event, &clock))
}
