//! Derives metrics from events.

use super::catalog;
use super::exposition::Exposition;
use crate::work::WorkKind;
use common::event::{
    ChildUse, Condition, Detail, Event, Quantiles, Reason, RollbackResult, Status, TestResult,
};
use common::identity::Identity;
use common::label::{Label, Stage};

/// The contribution of an event: values by the kind of group they go to.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Contribution {
    /// Absolute values, safe to repeat.
    pub state: Exposition,
    /// Increments. All known label values are present, also with 0.
    pub counters: Exposition,
}

/// All counters of this kind of work, with value 0: Prometheus computes an increase of 0 for a series that starts at 1.
///
/// A tool inside a stage of the same name leaves the families of the stage to the wrapper around it, so that the run is
/// counted once.
pub(crate) fn zeros(kind: WorkKind, stage: &Stage, parent: Option<&Stage>) -> Exposition {
    let mut counters = Exposition::default();
    if parent != Some(stage) {
        for status in Status::ALL {
            counters.increase(catalog::TOTAL, &[("status", status.as_str())], 0.0);
        }
        for reason in Reason::ALL {
            counters.increase(catalog::ERRORS_TOTAL, &[("error_type", reason.as_str())], 0.0);
        }
        counters.increase(catalog::COST_TOTAL, &[], 0.0);
        if stage.is_deployment() {
            counters.histogram(catalog::TIME_TO_DEPLOY, &[], catalog::TIME_TO_DEPLOY_BUCKETS);
            counters.histogram(catalog::LEAD_TIME, &[], catalog::LEAD_TIME_BUCKETS);
            counters.histogram(catalog::RESTORE, &[], catalog::RESTORE_BUCKETS);
        }
    }
    match kind {
        WorkKind::Stage => {}
        WorkKind::Migration => {
            for status in Status::ALL {
                counters.increase(catalog::MIGRATION_TOTAL, &[("status", status.as_str())], 0.0);
            }
        }
        WorkKind::Health => {
            for result in ["success", "failure"] {
                counters.increase(catalog::HEALTH_TOTAL, &[("result", result)], 0.0);
            }
        }
        WorkKind::Smoke => {
            for result in TestResult::ALL {
                counters.increase(catalog::SMOKE_TOTAL, &[("result", result.as_str())], 0.0);
            }
        }
        WorkKind::Rollback => {
            for reason in Condition::ALL {
                for result in RollbackResult::ALL {
                    let labels = [("reason", reason.as_str()), ("result", result.as_str())];
                    counters.increase(catalog::ROLLBACK_TOTAL, &labels, 0.0);
                }
            }
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

fn add_stage(event: &Event, to: &mut Contribution) {
    let status = event.status.as_str();
    let now = event.ts_s();
    to.counters.increase(catalog::TOTAL, &[("status", status)], 1.0);
    if let Some(duration) = event.duration_s {
        to.state.set(catalog::DURATION, &[("status", status)], duration);
    }
    match event.status {
        Status::Success => to.state.set(catalog::LAST_SUCCESS, &[], now),
        failed if failed.is_failed() => to.state.set(catalog::LAST_FAILURE, &[], now),
        _ => {}
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
        Detail::Rollback { condition, evidence, result, .. } => {
            for counted in evidence {
                let source = [("source", counted.source.as_str())];
                to.counters.increase(catalog::REQUESTS_TOTAL, &source, count(counted.total));
                to.counters.increase(catalog::REQUEST_ERRORS_TOTAL, &source, count(counted.errors));
                if counted.total > 0 {
                    let percent = 100.0 * count(counted.errors) / count(counted.total);
                    to.state.set(catalog::ERROR_RATE, &source, percent);
                }
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
    fn text(label: Option<&Label>) -> &str {
        label.map_or("", Label::as_str)
    }
    [
        ("version", text(identity.version.as_ref())),
        ("commit", text(identity.commit.as_ref())),
        ("run_url", text(identity.run_url.as_ref())),
    ]
}

#[expect(clippy::cast_precision_loss, reason = "exact up to 2^53")]
fn count(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::exposition::Value;
    use crate::testing::stage_event;
    use common::event::SourceCount;

    fn number(exposition: &Exposition, family: &catalog::Family, labels: &[(&str, &str)]) -> Option<f64> {
        let labels = labels.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        match exposition.families.get(family.name)?.series.get(&labels)? {
            Value::Number(number) => Some(*number),
            Value::Histogram(histogram) => Some(histogram.count),
        }
    }

    #[test]
    fn a_failed_stage_counts_once_among_zeros() {
        let mut event = stage_event("build");
        event.status = Status::Failure;
        event.error_type = Some(Reason::ExitCode);
        let Contribution { state, counters } = contribution(&event);
        assert_eq!(number(&counters, catalog::TOTAL, &[("status", "failure")]), Some(1.0));
        assert_eq!(number(&counters, catalog::TOTAL, &[("status", "success")]), Some(0.0));
        assert_eq!(counters.families["deployment_total"].series.len(), 6);
        assert_eq!(number(&counters, catalog::ERRORS_TOTAL, &[("error_type", "exit_code")]), Some(1.0));
        assert_eq!(number(&state, catalog::DURATION, &[("status", "failure")]), Some(12.4));
        assert_eq!(number(&state, catalog::LAST_FAILURE, &[]), Some(1_767_225_600.0));
        assert!(!state.families.contains_key("deployment_last_success_timestamp_seconds"));
    }

    #[test]
    fn only_the_deployment_has_a_time_to_deploy_and_a_release() {
        let build = contribution(&stage_event("build"));
        assert!(!build.counters.families.contains_key("time_to_deploy_seconds"));
        let whole = contribution(&stage_event("deployment"));
        assert_eq!(number(&whole.counters, catalog::TIME_TO_DEPLOY, &[]), Some(1.0));
        assert_eq!(
            number(&whole.state, catalog::INFO, &[("version", "2.0"), ("commit", ""), ("run_url", "")]),
            Some(1.0)
        );
    }

    #[test]
    fn a_stage_costs_and_only_a_deployment_has_a_lead_time() {
        let mut event = stage_event("deployment");
        event.cost_dollars = Some(0.25);
        event.lead_time_s = Some(4000.0);
        let counters = contribution(&event).counters;
        assert_eq!(number(&counters, catalog::COST_TOTAL, &[]), Some(0.25));
        assert_eq!(number(&counters, catalog::LEAD_TIME, &[]), Some(1.0));
        let build = contribution(&stage_event("build")).counters;
        assert_eq!(number(&build, catalog::COST_TOTAL, &[]), Some(0.0));
        assert_eq!(number(&build, catalog::LEAD_TIME, &[]), None);
    }

    #[test]
    fn a_deployment_counts_the_outage_it_ends_and_a_failure_links_its_run() {
        let mut event = stage_event("deployment");
        (event.restored_s, event.failing_since_s) = (Some(260.0), Some(0.0));
        let Contribution { state, counters } = contribution(&event);
        assert_eq!(number(&counters, catalog::RESTORE, &[]), Some(1.0));
        assert_eq!(number(&state, catalog::FAILING_SINCE, &[]), Some(0.0));
        assert!(!state.families.contains_key("deployment_failure_info"));
        event = stage_event("deployment");
        (event.status, event.identity.run_url) = (Status::Timeout, Some("https://ci/7".parse().unwrap()));
        let Contribution { state, counters } = contribution(&event);
        assert_eq!(number(&counters, catalog::RESTORE, &[]), Some(0.0));
        let labels = [("version", "2.0"), ("commit", ""), ("run_url", "https://ci/7")];
        assert_eq!(number(&state, catalog::FAILURE_INFO, &labels), Some(1.0));
        assert!(!state.families.contains_key("deployment_info"), "another release is live");
    }

    #[test]
    fn a_tool_in_a_stage_of_its_own_name_leaves_the_stage_to_the_wrapper() {
        let mut event = stage_event("smoke_test");
        event.parent = Some("smoke_test".parse().unwrap());
        event.detail = Detail::Smoke {
            suite: "api".parse().unwrap(),
            results: vec![(TestResult::Fail, 2)],
            failed: Vec::new(),
        };
        let Contribution { state, counters } = contribution(&event);
        assert!(!counters.families.contains_key("deployment_total"));
        assert_eq!(number(&counters, catalog::SMOKE_TOTAL, &[("result", "fail")]), Some(2.0));
        assert_eq!(number(&state, catalog::LAST_SMOKE_FAILURE, &[]), Some(1_767_225_600.0));
    }

    #[test]
    fn a_kept_version_is_not_a_run_of_the_rollback_stage() {
        let mut event = stage_event("rollback");
        let evidence = vec![SourceCount { source: "probe".parse().unwrap(), total: 200, errors: 3 }];
        event.detail = Detail::Rollback {
            verdict: "keep".to_owned(),
            condition: None,
            evidence,
            result: None,
            target: None,
            why: None,
            live_release: None,
        };
        let Contribution { state, counters } = contribution(&event);
        assert_eq!(number(&counters, catalog::TOTAL, &[("status", "success")]), Some(0.0));
        assert_eq!(number(&state, catalog::ERROR_RATE, &[("source", "probe")]), Some(1.5));
        assert_eq!(number(&counters, catalog::REQUESTS_TOTAL, &[("source", "probe")]), Some(200.0));
        let unused = [("reason", "error_rate"), ("result", "verified")];
        assert_eq!(number(&counters, catalog::ROLLBACK_TOTAL, &unused), Some(0.0));
    }
}
