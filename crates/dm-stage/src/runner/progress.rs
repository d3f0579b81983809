//! The text of the status line while a command runs.

use std::path::Path;
use std::time::Duration;

use common::clock::{Stopwatch, SystemClock};
use common::duration::format_duration;
use common::event::Status;
use common::label::{Label, Stage};
use telemetry::{Context, Entry, Journal};

/// The stage, its elapsed time, its duration at the last success, and `more`.
pub(super) fn status_text(
    context: &Context,
    stage: &Stage,
    mut more: impl FnMut() -> String + Send + 'static,
) -> impl FnMut() -> String + Send + 'static {
    let stopwatch = Stopwatch::start(&SystemClock);
    let (stage, service) = (stage.clone(), context.identity.service.clone());
    let state_dir = context.sinks.state_dir.clone();
    let mut last = None;
    move || {
        // Read only once, on the thread of the status line, so that the command does not wait for it.
        let last = last.get_or_insert_with(|| {
            let duration = state_dir.as_deref().and_then(|folder| last_success(folder, &service, &stage));
            duration.map(|duration| format!(", {} last time", format_duration(duration))).unwrap_or_default()
        });
        let elapsed = Duration::from_secs(stopwatch.elapsed(&SystemClock).as_secs());
        format!("{stage} {}{last}{}", format_duration(elapsed), more())
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
