//! What shows why a deployment failed: the end of a stage's output, the tests that failed, who held a lock.

use std::fmt::Write as _;
use std::time::Duration;

use common::duration::format_duration;
use common::event::{Detail, Event, FailedTest, Status, TestResult};

use crate::deployment::Deployment;
use common::markdown::{code_block, folded, text};

/// How many stages show the end of their output.
const MAX_OUTPUTS: usize = 5;

/// How many lines of output a stage shows, and how many bytes of them.
const MAX_LINES: usize = 50;
const MAX_BYTES: usize = 16 * 1024;

/// A shorter wait for a lock says nothing.
const NOTABLE_WAIT: Duration = Duration::from_secs(1);

/// A part for each of them.
pub(super) fn evidence(deployment: &Deployment<'_>) -> String {
    let events = deployment.events();
    let mut markdown = String::new();
    for event in &events {
        if let Detail::Smoke { results, failed, .. } = &event.detail
            && !failed.is_empty()
        {
            let is_bad = |result| matches!(result, TestResult::Fail | TestResult::Error);
            let bad = results.iter().filter(|(result, _)| is_bad(*result)).map(|(_, tests)| tests).sum();
            markdown.push_str(&tests(failed, bad));
        }
        markdown.push_str(&lock_wait(event).unwrap_or_default());
    }
    let outputs = events.iter().filter_map(|event| Some((*event, output(event)?)));
    for (event, lines) in outputs.take(MAX_OUTPUTS) {
        let title = format!("The end of the output of {}/{}", event.identity.service, event.stage);
        markdown.push_str(&folded(&title, &code_block(lines)));
        markdown.push('\n');
    }
    markdown
}

/// The failed smoke tests.
fn tests(failed: &[FailedTest], bad: u64) -> String {
    let mut markdown = "| failed smoke test | what came, and what was expected |\n| --- | --- |\n".to_owned();
    for test in failed {
        let _ = writeln!(markdown, "| {} | {} |", text(&test.name), text(&test.why));
    }
    markdown.push('\n');
    let more = bad.saturating_sub(u64::try_from(failed.len()).unwrap_or(u64::MAX));
    if more > 0 {
        let _ = writeln!(markdown, "{more} more tests failed.\n");
    }
    markdown
}

/// How long a migration waited for a lock, and who held it.
fn lock_wait(event: &Event) -> Option<String> {
    let Detail::Migration { lock_wait_s, blocked_max, blocked_by, terminated, .. } = &event.detail else {
        return None;
    };
    let waited = lock_wait_s.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())?;
    // The first line says it all, if the wait was the cause.
    let is_cause = |blocker: &str| event.cause.as_ref().is_some_and(|cause| cause.contains(blocker));
    if waited < NOTABLE_WAIT || blocked_by.as_deref().is_some_and(is_cause) {
        return None;
    }
    let mut line = format!(
        "**{}/{} waited {} for a lock**",
        text(event.identity.service.as_str()),
        text(event.stage.as_str()),
        format_duration(waited)
    );
    if let Some(blocker) = blocked_by {
        let _ = write!(line, ": {}", text(blocker));
    }
    if let Some(sessions @ 1..) = blocked_max {
        let _ = write!(line, "; {sessions} sessions waited behind it");
    }
    for session in terminated {
        let _ = write!(line, "; {}", text(session));
    }
    Some(format!("{line}\n\n"))
}

/// The lines that were kept of the output of a stage that did not succeed.
fn output(event: &Event) -> Option<&[String]> {
    let (Detail::Stage(child) | Detail::Migration { child, .. }) = &event.detail else { return None };
    let lines = &child.stderr_tail[child.stderr_tail.len().saturating_sub(MAX_LINES)..];
    let mut bytes = 0;
    let fitting = lines.iter().rev().take_while(|line| {
        bytes += line.len();
        bytes <= MAX_BYTES
    });
    let fitting = &lines[lines.len() - fitting.count()..];
    (event.status != Status::Success && !fitting.is_empty()).then_some(fitting)
}
