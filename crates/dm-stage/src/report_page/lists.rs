//! Lists of deployments, of their failures and of their rollbacks. Pure.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use common::event::{Detail, Event, Reason};
use common::label::Label;
use minijinja::{Value, context};

use super::deployment::{dollars, moment};
use super::length;
use super::statistics::cost;
use crate::history::{History, Line, Now};

/// How many of the most expensive deployments are listed.
const MOST_EXPENSIVE: usize = 10;

/// How often each stage failed for each reason, with the last cause.
pub(super) fn failures(history: &History<'_>) -> Vec<Value> {
    let mut by_cause: BTreeMap<(String, &str), (u64, &Line<'_>)> = BTreeMap::new();
    for line in &history.lines {
        let Some(stage) = line.conclusion.failed_stage.clone() else { continue };
        let failed = line.deployment.last_run().filter(|row| !row.is_deployment).filter_map(|row| row.event);
        let reason = failed.filter(|event| event.status.is_failed()).find_map(|event| event.error_type);
        let reason = reason.map_or("other", Reason::as_str);
        // The first is the newest.
        by_cause.entry((stage, reason)).or_insert((0, line)).0 += 1;
    }
    let mut rows: Vec<_> = by_cause.into_iter().collect();
    rows.sort_by_key(|(_, (count, _))| Reverse(*count));
    let row = |((stage, reason), (count, line)): ((String, &str), (u64, &Line<'_>))| {
        let cause = line.conclusion.cause.clone().unwrap_or_default();
        context! { stage, reason => reason.replace('_', " "), count, cause, deployment => line.deployment.identity.deployment.as_str() }
    };
    rows.into_iter().map(row).collect()
}

/// The rollbacks of a deployment.
pub(super) fn rollbacks(line: &Line<'_>) -> Vec<Value> {
    let rollback = |event: &&Event| {
        let Detail::Rollback { result: Some(result), target, why, .. } = &event.detail else { return None };
        let version = |label: Option<&Label>| label.map(ToString::to_string);
        Some(context! {
            at => moment(event.ts), service => event.identity.service.as_str(),
            from => version(event.identity.version.as_ref()), to => version(target.as_ref()),
            result => result.as_str(), why => why.clone().unwrap_or_default(),
        })
    };
    line.deployment.events().iter().filter_map(rollback).collect()
}

/// The deployments that cost most.
pub(super) fn expensive(history: &History<'_>) -> Vec<Value> {
    let mut costs: Vec<(f64, &Line<'_>)> = history
        .lines
        .iter()
        .filter_map(|line| Some((cost(line.deployment)?, line)))
        .filter(|(cost, _)| *cost > 0.0)
        .collect();
    costs.sort_by(|(one, _), (other, _)| other.total_cmp(one));
    costs.truncate(MOST_EXPENSIVE);
    costs.iter().map(|(cost, line)| context! { cost => dollars(*cost), ..deployment(line) }).collect()
}

/// A deployment in a line.
pub(super) fn deployment(line: &Line<'_>) -> Value {
    let deployment = line.deployment;
    let identity = deployment.identity;
    let took = (deployment.until - deployment.began).as_seconds_f64();
    let now = match &line.now {
        Now::RolledBack(Some(target)) => format!("rolled back to {target}"),
        now => now.as_str().to_owned(),
    };
    context! {
        began => moment(deployment.began), id => identity.deployment.as_str(),
        service => format!("{}/{}", identity.service, identity.environment),
        version => identity.version.as_ref().map(ToString::to_string),
        outcome => line.conclusion.outcome.as_str(),
        failed => line.conclusion.failed_stage, took => length(took),
        by => identity.actor.as_ref().map(ToString::to_string), now,
    }
}
