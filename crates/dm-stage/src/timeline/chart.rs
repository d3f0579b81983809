//! The timeline as text.

use chrono::{DateTime, Utc};
use common::duration::format_duration;

use crate::deployment::{Deployment, Row};

/// The width of the bar, in characters.
const WIDTH: usize = 40;

/// The timeline as text.
pub(crate) fn render(deployment: &Deployment<'_>) -> String {
    let rows = &deployment.rows;
    let began = rows.iter().map(|row| row.began).min().unwrap_or_default();
    let ended = rows.iter().map(|row| row.until).max().unwrap_or_default();
    let whole = seconds_between(began, ended).max(0.001);
    let mut text = String::new();
    if let Some(Row { identity, .. }) = rows.first() {
        let version =
            identity.version.as_ref().map(|version| format!(" version {version}")).unwrap_or_default();
        text = format!(
            "{}{version} to {}, deployment {}, {}\n",
            identity.service,
            identity.environment,
            identity.deployment,
            began.format("%Y-%m-%d %H:%M:%S UTC"),
        );
    }
    for row in rows {
        let offset = seconds_between(began, row.began) / whole;
        let share =
            row.duration.map_or_else(|| seconds_between(row.began, row.until), |it| it.as_secs_f64()) / whole;
        let duration = row.duration.map_or_else(|| "?".to_owned(), format_duration);
        let line = format!("  {:<24} {} {duration:>7}  {}", row.name(), bar(offset, share), row.outcome());
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

fn seconds_between(from: DateTime<Utc>, to: DateTime<Utc>) -> f64 {
    (to - from).to_std().unwrap_or_default().as_secs_f64()
}

/// A bar. `offset` and `share` are fractions of the whole; the bar has at least one mark.
fn bar(offset: f64, share: f64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "a width of 40")]
    let width = WIDTH as f64;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "saturates, and is clamped below"
    )]
    let column = |part: f64| (part * width).round() as usize;
    let from = column(offset).min(WIDTH - 1);
    let to = column(offset + share).clamp(from + 1, WIDTH);
    format!("{}{}{}", "·".repeat(from), "█".repeat(to - from), "·".repeat(WIDTH - to))
}

#[cfg(test)]
mod tests {
    use common::event::{
        ChildUse, Detail, InterruptedStage, RollbackResult, SourceCount, StartTag, Started, Status,
        TestResult,
    };
    use telemetry::Entry;

    use super::*;
    use crate::event_fixture::event;

    fn shown(entries: &[Entry]) -> String {
        let now = DateTime::from_timestamp(1_767_225_600, 0).unwrap();
        render(&Deployment::of(&entries.iter().collect::<Vec<_>>(), &[], now).unwrap())
    }

    #[test]
    fn a_deployment_that_was_rolled_back() {
        let stage = || Detail::Stage(ChildUse::default());
        let evidence = vec![SourceCount { source: "probe".parse().unwrap(), total: 47, errors: 14 }];
        let events = [
            event("build", (0, 95), Status::Success, stage()),
            event("deploy", (95, 110), Status::Success, stage()),
            event(
                "smoke_test",
                (110, 112),
                Status::Failure,
                Detail::Smoke {
                    suite: "api".parse().unwrap(),
                    results: vec![(TestResult::Pass, 4), (TestResult::Fail, 1), (TestResult::Skip, 0)],
                    failed: Vec::new(),
                },
            ),
            event(
                "rollback",
                (112, 130),
                Status::Success,
                Detail::Rollback {
                    verdict: "rollback".to_owned(),
                    condition: None,
                    evidence,
                    result: Some(RollbackResult::Verified),
                    target: None,
                    why: None,
                    no_worse: false,
                    watch: None,
                    live_release: None,
                },
            ),
            event("deployment", (0, 131), Status::Failure, stage()),
        ];
        insta::assert_snapshot!(shown(&events.map(Entry::Finished)));
    }

    #[test]
    fn a_deployment_that_was_interrupted() {
        let stage = || Detail::Stage(ChildUse::default());
        let build =
            event("build", (1, 95), Status::Failure, stage()).because(Some("exit code 2: no\nspace left"));
        let whole = event("deployment", (0, 0), Status::Success, stage());
        let migration = InterruptedStage {
            service: "database".parse().unwrap(),
            stage: "migration".parse().unwrap(),
            ts: build.ts,
        };
        let started = Started {
            v: whole.v,
            r#type: StartTag::Start,
            ts: whole.ts,
            tool: whole.tool,
            identity: whole.identity,
            stage: whole.stage,
            interrupted: Some(vec![migration]),
        };
        insta::assert_snapshot!(shown(&[Entry::Finished(build), Entry::Started(started)]));
    }
}
