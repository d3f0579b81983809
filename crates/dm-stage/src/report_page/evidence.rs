//! What the records of single stages show: probes, smoke tests, locks, the end of an output, a verdict. Pure.

use std::time::Duration;

use anyhow::Result;
use common::duration::format_duration;
use common::event::{ChildUse, Condition, Detail, Event, Quantiles, RollbackResult, TestResult};
use common::label::Label;
use minijinja::{Value, context};

use super::watch::watch;

/// The probes of each target, of each health check.
pub(super) fn probes(events: &[&Event]) -> Vec<Value> {
    let row = |event: &Event, target: &str, (probes, failures): (u64, u64), latency: Option<&Quantiles>| {
        context! {
            stage => format!("{}/{}", event.identity.service, event.stage),
            target, probes, failures,
            latency => latency.map(|it| [it.p50, it.p95, it.max].map(milliseconds)),
        }
    };
    let rows = events.iter().flat_map(|event| match &event.detail {
        Detail::Health { targets, .. } if !targets.is_empty() => targets
            .iter()
            .map(|it| row(event, &it.target, (it.probes, it.failures), it.latency_ms.as_ref()))
            .collect(),
        Detail::Health { target, probes, failures, latency_ms, .. } => {
            vec![row(event, target, (*probes, *failures), latency_ms.as_ref())]
        }
        _ => Vec::new(),
    });
    rows.collect()
}

/// The results of the smoke tests of each suite.
pub(super) fn smoke(events: &[&Event]) -> Vec<Value> {
    let suites = events.iter().filter_map(|event| {
        let Detail::Smoke { suite, results, failed } = &event.detail else { return None };
        let counts: Vec<String> =
            results.iter().filter(|(_, tests)| *tests > 0).map(|(result, tests)| format!("{tests} {result}")).collect();
        let is_bad = |result| matches!(result, TestResult::Fail | TestResult::Error);
        let bad: u64 = results.iter().filter(|(result, _)| is_bad(*result)).map(|(_, tests)| tests).sum();
        let listed = u64::try_from(failed.len()).unwrap_or(u64::MAX);
        let tests: Vec<Value> = failed.iter().map(|test| context! { name => test.name, why => test.why }).collect();
        Some(context! { suite => suite.as_str(), counts => counts.join(", "), tests, more => bad.saturating_sub(listed) })
    });
    suites.collect()
}

/// What migrations changed, waited for, and held up.
pub(super) fn migrations(events: &[&Event]) -> Vec<Value> {
    let rows = events.iter().filter_map(|event| {
        let Detail::Migration {
            before,
            after,
            lock_wait_s,
            blocked_max,
            blocked_by,
            terminated,
            dirty,
            progress,
            ..
        } = &event.detail
        else {
            return None;
        };
        let waited = lock_wait_s.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        Some(context! {
            stage => format!("{}/{}", event.identity.service, event.stage),
            before, after, blocked_by, terminated, progress,
            dirty => dirty.unwrap_or_default(),
            waited => waited.map(format_duration),
            blocked => blocked_max.unwrap_or_default(),
        })
    });
    rows.collect()
}

/// The lines that were kept of the outputs.
pub(super) fn outputs(events: &[&Event]) -> Vec<Value> {
    let outputs = events.iter().filter_map(|event| {
        let lines = &child(event)?.stderr_tail;
        let stage = format!("{}/{}", event.identity.service, event.stage);
        (!lines.is_empty()).then(|| context! { stage, lines })
    });
    outputs.collect()
}

/// The verdicts, what they led to, and how the watch went.
pub(super) fn verdicts(events: &[&Event]) -> Result<Vec<Value>> {
    let mut verdicts = Vec::new();
    for event in events {
        let Detail::Rollback { verdict, condition, evidence, result, target, why, watch: curve, .. } =
            &event.detail
        else {
            continue;
        };
        let sources: Vec<Value> = evidence
            .iter()
            .map(|it| context! { source => it.source.as_str(), total => it.total, errors => it.errors })
            .collect();
        let curve = curve.as_ref().filter(|curve| !curve.points.is_empty());
        verdicts.push(context! {
            service => event.identity.service.as_str(),
            at => event.ts.format("%H:%M:%S UTC").to_string(),
            verdict, sources, why,
            condition => condition.map(name),
            result => result.map(RollbackResult::as_str),
            target => target.as_ref().map(Label::as_str),
            watch => curve.map(|curve| watch(curve, event.ts)).transpose()?,
        });
    }
    Ok(verdicts)
}

/// What decided, in words.
fn name(condition: Condition) -> &'static str {
    match condition {
        Condition::ErrorRate => "the error rate",
        Condition::Latency => "the latency",
        Condition::HealthFails => "the health check",
        Condition::SmokeFails => "the smoke tests",
        Condition::Alert => "an alert",
        Condition::Reported => "what the script reported",
    }
}

/// The resources that a command used: `CPU 3.1s, 120 MiB`.
pub(super) fn resources(event: &Event) -> Option<String> {
    const MIB: u64 = 1024 * 1024;
    let child = child(event)?;
    let cpu = child.cpu_s.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    let cpu = cpu.map(|cpu| format!("CPU {}", format_duration(cpu)));
    let memory = child.max_rss_bytes.map(|bytes| format!("{} MiB", bytes.div_ceil(MIB)));
    let parts: Vec<String> = cpu.into_iter().chain(memory).collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

fn child(event: &Event) -> Option<&ChildUse> {
    match &event.detail {
        Detail::Stage(child) | Detail::Migration { child, .. } => Some(child),
        _ => None,
    }
}

fn milliseconds(value: f64) -> String {
    format!("{value:.0} ms")
}
