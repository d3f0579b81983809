//! The text of the status line while a command runs.

use std::time::Duration;

use common::clock::{Stopwatch, SystemClock};
use common::duration::format_duration;
use common::event::Status;
use common::identity::Identity;
use common::label::Stage;
use telemetry::{Context, Entry, Sinks, read_journal};

/// The stage, its elapsed time, its duration at the last success, and `more`.
pub(super) fn status_text(
    context: &Context,
    stage: &Stage,
    mut more: impl FnMut() -> String + Send + 'static,
) -> impl FnMut() -> String + Send + 'static {
    let stopwatch = Stopwatch::start(&SystemClock);
    let (stage, identity, sinks) = (stage.clone(), context.identity.clone(), context.sinks.clone());
    let mut last = None;
    move || {
        // Read only once, on the thread of the status line, so that the command does not wait for it.
        let last = last.get_or_insert_with(|| {
            let duration = last_success(&sinks, &identity, &stage);
            duration.map(|duration| format!(", {} last time", format_duration(duration))).unwrap_or_default()
        });
        let elapsed = Duration::from_secs(stopwatch.elapsed(&SystemClock).as_secs());
        format!("{stage} {}{last}{}", format_duration(elapsed), more())
    }
}

fn last_success(sinks: &Sinks, identity: &Identity, stage: &Stage) -> Option<Duration> {
    // Without the shared state, this machine's own last time serves.
    let (contents, _) = read_journal(sinks, identity).ok()?;
    contents.entries.into_iter().rev().find_map(|entry| match entry {
        Entry::Finished(event)
            if event.stage == *stage
                && event.identity.service == identity.service
                && event.status == Status::Success =>
        {
            Duration::try_from_secs_f64(event.duration_s?).ok()
        }
        _ => None,
    })
}
