//! A stage that is not run, on purpose.

use std::time::Duration;

use anyhow::Result;
use common::clock::{Clock, SystemClock};
use common::context::{Context, Ended};
use common::event::{ChildUse, Detail, EventId, Status};
use common::exit::Exit;
use common::github::GitHub;
use common::label::{Label, Stage};
use common::record::Recorder;
use common::scope::Work;

/// Records that the stage was skipped, and why.
pub fn skip(context: &Context, stage: &Stage, reason: &Label, github: &GitHub) -> Result<Exit> {
    let clock = SystemClock;
    let scope = context.scope(stage, Work::Stage, clock.now());
    let recorder = Recorder::begin(&context.sinks, scope, &clock);
    let ended = Ended {
        id: EventId::random(),
        ts: clock.now(),
        duration: Some(Duration::ZERO),
        status: Status::Skipped,
        reason: None,
    };
    github.tell(&context.named(stage), &ended, reason.as_str());
    let detail = Detail::Stage(ChildUse { skip_reason: Some(reason.clone()), ..ChildUse::default() });
    let event = context.event(stage, ended, detail);
    Ok(context.conclude(Exit::Good, &recorder.finish(&event, &clock)))
}
