//! The report about the deployments of some time.

use anyhow::Result;
use chrono::{DateTime, TimeDelta, Utc};
use common::duration::format_duration;
use minijinja::{Value, context};

use super::deployment::{dollars, moment};
use super::length;
use super::lists::{deployment, expensive, failures, rollbacks};
use super::render::render;
use super::stages::{figures, runs, slowest};
use super::statistics::Statistics;
use super::trend::{Step, count_chart, duration_chart, steps};
use crate::history::{Filter, History};

/// How many deployments are listed.
const MAX_LINES: usize = 500;

/// How many bars a chart has at most.
const MAX_BARS: i64 = 60;

/// The report as HTML.
///
/// # Errors
/// A fault of this program.
pub(crate) fn period_report(history: &History<'_>, filter: &Filter, now: DateTime<Utc>) -> Result<String> {
    let first = history.lines.last().map_or(now, |line| line.deployment.began);
    let since = filter.since.map_or(first, |since| now - since);
    let period = (now - since).max(TimeDelta::days(1));
    let figures_of_all = Statistics::of(history, period);
    let stage_runs = runs(history);
    let days = (period.num_days() / MAX_BARS + 1).max(1);
    let steps = steps(history, since, now, TimeDelta::days(days));
    let values = context! {
        title => title(filter),
        made => moment(now),
        since => moment(since),
        step => if days == 1 { "day".to_owned() } else { format!("{days} days") },
        figures => cards(&figures_of_all),
        count_chart => if history.lines.is_empty() { None } else { Some(count_chart(&steps)?) },
        duration_chart => duration_chart(&steps)?,
        steps => steps.iter().filter(|step| !step.is_empty()).map(Step::row).collect::<Vec<_>>(),
        stages => figures(&stage_runs).iter().map(|it| context! {
            name => it.name, runs => it.runs, failed => it.failed,
            median => length(it.median), p95 => length(it.p95), max => length(it.max),
            trend => it.trend.map(|trend| format!("{trend:+.0} %")),
        }).collect::<Vec<_>>(),
        slowest => slowest(&stage_runs).iter().map(|run| context! {
            name => run.row.name(), took => length(run.seconds), at => moment(run.row.began),
            deployment => run.row.identity.deployment.as_str(),
        }).collect::<Vec<_>>(),
        failures => failures(history),
        rollbacks => history.lines.iter().flat_map(|line| rollbacks(line)).collect::<Vec<_>>(),
        expensive => expensive(history),
        deployments => history.lines.iter().take(MAX_LINES).map(deployment).collect::<Vec<_>>(),
        unlisted => history.lines.len().saturating_sub(MAX_LINES),
    };
    render("period.html", values)
}

fn title(filter: &Filter) -> String {
    let of = filter.service.as_ref().map(|service| format!(" of {service}")).unwrap_or_default();
    let to = filter.environment.as_ref().map(|it| format!(" to {it}")).unwrap_or_default();
    let last = filter.since.map(|since| format!(" in the last {}", span(since))).unwrap_or_default();
    format!("Deployments{of}{to}{last}")
}

/// `30 days`, `12h`
fn span(time: TimeDelta) -> String {
    match time.num_days() {
        days if TimeDelta::days(days) != time => format_duration(time.to_std().unwrap_or_default()),
        1 => "day".to_owned(),
        days => format!("{days} days"),
    }
}

/// The figures, each with its exact value for programs.
fn cards(it: &Statistics) -> Vec<Value> {
    let share = |value: Option<f64>| value.map(|value| format!("{value:.1} %"));
    let card = |name, shown: Option<String>, exact: Option<f64>, note: String| {
        context! { name, shown => shown.unwrap_or_else(|| "–".to_owned()), exact, note }
    };
    #[expect(clippy::cast_precision_loss, reason = "counts far below 2^53")]
    let count = |count: usize| Some(count as f64);
    let mut cards = vec![
        card(
            "Deployments",
            Some(it.deployments.to_string()),
            count(it.deployments),
            format!("{} succeeded, {} failed", it.succeeded, it.failed),
        ),
        card(
            "Success rate",
            share(it.success_rate()),
            it.success_rate(),
            "of those that succeeded or failed".to_owned(),
        ),
        card(
            "Deployment frequency",
            Some(format!("{:.2} a day", it.per_day)),
            Some(it.per_day),
            "successful ones".to_owned(),
        ),
        card(
            "Lead time for changes",
            it.lead_time.map(length),
            it.lead_time,
            "median, from commit to live".to_owned(),
        ),
        card(
            "Change failure rate",
            share(it.change_failure_rate()),
            it.change_failure_rate(),
            format!("{} failed", it.failed),
        ),
        card(
            "Time to restore",
            it.time_to_restore.map(length),
            it.time_to_restore,
            format!("mean of {} outages that ended", it.outages),
        ),
        card("Duration", it.duration.map(length), it.duration, "median of successful deployments".to_owned()),
        card(
            "Rollbacks",
            Some(it.rollbacks.to_string()),
            count(it.rollbacks),
            format!("{} verified", it.verified),
        ),
    ];
    if let Some(cost) = it.cost {
        cards.push(card(
            "Cost",
            Some(dollars(cost)),
            Some(cost),
            format!("{} of it for failed deployments", dollars(it.cost_of_failed)),
        ));
    }
    cards
}
