//! The timeline of a deployment, from the journal: one line per stage, with a bar that shows when it ran.

use std::fmt::{self, Display, Formatter};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use chrono::{DateTime, Utc};
use common::cli::warn;
use common::duration::format_duration;
use common::event::{Detail, Event, Status};
use common::exit::Exit;
use common::identity::Identity;
use common::label::Label;
use common::output;
use telemetry::{Contents, Context, Entry, Journal, read_deployment, read_journal};

use crate::args::TOOL;

/// The width of the bar, in characters.
const WIDTH: usize = 40;

/// How long the shared state may take. Deployments of long ago are in many objects.
const LIMIT: Duration = Duration::from_secs(30);

/// The journals to read.
#[derive(Debug)]
pub enum Source {
    /// The one in this folder.
    Local(PathBuf),
    /// Those of all machines that deploy this service to this environment.
    Shared(Box<Context>),
}

impl Source {
    fn read(&self, deployment: Option<&Label>) -> Result<Contents> {
        match self {
            Self::Local(folder) => Journal::new(folder).read_all().with_context(|| self.unreadable()),
            Self::Shared(context) => {
                let Context { sinks, identity, .. } = context.as_ref();
                let journal = match deployment {
                    Some(id) => read_deployment(sinks, identity, id, LIMIT),
                    None => read_journal(sinks, identity),
                };
                let (contents, warning) = journal.with_context(|| self.unreadable())?;
                warn(context.tool, &Vec::from_iter(warning));
                Ok(contents)
            }
        }
    }

    fn unreadable(&self) -> String {
        format!("cannot read {self}")
    }
}

impl Display for Source {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local(folder) => write!(f, "the journal in {}", folder.display()),
            Self::Shared(context) => {
                let Identity { service, environment, .. } = &context.identity;
                write!(f, "the journal of {service} in {environment}")?;
                context.sinks.state_url.iter().try_for_each(|url| write!(f, " in {url}"))
            }
        }
    }
}

/// Prints the timeline of the deployment with this id, or of the last one.
pub(crate) fn print(source: &Source, deployment: Option<&Label>) -> Result<Exit> {
    let contents = source.read(deployment)?;
    if let Some(first) = contents.unreadable.first() {
        let more = match contents.unreadable.len() {
            1 => String::new(),
            count => format!(", and {} more", count - 1),
        };
        warn(TOOL.name, &[format!("not shown, because it cannot be read: {}{more}", first.what)]);
    }
    let events: Vec<Event> = contents
        .entries
        .into_iter()
        .filter_map(|entry| match entry {
            Entry::Finished(event) => Some(event),
            Entry::Started(_) => None,
        })
        .collect();
    let Some(id) = deployment.or_else(|| events.last().map(|event| &event.identity.deployment)) else {
        bail!("{source} is empty: no deployment has been recorded yet");
    };
    let selected: Vec<&Event> = events.iter().filter(|event| event.identity.deployment == *id).collect();
    if selected.is_empty() {
        bail!("{source} has no deployment {id}; --timeline without an ID shows the last one");
    }
    output::print(&render(&selected)).context("cannot print the timeline")?;
    Ok(Exit::Success)
}

/// The timeline as text. `events` is not empty.
fn render(events: &[&Event]) -> String {
    let mut rows: Vec<(DateTime<Utc>, &Event)> =
        events.iter().map(|event| (event.started_at().unwrap_or(event.ts), *event)).collect();
    // The deployment comes before its stages, even if it began in the same millisecond.
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
        let duration = event.duration_s.map_or_else(
            || "?".to_owned(),
            |seconds| format_duration(Duration::try_from_secs_f64(seconds).unwrap_or_default()),
        );
        let name = format!("{}/{}", event.identity.service, name(event));
        let line = format!("  {name:<24} {} {duration:>7}  {}", bar(offset, share), outcome(event));
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

/// The name of a row. A verdict without a rollback is not a run of the stage `rollback`.
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
    match &event.detail {
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
        Detail::Rollback { verdict, evidence, result, .. } => {
            let result = result.map(|result| format!(", {result}")).unwrap_or_default();
            let counts = evidence.iter().map(|count| format!(", {} of {} failed", count.errors, count.total));
            format!("{verdict}{result}{}", counts.collect::<String>())
        }
    }
}

#[cfg(test)]
mod tests {
    use common::event::{ChildUse, RollbackResult, SourceCount, TestResult};

    use super::*;
    use crate::event_fixture::event;

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
                },
            ),
            event("deployment", (0, 131), Status::Failure, stage()),
        ];
        insta::assert_snapshot!(render(&events.iter().collect::<Vec<_>>()));
    }
}
