//! What a live line says of a command that runs.

use std::path::Path;
use std::time::Duration;

use super::StageRun;
use common::clock::{Stopwatch, SystemClock};
use common::duration::format_duration;
use common::event::Status;
use common::label::{Label, Stage};
use telemetry::journal::{Entry, Journal};

/// The stage, for how long it has run, how long it took when it last succeeded, and what `more` adds.
pub(super) fn of(
    wrap: &StageRun,
    mut more: impl FnMut() -> String + Send + 'static,
) -> impl FnMut() -> String + Send + 'static {
    let stopwatch = Stopwatch::start(&SystemClock);
    let (stage, service) = (wrap.stage.clone(), wrap.context.identity.service.clone());
    let state_dir = wrap.context.sinks.state_dir.clone();
    let mut last = None;
    move || {
        // Read here, beside the command, and once.
        let last = last.get_or_insert_with(|| {
            let took = state_dir.as_deref().and_then(|folder| last_success(folder, &service, &stage));
            took.map(|took| format!(", {} last time", format_duration(took))).unwrap_or_default()
        });
        let seconds = Duration::from_secs(stopwatch.elapsed(&SystemClock).as_secs());
        format!("{stage} {}{last}{}", format_duration(seconds), more())
    }
}

fn last_success(state_dir: &Path, service: &Label, stage: &Stage) -> Option<Duration> {
    let entries = Journal::new(state_dir).read().ok()?;
    entries.into_iter().rev().find_map(|entry| match entry {
        Entry::Finished(event)
            if event.stage == *stage
                && event.identity.service == *service
                && event.status == Status::Success =>
        {
            Duration::try_from_secs_f64(event.duration_s?).ok()
        }
        _ => None,
    })
}
