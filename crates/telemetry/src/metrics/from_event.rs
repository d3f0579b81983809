//! Derives metrics from events.

use super::catalog;
use super::exposition::Exposition;
use crate::work::{WorkItem, WorkKind};
use common::event::{ChildUse, Detail, Event, Quantiles, Reason, RollbackResult, Status, TestResult};
use common::identity::Identity;
use common::label::{Label, Stage};

/// The contribution of an event: values by the kind of group they go to.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Contribution {
    /// Absolute values, safe to repeat.
    pub state: Exposition,
    /// Increments, and the zeros of [`zeros`].
    pub counters: Exposition,
}

/// The counters that nearly all work of this kind increases, and those of what went wrong, with value 0. The recording rules
/// need no zeros, but a query with `increase()` finds no increase in a series that begins at 1. Every label value as a zero
/// would be most of the series of a Pushgateway.
///
/// A tool inside a stage of the same name leaves the families of the stage to the wrapper around it, so that the run is
/// counted once.
pub(crate) fn zeros(kind: WorkKind, stage: &Stage, parent: Option<&Stage>) -> Exposition {
    let mut counters = Exposition::default();
    let good_and_bad = [Status::Success, Status::Failure];
    if parent != Some(stage) {
        for status in good_and_bad {
            counters.increase(catalog::TOTAL, &[("status", status.as_str())], 0.0);
        }
        counters.increase(catalog::COST_TOTAL, &[], 0.0);
        if stage.is_deployment() {
            counters.histogram(catalog::TIME_TO_DEPLOY, &[], catalog::TIME_TO_DEPLOY_BUCKETS);
        }
    }
    match kind {
        WorkKind::Stage => {}
        WorkKind::Migration => {
            for status in good_and_bad {
                counters.increase(catalog::MIGRATION_TOTAL, &[("status", status.as_str())], 0.0);
            }
        }
        WorkKind::Health => {
            for result in ["success", "failure"] {
                counters.increase(catalog::HEALTH_TOTAL, &[("result", result)], 0.0);
            }
        }
        WorkKind::Smoke => {
            for result in [TestResult::Pass, TestResult::Fail] {
                counters.increase(catalog::SMOKE_TOTAL, &[("result", result.as_str())], 0.0);
            }
        }
        WorkKind::Rollback => {
            // The only source that needs no configuration.
            for requests in [catalog::REQUESTS_TOTAL, catalog::REQUEST_ERRORS_TOTAL] {
                counters.increase(requests, &[("source", "probe")], 0.0);
            }
        }
    }
    counters
}

/// What `event` contributes.
pub(crate) fn contribution(event: &Event) -> Contribution {
    let mut contribution = Contribution {
        state: Exposition::default(),
        counters: zeros(work_kind(&event.detail), &event.stage, event.parent.as_ref()),
    };
    // A verdict without a rollback is not a run of the stage `rollback`.
    let ran = !matches!(event.detail, Detail::Rollback { result: None, .. });
    if ran && event.parent.as_ref() != Some(&event.stage) {
        add_stage(event, &mut contribution);
    }
    add_detail(event, &mut contribution);
    contribution
}

fn work_kind(detail: &Detail) -> WorkKind {
    match detail {
        Detail::Stage(_) => WorkKind::Stage,
        Detail::Migration { .. } => WorkKind::Migration,
        Detail::Health { .. } => WorkKind::Health,
        Detail::Smoke { .. } => WorkKind::Smoke,
        Detail::Rollback { .. } => WorkKind::Rollback,
    }
}

/// The families of a migration that is running (`value` 1) or has ended (0). `started_at` is in seconds since the epoch.
pub(crate) fn migration_in_progress(value: f64, started_at: f64) -> Exposition {
    let mut run = Exposition::default();
    run.set(catalog::MIGRATION_IN_PROGRESS, &[], value);
    run.set(catalog::MIGRATION_START, &[], started_at);
    run
}

/// The families of the run group: a deployment in progress. `started_at` is in seconds since the epoch.
pub(crate) fn in_progress(identity: &Identity, started_at: f64) -> Exposition {
    let mut run = Exposition::default();
    run.set(catalog::IN_PROGRESS, &[], 1.0);
    run.set(catalog::START, &[], started_at);
    run.set(catalog::INFO, &info_labels(identity), 1.0);
    run
}

