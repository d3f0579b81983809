//! Deployments as JSON.

use chrono::{DateTime, SecondsFormat, Utc};
use common::label::Label;
use serde_json::{Value, json};

use crate::deployment::{Deployment, Ending, Row};
use crate::history::{History, Line, Now};
use crate::sentence::Conclusion;

/// The format version.
const FORMAT: u32 = 1;

/// A deployment with its stages.
pub(crate) fn deployment(deployment: &Deployment<'_>) -> Value {
    let stages: Vec<Value> = deployment.rows.iter().filter(|row| !row.is_deployment).map(stage).collect();
    let mut value = about(deployment, &Conclusion::of(deployment));
    value["stages"] = stages.into();
    value
}

/// The deployments of a history, newest first.
pub(crate) fn history(history: &History<'_>) -> Value {
    history.lines.iter().map(line).collect()
}

fn line(line: &Line<'_>) -> Value {
    let mut value = about(line.deployment, &line.conclusion);
    value["now"] = line.now.as_str().replace(' ', "_").into();
    if let Now::RolledBack(Some(target)) = &line.now {
        value["restored_version"] = target.as_str().into();
    }
    value
}

fn about(deployment: &Deployment<'_>, conclusion: &Conclusion) -> Value {
    let identity = deployment.identity;
    let label = |label: &Option<Label>| label.as_ref().map(Label::as_str).map(str::to_owned);
    let ended = matches!(deployment.ending, Ending::Ended(_)).then(|| time(deployment.until));
    let duration_s = match deployment.ending {
        Ending::Ended(event) => event.duration_s,
        _ => None,
    };
    json!({
        "v": FORMAT,
        "deployment": identity.deployment.as_str(),
        "service": identity.service.as_str(),
        "environment": identity.environment.as_str(),
        "version": label(&identity.version),
        "commit": label(&identity.commit),
        "branch": label(&identity.branch),
        "actor": label(&identity.actor),
        "run_url": label(&identity.run_url),
        "began": time(deployment.began),
        "ended": ended,
        "duration_s": duration_s,
        "outcome": conclusion.outcome.as_str(),
        "failed_stage": conclusion.failed_stage,
        "cause": conclusion.cause,
        "sentence": conclusion.sentence,
    })
}

/// A stage: what the record says, or how far it came.
fn stage(row: &Row<'_>) -> Value {
    json!({
        "service": row.service.as_str(),
        "stage": row.stage,
        "status": row.event.map_or_else(|| row.progress.as_str().replace(' ', "_"), |event| event.status.to_string()),
        "began": time(row.began),
        "ended": row.event.map(|event| time(event.ts)),
        "duration_s": row.duration.map(|duration| duration.as_secs_f64()),
        "error_type": row.event.and_then(|event| event.error_type).map(|reason| reason.to_string()),
        "cause": row.event.and_then(|event| event.cause.clone()),
        "facts": row.facts(),
    })
}

fn time(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Millis, true)
}
