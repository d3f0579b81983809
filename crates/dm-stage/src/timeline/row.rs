//! A row of the timeline: a stage that ended, runs, or was interrupted.

use std::time::Duration;

use chrono::{DateTime, Utc};
use common::event::{Detail, Event, Started, Status};
use common::identity::Identity;
use common::label::Label;
use common::term::text::short_line;
use telemetry::{Entry, Unfinished};

/// The longest cause that a row shows, in bytes.
const MAX_CAUSE_BYTES: usize = 120;

/// A row.
#[derive(Debug)]
pub(super) struct Row<'a> {
    pub(super) identity: &'a Identity,
    pub(super) name: String,
    pub(super) is_deployment: bool,
    pub(super) began: DateTime<Utc>,
    /// When it ended, or what it is known to have lasted until.
    pub(super) until: DateTime<Utc>,
    /// How long it took; `None` if that is not known.
    pub(super) duration: Option<Duration>,
    pub(super) outcome: String,
}

impl<'a> Row<'a> {
    /// The rows of the deployment with this id, the deployment before its stages, the others in the order of their starts.
    pub(super) fn of_deployment(
        id: &Label,
        entries: &'a [Entry],
        unfinished: &'a [Unfinished],
        now: DateTime<Utc>,
    ) -> Vec<Self> {
        let mut rows: Vec<Self> = Vec::new();
        for entry in entries {
            match entry {
                Entry::Finished(event) if event.identity.deployment == *id => {
                    rows.push(Self::of_event(event));
                }
                Entry::Started(start) if start.identity.deployment == *id => match &start.interrupted {
                    Some(stages) => {
                        rows.push(Self::open(start, "interrupted"));
                        rows.extend(stages.iter().map(|it| Self {
                            name: format!("{}/{}", it.service, it.stage),
                            is_deployment: false,
                            began: it.ts,
                            ..Self::open(start, "interrupted")
                        }));
                    }
                    None if !is_finished(start, entries) => rows.push(Self::open(start, "not finished")),
                    None => {}
                },
                Entry::Finished(_) | Entry::Started(_) => {}
            }
        }
        for work in unfinished.iter().filter(|work| work.started.identity.deployment == *id) {
            rows.push(if work.is_interrupted(now) {
                Self::open(&work.started, "interrupted")
            } else {
                let duration = (now - work.started.ts).to_std().ok();
                Self { until: now, duration, ..Self::open(&work.started, "running") }
            });
        }
        // Nobody knows when what did not end was interrupted: after everything that is on record.
        let last = rows.iter().map(|row| row.until).max().unwrap_or(now);
        for row in rows.iter_mut().filter(|row| row.duration.is_none() && row.until == row.began) {
            row.until = last;
        }
        rows.sort_by_key(|row| (!row.is_deployment, row.began, std::cmp::Reverse(row.until)));
        rows
    }

    fn of_event(event: &'a Event) -> Self {
        Self {
            identity: &event.identity,
            name: format!("{}/{}", event.identity.service, name(event)),
            is_deployment: event.stage.is_deployment(),
            began: event.started_at().unwrap_or(event.ts),
            until: event.ts,
            duration: event
                .duration_s
                .map(|seconds| Duration::try_from_secs_f64(seconds).unwrap_or_default()),
            outcome: outcome(event),
        }
    }

    fn open(start: &'a Started, outcome: &str) -> Self {
        Self {
            identity: &start.identity,
            name: format!("{}/{}", start.identity.service, start.stage),
            is_deployment: start.stage.is_deployment(),
            began: start.ts,
            until: start.ts,
            duration: None,
            outcome: outcome.to_owned(),
        }
    }
}

/// Whether another process has ended what this one began.
fn is_finished(start: &Started, entries: &[Entry]) -> bool {
    entries.iter().any(|entry| {
        matches!(entry, Entry::Finished(event) if event.stage == start.stage
            && event.identity.deployment == start.identity.deployment
            && event.identity.service == start.identity.service)
    })
}

/// The name of the stage. A verdict without a rollback is not a run of the stage `rollback`.
fn name(event: &Event) -> &str {
    match event.detail {
        Detail::Rollback { result: None, .. } => "verdict",
        _ => event.stage.as_str(),
    }
}

fn outcome(event: &Event) -> String {
    let reason = event.error_type.map(|reason| format!(" ({reason})")).unwrap_or_default();
    let status = match event.status {
        Status::Success => "ok".to_owned(),
        status => status.to_string(),
    };
    let outcome = match &event.detail {
        Detail::Stage(_) | Detail::Migration { .. } => format!("{status}{reason}"),
        Detail::Health { probes, failures, .. } => {
            format!("{status}{reason}, {failures} of {probes} probes failed")
        }
        Detail::Smoke { results, .. } => {
            let counts: Vec<String> = results
                .iter()
                .filter(|(_, tests)| *tests > 0)
                .map(|(result, tests)| format!("{tests} {result}"))
                .collect();
            format!("{status}{reason}, {}", counts.join(", "))
        }
        Detail::Rollback { verdict, evidence, result, target, .. } => {
            let to = target.as_ref().map(|target| format!(" to {target}")).unwrap_or_default();
            let result = result.map(|result| format!("{to}, {result}")).unwrap_or_default();
            let counts = evidence.iter().map(|count| format!(", {} of {} failed", count.errors, count.total));
            format!("{verdict}{result}{}", counts.collect::<String>())
        }
    };
    match &event.cause {
        Some(cause) => format!("{outcome}: {}", short_line(cause, MAX_CAUSE_BYTES)),
        None => outcome,
    }
}