/// The start of a stage, for as long as it runs; `None` if the start alone does not show what is going on. The deployment as
/// a whole has a group of its own, a tool in a stage of the same name leaves it to the wrapper, and dm-rollback mostly keeps
/// the version.
pub(crate) fn stage_start(work: &WorkItem) -> Option<Exposition> {
    let is_wrapped = work.parent.as_ref() == Some(&work.stage);
    if work.stage.is_deployment() || is_wrapped || work.kind == WorkKind::Rollback {
        return None;
    }
    let mut start = Exposition::default();
    let labels = [run_labels(&work.identity).as_slice(), &[("stage", work.stage.as_str())]].concat();
    start.set(catalog::STAGE_START, &labels, work.started_s());
    Some(start)
}

fn add_stage(event: &Event, to: &mut Contribution) {
    let status = event.status.as_str();
    let now = event.ts_s();
    let outcome = [("status", status), ("error_type", event.error_type.map_or("", Reason::as_str))];
    let labels = [run_labels(&event.identity).as_slice(), &outcome].concat();
    to.state.set(catalog::STAGE_END, &labels, now);
    to.counters.increase(catalog::TOTAL, &[("status", status)], 1.0);
    if let Some(duration) = event.duration_s {
        to.state.set(catalog::DURATION, &[("status", status)], duration);
    }
    match event.status {
        Status::Success => to.state.set(catalog::LAST_SUCCESS, &[], now),
        failed if failed.is_failed() => to.state.set(catalog::LAST_FAILURE, &[], now),
        _ => {}
    }
    // A deployment may fail although its stage `deploy` has put the release live.
    if event.stage.as_str() == "deploy" && event.status == Status::Success {
        to.state.set(catalog::INFO, &info_labels(&event.identity), 1.0);
    }
    to.counters.increase(catalog::COST_TOTAL, &[], event.cost_dollars.unwrap_or(0.0));
    if let Some(reason) = event.error_type {
        to.counters.increase(catalog::ERRORS_TOTAL, &[("error_type", reason.as_str())], 1.0);
    }
    if let Detail::Stage(child) | Detail::Migration { child, .. } = &event.detail {
        add_child_usage(child, &mut to.state);
    }
    if event.stage.is_deployment() {
        if let Some(duration) = event.duration_s {
            to.counters
                .histogram(catalog::TIME_TO_DEPLOY, &[], catalog::TIME_TO_DEPLOY_BUCKETS)
                .observe(duration);
        }
        if let Some(lead_time) = event.lead_time_s {
            to.counters.histogram(catalog::LEAD_TIME, &[], catalog::LEAD_TIME_BUCKETS).observe(lead_time);
        }
        if let Some(restored) = event.restored_s {
            to.counters.histogram(catalog::RESTORE, &[], catalog::RESTORE_BUCKETS).observe(restored);
        }
        if let Some(since) = event.failing_since_s {
            to.state.set(catalog::FAILING_SINCE, &[], since);
        }
        match event.status {
            Status::Success => to.state.set(catalog::INFO, &info_labels(&event.identity), 1.0),
            failed if failed.is_failed() => {
                to.state.set(catalog::FAILURE_INFO, &info_labels(&event.identity), 1.0);
            }
            _ => {}
        }
    }
}

fn add_child_usage(child: &ChildUse, state: &mut Exposition) {
    if let Some(cpu) = child.cpu_s {
        state.set(catalog::CPU, &[], cpu);
    }
    if let Some(bytes) = child.max_rss_bytes {
        state.set(catalog::MAX_RSS, &[], count(bytes));
    }
}

