//! The stages as a table.

use std::fmt::Write as _;

use common::duration::format_duration;
use common::event::{Detail, NOT_LIVE, RollbackResult, Status};
use common::http::parse_url;

use crate::deployment::{Deployment, Progress, Row};
use common::markdown::{link, text};

/// How many stages are listed.
const MAX_ROWS: usize = 100;

/// The table of all stages.
pub(super) fn table(deployment: &Deployment<'_>) -> String {
    let rows: Vec<&Row<'_>> =
        deployment.last_run().filter(|row| !row.is_deployment && is_shown(row)).collect();
    let mut markdown = "| stage | result | took | details |\n| --- | --- | ---: | --- |\n".to_owned();
    for row in rows.iter().take(MAX_ROWS) {
        let (sign, word) = mark(row);
        let took = row.duration.map(format_duration).unwrap_or_default();
        let facts = text(&row.facts().unwrap_or_default());
        // The sign stays beside its words.
        let result = format!("{sign} {word}").replace(' ', "&nbsp;");
        let _ = writeln!(markdown, "| {} | {result} | {took} | {facts} |", linked_name(row));
    }
    if rows.len() > MAX_ROWS {
        let _ = writeln!(markdown, "\n{} more stages are not listed.", rows.len() - MAX_ROWS);
    }
    markdown
}

/// Whether a row says something: a verdict to keep a version is in the first line.
pub(super) fn is_shown(row: &Row<'_>) -> bool {
    let detail = row.event.map(|event| &event.detail);
    !matches!(detail, Some(Detail::Rollback { verdict, result: None, .. }) if verdict == "keep")
}

/// The name of the stage, as a link to the run that it was part of.
fn linked_name(row: &Row<'_>) -> String {
    let url = row.identity.run_url.as_ref().and_then(|url| parse_url(url.as_str()).ok());
    url.map_or_else(|| text(&row.name()), |url| link(&row.name(), url.as_str()))
}

/// The result, as a sign and in words.
pub(crate) fn mark(row: &Row<'_>) -> (&'static str, &'static str) {
    match row.event.map(|event| &event.detail) {
        Some(Detail::Rollback { result, verdict, .. }) => match (result, verdict.as_str()) {
            (Some(RollbackResult::Verified), _) => ("↩️", "rolled back"),
            (Some(RollbackResult::Unverified), _) => ("❌", "NOT verified"),
            (Some(RollbackResult::Failed), _) => ("❌", "FAILED"),
            (None, "rollback") => ("❌", "NOT rolled back"),
            (None, "keep") => ("✅", "kept"),
            (None, NOT_LIVE) => ("➖", "nothing went live"),
            (None, _) => ("❔", "inconclusive"),
        },
        Some(Detail::Health { failures: 1.., .. }) if row.progress == Progress::Ended(Status::Success) => {
            ("⚠️", "ended")
        }
        _ => match row.progress {
            Progress::Ended(Status::Success) => ("✅", "ok"),
            Progress::Ended(Status::Failure | Status::Error) => ("❌", "FAILED"),
            Progress::Ended(Status::Timeout) => ("❌", "timed out"),
            Progress::Ended(Status::Cancelled) => ("🚫", "cancelled"),
            Progress::Ended(Status::Skipped) => ("➖", "skipped"),
            Progress::Running => ("⏳", "running"),
            Progress::Interrupted => ("💥", "interrupted"),
            Progress::NotFinished => ("❔", "not finished"),
        },
    }
}
