//! What a deployment did, drawn from the journal: one line a stage, with a bar where it stood in time.

use std::io::{ErrorKind, Write};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use chrono::{DateTime, Utc};
use common::duration;
use common::event::{Detail, Event, Status};
use common::exit::Exit;
use common::label::Label;
use telemetry::journal::{Entry, Journal};

/// The bar's width in characters.
const WIDTH: usize = 40;

/// Prints the deployment with this id, or the last one.
pub fn show(state_dir: &Path, deployment: Option<&Label>) -> Result<Exit> {
    let journal = Journal::new(state_dir);
    let entries =
        journal.read().with_context(|| format!("cannot read the journal in {}", state_dir.display()))?;
    let events: Vec<Event> = entries
        .into_iter()
        .filter_map(|entry| match entry {
            Entry::Finished(event) => Some(event),
            Entry::Started(_) => None,
        })
        .collect();
    let Some(wanted) = deployment.or_else(|| events.last().map(|event| &event.identity.deployment)) else {
        bail!("the journal in {} is empty: nothing was deployed with it yet", state_dir.display());
    };
    let of_deployment: Vec<&Event> =
        events.iter().filter(|event| event.identity.deployment == *wanted).collect();
    if of_deployment.is_empty() {
        bail!("the journal in {} knows no deployment {wanted}", state_dir.display());
    }
    match std::io::stdout().write_all(render(&of_deployment).as_bytes()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(error).context("cannot print the timeline")
        }
        _ => Ok(Exit::Success),
    }
}

/// The timeline as text. `events` is not empty.
fn render(events: &[&Event]) -> String {
    let mut rows: Vec<(DateTime<Utc>, &Event)> =
        events.iter().map(|event| (event.started_at().unwrap_or(event.ts), *event)).collect();
    // What encloses comes before what it encloses, though it began within the same millisecond.
    rows.sort_by_key(|(began, event)| (!event.stage.is_deployment(), *began, std::cmp::Reverse(event.ts)));
    let began = rows.iter().map(|(began, _)| *began).min().unwrap_or_default();
    let ended = rows.iter().map(|(_, event)| event.ts).max().unwrap_or_default();
    let whole = seconds_between(began, ended).max(0.001);

    let (_, first) = rows[0];
    let version =
        first.identity.version.as_ref().map(|version| format!(" version {version}")).unwrap_or_default();
    let mut text = format!(
        "{}{version} to {}, deployment {}, {}\n",
        first.identity.service,
        first.identity.environment,
        first.identity.deployment,
        began.format("%Y-%m-%d %H:%M:%S UTC"),
    );
    for (start, event) in rows {
        let offset = seconds_between(began, start) / whole;
        let share = event.duration_s.unwrap_or(0.0) / whole;
        let shown = event.duration_s.map_or_else(
            || "?".to_owned(),
            |seconds| duration::format_duration(Duration::try_from_secs_f64(seconds).unwrap_or_default()),
        );
        let name = format!("{}/{}", event.identity.service, name(event));
        let line = format!("  {name:<24} {} {shown:>7}  {}", bar(offset, share), outcome(event));
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

fn seconds_between(from: DateTime<Utc>, to: DateTime<Utc>) -> f64 {
    (to - from).to_std().unwrap_or_default().as_secs_f64()
}

/// A bar from `offset`, `share` long, both of the whole; a moment is still one mark.
fn bar(offset: f64, share: f64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "a width of 40")]
    let width = WIDTH as f64;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "saturates, and is bounded after"
    )]
    let column = |part: f64| (part * width).round() as usize;
    let from = column(offset).min(WIDTH - 1);
    let to = column(offset + share).clamp(from + 1, WIDTH);
    format!("{}{}{}", "·".repeat(from), "█".repeat(to - from), "·".repeat(WIDTH - to))
}

/// What was done: a verdict that led to nothing is no run of the stage `rollback`.
fn name(event: &Event) -> &str {
    match event.detail {
        Detail::Rollback { result: None, .. } => "verdict",
        _ => event.stage.as_str(),
    }
}

fn outcome(event: &Event) -> String {
    let why = event.error_type.map(|reason| format!(" ({reason})")).unwrap_or_default();
    let status = match event.status {
        Status::Success => "ok".to_owned(),
        status => status.to_string(),
    };
    match &event.detail {
        Detail::Stage(_) | Detail::Migration { .. } => format!("{status}{why}"),
        Detail::Health { probes, failures, .. } => {
            format!("{status}{why}, {failures} of {probes} probes failed")
        }
        Detail::Smoke { results, .. } => {
            let counts: Vec<String> = results
                .iter()
                .filter(|(_, tests)| *tests > 0)
                .map(|(result, tests)| format!("{tests} {result}"))
                .collect();
            format!("{status}{why}, {}", counts.join(", "))
        }
        Detail::Rollback { verdict, evidence, result, .. } => {
            let result = result.map(|result| format!(", {result}")).unwrap_or_default();
            let seen = evidence.iter().map(|seen| format!(", {} of {} failed", seen.errors, seen.total));
            format!("{verdict}{result}{}", seen.collect::<String>())
        }
    }
}