fn add_detail(event: &Event, to: &mut Contribution) {
    match &event.detail {
        Detail::Stage(_) => {}
        Detail::Migration { lock_wait_s, blocked_max, .. } => {
            let status = [("status", event.status.as_str())];
            to.counters.increase(catalog::MIGRATION_TOTAL, &status, 1.0);
            if let Some(duration) = event.duration_s {
                to.state.set(catalog::MIGRATION_LAG, &status, duration);
            }
            // NaN, so that the wait of an earlier migration is not taken for this one.
            to.state.set(catalog::MIGRATION_LOCK_WAIT, &[], lock_wait_s.unwrap_or(f64::NAN));
            to.state.set(catalog::MIGRATION_BLOCKED, &[], blocked_max.map_or(f64::NAN, count));
        }
        Detail::Health { probes, failures, latency_ms, targets, .. } => {
            let successes = count(probes.saturating_sub(*failures));
            to.counters.increase(catalog::HEALTH_TOTAL, &[("result", "success")], successes);
            to.counters.increase(catalog::HEALTH_TOTAL, &[("result", "failure")], count(*failures));
            add_latency(&[], *latency_ms, &mut to.state);
            for target in targets {
                add_latency(&[("target", &target.name)], target.latency_ms, &mut to.state);
            }
        }
        Detail::Smoke { results, .. } => {
            for (result, tests) in results {
                to.counters.increase(catalog::SMOKE_TOTAL, &[("result", result.as_str())], count(*tests));
            }
            if results
                .iter()
                .any(|(r, tests)| matches!(r, TestResult::Fail | TestResult::Error) && *tests > 0)
            {
                to.state.set(catalog::LAST_SMOKE_FAILURE, &[], event.ts_s());
            }
        }
        Detail::Rollback { condition, evidence, result, target, .. } => {
            for counted in evidence {
                let source = [("source", counted.source.as_str())];
                to.counters.increase(catalog::REQUESTS_TOTAL, &source, count(counted.total));
                to.counters.increase(catalog::REQUEST_ERRORS_TOTAL, &source, count(counted.errors));
                if counted.total > 0 {
                    let percent = 100.0 * count(counted.errors) / count(counted.total);
                    to.state.set(catalog::ERROR_RATE, &source, percent);
                    to.state.set(catalog::EVALUATED, &run_labels(&event.identity), event.ts_s());
                }
            }
            if *result == Some(RollbackResult::Verified) {
                to.state.set(catalog::INFO, &restored_labels(&event.identity, target.as_ref()), 1.0);
            }
            if let (Some(reason), Some(result)) = (condition, result) {
                let labels = [("reason", reason.as_str()), ("result", result.as_str())];
                to.counters.increase(catalog::ROLLBACK_TOTAL, &labels, 1.0);
                to.state.set(catalog::LAST_ROLLBACK, &[], event.ts_s());
            }
        }
    }
}

fn add_latency(labels: &[(&str, &str)], ms: Option<Quantiles>, state: &mut Exposition) {
    // NaN if no probe succeeded, so that the latency of an earlier watch is not taken for this one.
    let ms = ms.unwrap_or(Quantiles { p50: f64::NAN, p95: f64::NAN, max: f64::NAN });
    for (quantile, latency) in [("0.5", ms.p50), ("0.95", ms.p95), ("1", ms.max)] {
        let labels = [labels, &[("quantile", quantile)]].concat();
        state.set(catalog::HEALTH_LATENCY, &labels, latency);
    }
}

fn info_labels(identity: &Identity) -> [(&str, &str); 3] {
    [
        ("version", text(identity.version.as_ref())),
        ("commit", text(identity.commit.as_ref())),
        ("run_url", text(identity.run_url.as_ref())),
    ]
}

/// The release that a rollback restored. Its commit is not known, and a rollback command need not say its version.
fn restored_labels<'a>(identity: &'a Identity, target: Option<&'a Label>) -> [(&'a str, &'a str); 3] {
    [
        ("version", target.map_or("unknown", Label::as_str)),
        ("commit", ""),
        ("run_url", text(identity.run_url.as_ref())),
    ]
}

/// The run that a value comes from.
fn run_labels(identity: &Identity) -> [(&str, &str); 3] {
    [
        ("run", identity.deployment.as_str()),
        ("version", text(identity.version.as_ref())),
        ("run_url", text(identity.run_url.as_ref())),
    ]
}

fn text(label: Option<&Label>) -> &str {
    label.map_or("", Label::as_str)
}

#[expect(clippy::cast_precision_loss, reason = "exact up to 2^53")]
fn count(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests;
