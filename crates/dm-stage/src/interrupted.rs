//! The deployment before this one, if it was interrupted: killed together with what would have reported that.

use chrono::{DateTime, Utc};
use common::cli::warn;
use common::clock::{Clock as _, SystemClock};
use common::event::Started;
use telemetry::{Context, record_interrupted};

/// Records the deployments of this service that were interrupted, and prints a line about the last one.
pub(crate) fn report(context: &Context) {
    let now = SystemClock.now();
    // If the state directory cannot be used, recording this deployment reports that.
    let interrupted = record_interrupted(context, now).unwrap_or_default();
    if let Some(last) = interrupted.last() {
        warn(context.tool, &[describe(last, now)]);
    }
}

fn describe(last: &Started, now: DateTime<Utc>) -> String {
    let id = &last.identity.deployment;
    let format = if last.ts.date_naive() == now.date_naive() { "%H:%M UTC" } else { "%Y-%m-%d %H:%M UTC" };
    let began = last.ts.format(format);
    let mut stages: Vec<String> =
        last.interrupted.iter().flatten().map(|it| it.stage.as_str().replace('_', " ")).collect();
    stages.dedup();
    let at = if stages.is_empty() { String::new() } else { format!(" at {}", stages.join(", ")) };
    match &last.identity.version {
        Some(version) => format!(
            "the previous deployment ({version}, started {began}) was interrupted{at}: {version} may be live"
        ),
        None => format!(
            "the previous deployment ({id}, started {began}) was interrupted{at}: its version may be live"
        ),
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use common::event::{ChildUse, Detail, InterruptedStage, StartTag, Status};

    use super::*;
    use crate::event_fixture::event;

    #[test]
    fn the_line_names_version_start_and_stages() {
        let event = event("deployment", (0, 60), Status::Success, Detail::Stage(ChildUse::default()));
        let stage = |name: &str| InterruptedStage {
            service: "api".parse().unwrap(),
            stage: name.parse().unwrap(),
            ts: event.ts,
        };
        let mut last = Started {
            v: event.v,
            r#type: StartTag::Start,
            ts: event.ts,
            tool: event.tool.clone(),
            identity: event.identity.clone(),
            stage: event.stage.clone(),
            interrupted: Some(vec![stage("smoke_test"), stage("smoke_test")]),
        };
        let soon = event.ts + TimeDelta::minutes(5);
        let expected =
            "the previous deployment (2.0, started 00:01 UTC) was interrupted at smoke test: 2.0 may be live";
        assert_eq!(describe(&last, soon), expected);
        (last.identity.version, last.interrupted) = (None, Some(Vec::new()));
        let expected = "the previous deployment (d-42, started 2026-01-01 00:01 UTC) was interrupted: its version may be live";
        assert_eq!(describe(&last, soon + TimeDelta::days(1)), expected);
    }
}
