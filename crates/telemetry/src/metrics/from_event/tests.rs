use super::*;
use crate::metrics::exposition::Value;
use crate::testing::stage_event;
use common::event::{Condition, SourceCount};

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
    assert_eq!(counters.families["deployment_total"].series.len(), 2);
    assert_eq!(counters.families["deployment_errors_total"].series.len(), 1, "only what has happened");
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
    assert_eq!(number(&counters, catalog::RESTORE, &[]), None);
    let labels = [("version", "2.0"), ("commit", ""), ("run_url", "https://ci/7")];
    assert_eq!(number(&state, catalog::FAILURE_INFO, &labels), Some(1.0));
    assert!(!state.families.contains_key("deployment_info"), "another release is live");
}

#[test]
fn the_end_of_a_stage_names_its_run_and_its_outcome() {
    let mut event = stage_event("build");
    (event.status, event.error_type) = (Status::Failure, Some(Reason::Oom));
    let state = contribution(&event).state;
    let series: Vec<_> = state.families[catalog::STAGE_END.name].series.iter().collect();
    let [(labels, value)] = series.as_slice() else { panic!("{series:?}") };
    assert_eq!(**value, Value::Number(1_767_225_600.0));
    let expected = [
        ("error_type", "oom"),
        ("run", event.identity.deployment.as_str()),
        ("run_url", ""),
        ("status", "failure"),
        ("version", "2.0"),
    ];
    assert!(labels.iter().map(|(name, value)| (name.as_str(), value.as_str())).eq(expected), "{labels:?}");
}

#[test]
fn what_is_live_follows_the_stage_that_deploys_and_verified_rollbacks() {
    let live = |event: &Event, version: &str| {
        let labels = [("version", version), ("commit", ""), ("run_url", "")];
        number(&contribution(event).state, catalog::INFO, &labels)
    };
    let mut deploy = stage_event("deploy");
    assert_eq!(live(&deploy, "2.0"), Some(1.0));
    deploy.status = Status::Failure;
    assert_eq!(live(&deploy, "2.0"), None);
    assert_eq!(live(&stage_event("build"), "2.0"), None);
    let rolled_back = |result, target: Option<&str>| {
        let mut event = stage_event("rollback");
        event.detail = Detail::Rollback {
            verdict: "rollback".to_owned(),
            condition: Some(Condition::ErrorRate),
            evidence: Vec::new(),
            result: Some(result),
            target: target.map(|target| target.parse().unwrap()),
            why: None,
            no_worse: false,
            watch: None,
            live_release: None,
        };
        event
    };
    assert_eq!(live(&rolled_back(RollbackResult::Verified, Some("1.0")), "1.0"), Some(1.0));
    assert_eq!(live(&rolled_back(RollbackResult::Verified, None), "unknown"), Some(1.0));
    let failed = contribution(&rolled_back(RollbackResult::Unverified, Some("1.0"))).state;
    assert!(!failed.families.contains_key(catalog::INFO.name));
}

#[test]
fn a_running_stage_shows_its_start_unless_another_group_does() {
    let event = stage_event("build");
    let work = |stage: &str, parent: Option<&str>, kind| WorkItem {
        tool: "dm-stage",
        identity: event.identity.clone(),
        stage: stage.parse().unwrap(),
        parent: parent.map(|parent| parent.parse().unwrap()),
        beats_for_deployment: false,
        kind,
        started_at: event.ts,
        id: None,
    };
    let build = stage_start(&work("build", Some("deployment"), WorkKind::Stage)).unwrap();
    let run = event.identity.deployment.as_str();
    let labels = [("run", run), ("version", "2.0"), ("run_url", ""), ("stage", "build")];
    assert_eq!(number(&build, catalog::STAGE_START, &labels), Some(1_767_225_600.0));
    assert_eq!(stage_start(&work("deployment", None, WorkKind::Stage)), None);
    assert_eq!(stage_start(&work("health_check", Some("health_check"), WorkKind::Health)), None);
    assert_eq!(stage_start(&work("rollback", Some("deployment"), WorkKind::Rollback)), None);
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
        no_worse: false,
        watch: None,
        live_release: None,
    };
    let Contribution { state, counters } = contribution(&event);
    assert_eq!(number(&counters, catalog::TOTAL, &[("status", "success")]), Some(0.0));
    assert_eq!(number(&state, catalog::ERROR_RATE, &[("source", "probe")]), Some(1.5));
    assert_eq!(number(&counters, catalog::REQUESTS_TOTAL, &[("source", "probe")]), Some(200.0));
    let run = [("run", event.identity.deployment.as_str()), ("version", "2.0"), ("run_url", "")];
    assert_eq!(number(&state, catalog::EVALUATED, &run), Some(1_767_225_600.0));
    assert!(!state.families.contains_key(catalog::INFO.name));
    assert!(!counters.families.contains_key(catalog::ROLLBACK_TOTAL.name));
}
