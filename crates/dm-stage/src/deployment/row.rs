//! A stage that ended, runs, or was interrupted.

use std::time::Duration;

use chrono::{DateTime, Utc};
use common::duration::format_duration;
use common::event::{Detail, Event, Started, Status};
use common::identity::Identity;
use common::label::Label;
use common::term::text::short_line;
use telemetry::{Entry, Unfinished};

/// The longest cause that an outcome contains, in bytes.
const MAX_CAUSE_BYTES: usize = 120;

/// A stage of a deployment, or the deployment as a whole.
#[derive(Debug)]
pub(crate) struct Row<'a> {
    pub(crate) identity: &'a Identity,
    /// Its service: that of a stage may be another one than that of the deployment.
    pub(crate) service: &'a Label,
    /// The name of the stage. A verdict without a rollback is not a run of the stage `rollback`.
    pub(crate) stage: &'a str,
    pub(crate) is_deployment: bool,
    pub(crate) progress: Progress,
    pub(crate) began: DateTime<Utc>,
    /// When it ended, or what it is known to have lasted until.
    pub(crate) until: DateTime<Utc>,
    /// How long it took; `None` if that is not known.
    pub(crate) duration: Option<Duration>,
    /// What the journal says of its end.
    pub(crate) event: Option<&'a Event>,
}

/// How far a stage came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Progress {
    Ended(Status),
    Running,
    /// Its process was killed.
    Interrupted,
    /// Another process has to finish it.
    NotFinished,
}

impl Progress {
    /// In a word or two.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Ended(Status::Success) => "ok",
            Self::Ended(status) => status.as_str(),
            Self::Running => "running",
            Self::Interrupted => "interrupted",
            Self::NotFinished => "not finished",
        }
    }
}

