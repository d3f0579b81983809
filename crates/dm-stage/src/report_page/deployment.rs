//! The report about one deployment.

use anyhow::Result;
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use common::duration::format_duration;
use common::label::Label;
use minijinja::{Value, context};

use super::evidence::{migrations, outputs, probes, resources, smoke, verdicts};
use super::render::render;
use super::statistics::cost;
use crate::deployment::{Deployment, Row};
use crate::page::{LinkBases, links, mark};
use crate::sentence::{Conclusion, Outcome};

/// How many stages are listed.
const MAX_ROWS: usize = 1000;

/// The report as HTML.
///
/// # Errors
/// A fault of this program.
pub(crate) fn deployment_report(
    deployment: &Deployment<'_>,
    conclusion: &Conclusion,
    bases: &LinkBases,
    now: DateTime<Utc>,
) -> Result<String> {
    let events = deployment.events();
    let rows: Vec<&Row<'_>> = deployment.last_run().filter(|row| !row.is_deployment).collect();
    let links: Vec<Value> =
        links(deployment, conclusion, bases).into_iter().map(|(name, url)| context! { name, url }).collect();
    let identity = deployment.identity;
    let values = context! {
        title => format!("{} in {}: {}", identity.service, identity.environment, conclusion.outcome.as_str()),
        made => moment(now),
        tone => tone(conclusion.outcome),
        sentence => conclusion.sentence,
        facts => facts(deployment),
        links,
        stages => rows.iter().take(MAX_ROWS).map(|row| stage(row, deployment)).collect::<Vec<_>>(),
        unlisted => rows.len().saturating_sub(MAX_ROWS),
        verdicts => verdicts(&events)?,
        probes => probes(&events),
        smoke => smoke(&events),
        migrations => migrations(&events),
        outputs => outputs(&events),
    };
    render("deployment.html", values)
}

/// What was deployed where, when and by whom.
fn facts(deployment: &Deployment<'_>) -> Vec<Value> {
    let identity = deployment.identity;
    let text = |label: &Option<Label>| label.as_ref().map(ToString::to_string);
    let took = (deployment.until - deployment.began).to_std().unwrap_or_default();
    let facts = [
        ("Service", Some(identity.service.to_string())),
        ("Environment", Some(identity.environment.to_string())),
        ("Version", text(&identity.version)),
        ("Commit", text(&identity.commit).map(|commit| commit.chars().take(12).collect())),
        ("Branch", text(&identity.branch)),
        ("Started by", text(&identity.actor)),
        ("Deployment", Some(identity.deployment.to_string())),
        ("Began", Some(moment(deployment.began))),
        ("Took", Some(format_duration(took))),
        ("Cost", cost(deployment).map(dollars)),
    ];
    facts.into_iter().filter_map(|(name, value)| Some(context! { name, value => value? })).collect()
}

/// A stage, with its place in the time of the deployment, in percent.
fn stage(row: &Row<'_>, deployment: &Deployment<'_>) -> Value {
    let whole = (deployment.until - deployment.began).max(TimeDelta::milliseconds(1));
    let share =
        |length: TimeDelta| (100.0 * length.as_seconds_f64() / whole.as_seconds_f64()).clamp(0.0, 100.0);
    let start = share(row.began - deployment.began);
    let (sign, word) = mark(row);
    let tone = match sign {
        "✅" | "↩️" => "good",
        "❌" | "💥" => "bad",
        _ => "other",
    };
    let after = (row.began - deployment.began).to_std().unwrap_or_default();
    context! {
        name => row.name(),
        word, tone,
        start => format!("{start:.2}"),
        // A bar is visible, however short.
        width => format!("{:.2}", share(row.until - row.began).min(100.0 - start).max(0.5)),
        after => format_duration(after),
        took => row.duration.map(format_duration),
        facts => row.facts(),
        resources => row.event.and_then(resources),
        cost => row.event.and_then(|event| event.cost_dollars).map(dollars),
    }
}

fn tone(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Deployed | Outcome::Ended => "good",
        Outcome::Failed | Outcome::Interrupted => "bad",
        _ => "other",
    }
}

/// `2026-01-01 00:00:00 UTC`
pub(super) fn moment(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Secs, true).replace('T', " ").replace('Z', " UTC")
}

/// `$1.23`; small amounts with more digits.
pub(super) fn dollars(amount: f64) -> String {
    if amount.abs() < 0.995 && amount != 0.0 { format!("${amount:.4}") } else { format!("${amount:.2}") }
}