impl<'a> Row<'a> {
    /// The rows of a deployment, the deployment before its stages, the others in the order of their starts.
    pub(super) fn of(entries: &[&'a Entry], unfinished: &[&'a Unfinished], now: DateTime<Utc>) -> Vec<Self> {
        let mut rows: Vec<Self> = Vec::new();
        for entry in entries {
            match entry {
                Entry::Finished(event) => rows.push(Self::of_event(event)),
                Entry::Started(start) => match &start.interrupted {
                    Some(stages) => {
                        rows.push(Self::open(start, Progress::Interrupted));
                        rows.extend(stages.iter().map(|it| Self {
                            stage: it.stage.as_str(),
                            service: &it.service,
                            is_deployment: false,
                            began: it.ts,
                            until: it.ts,
                            ..Self::open(start, Progress::Interrupted)
                        }));
                    }
                    None if !is_finished(start, entries) => {
                        rows.push(Self::open(start, Progress::NotFinished));
                    }
                    None => {}
                },
            }
        }
        for work in unfinished {
            rows.push(if work.is_interrupted(now) {
                Self::open(&work.started, Progress::Interrupted)
            } else {
                let duration = (now - work.started.ts).to_std().ok();
                Self { until: now, duration, ..Self::open(&work.started, Progress::Running) }
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

    /// `api/deploy`
    pub(crate) fn name(&self) -> String {
        format!("{}/{}", self.service, self.stage)
    }

    /// Whether it is a deployment that is not within another one.
    pub(super) fn is_whole(&self) -> bool {
        let parent = self.event.and_then(|event| event.parent.as_ref());
        self.is_deployment && parent.is_none_or(|parent| !parent.is_deployment())
    }

    /// How it ended, in a few words: `failure (exit_code): exit code 1`.
    pub(crate) fn outcome(&self) -> String {
        self.event.map_or_else(|| self.progress.as_str().to_owned(), outcome)
    }

    /// What is on record about it, other than how it ended.
    pub(crate) fn facts(&self) -> Option<String> {
        self.event.and_then(facts)
    }

    fn of_event(event: &'a Event) -> Self {
        Self {
            identity: &event.identity,
            service: &event.identity.service,
            stage: name(event),
            is_deployment: event.stage.is_deployment(),
            progress: Progress::Ended(event.status),
            began: event.started_at().unwrap_or(event.ts),
            until: event.ts,
            duration: event
                .duration_s
                .map(|seconds| Duration::try_from_secs_f64(seconds).unwrap_or_default()),
            event: Some(event),
        }
    }

    fn open(start: &'a Started, progress: Progress) -> Self {
        Self {
            identity: &start.identity,
            service: &start.identity.service,
            stage: start.stage.as_str(),
            is_deployment: start.stage.is_deployment(),
            progress,
            began: start.ts,
            until: start.ts,
            duration: None,
            event: None,
        }
    }
}

/// Whether another process has ended what this one began.
fn is_finished(start: &Started, entries: &[&Entry]) -> bool {
    entries.iter().any(|entry| {
        matches!(entry, Entry::Finished(event) if event.stage == start.stage
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

/// What is on record about the work, other than how it ended: `0 of 3 probes failed: the cause`.
fn facts(event: &Event) -> Option<String> {
    let parts: Vec<String> = details(event).into_iter().chain(cause(event)).collect();
    (!parts.is_empty()).then(|| parts.join(": "))
}

/// How it ended, with what is on record about it. For a verdict, that is how it ended.
fn outcome(event: &Event) -> String {
    let reason = event.error_type.map(|reason| format!(" ({reason})")).unwrap_or_default();
    let status = format!("{}{reason}", Progress::Ended(event.status).as_str());
    let outcome = verdict(event).unwrap_or_else(|| match (&event.detail, details(event)) {
        (Detail::Stage(_), Some(details)) => format!("{status}: {details}"),
        (_, Some(details)) => format!("{status}, {details}"),
        (_, None) => status,
    });
    cause(event).map_or_else(|| outcome.clone(), |cause| format!("{outcome}: {cause}"))
}

fn cause(event: &Event) -> Option<String> {
    event.cause.as_ref().map(|cause| short_line(cause, MAX_CAUSE_BYTES))
}

/// What the record of this kind of work says.
fn details(event: &Event) -> Option<String> {
    match &event.detail {
        Detail::Stage(child) => child.skip_reason.as_ref().map(ToString::to_string),
        Detail::Migration { before, after, lock_wait_s, .. } => {
            // The cause of a failure says whether it was a lock.
            let wait = lock_wait_s.filter(|_| event.status == Status::Success);
            migration(before.as_deref(), after.as_deref(), wait)
        }
        Detail::Health { probes, failures, .. } => Some(format!("{failures} of {probes} probes failed")),
        Detail::Smoke { results, .. } => {
            let counts = results.iter().filter(|(_, tests)| *tests > 0);
            let counts: Vec<String> = counts.map(|(result, tests)| format!("{tests} {result}")).collect();
            Some(counts.join(", "))
        }
        Detail::Rollback { evidence, result, target, .. } => {
            let to = target.as_ref().filter(|_| result.is_some()).map(|target| format!("to {target}"));
            let counts = evidence.iter().map(|count| format!("{} of {} failed", count.errors, count.total));
            let parts: Vec<String> = to.into_iter().chain(counts).collect();
            (!parts.is_empty()).then(|| parts.join(", "))
        }
    }
}

/// `rollback to 1, verified, 30 of 100 failed`
fn verdict(event: &Event) -> Option<String> {
    let Detail::Rollback { verdict, evidence, result, target, .. } = &event.detail else { return None };
    let to = target.as_ref().map(|target| format!(" to {target}")).unwrap_or_default();
    let result = result.map(|result| format!("{to}, {result}")).unwrap_or_default();
    let counts = evidence.iter().map(|count| format!(", {} of {} failed", count.errors, count.total));
    Some(format!("{verdict}{result}{}", counts.collect::<String>()))
}

/// `from 3 to 4, 48.2s of it waiting for locks`
fn migration(before: Option<&str>, after: Option<&str>, lock_wait_s: Option<f64>) -> Option<String> {
    let versions = before.zip(after).filter(|(before, after)| before != after);
    let versions = versions.map(|(before, after)| format!("from {before} to {after}"));
    let wait = lock_wait_s.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    let wait = wait.filter(|wait| wait.as_secs() > 0);
    let wait = wait.map(|wait| format!("waited {} for locks", format_duration(wait)));
    let parts: Vec<String> = versions.into_iter().chain(wait).collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}
