//! What an event of each kind says beyond what all say.

use chrono::TimeDelta;
use common::event::{ChildUse, Detail, Event, TestResult};
use opentelemetry_proto::tonic::trace::v1::span;

use crate::attributes::Attributes;
use crate::ids::nanoseconds;

/// Adds the attributes of this kind of event.
pub(crate) fn attributes(event: &Event, attributes: Attributes) -> Attributes {
    match &event.detail {
        Detail::Stage(used) => child(attributes, used),
        Detail::Migration { before, after, lock_wait_s, blocked_max, blocked_by, child: used, .. } => {
            child(attributes, used)
                .some_text("dm.migration.version.before", before.as_ref())
                .some_text("dm.migration.version.after", after.as_ref())
                .number("dm.migration.lock_wait.seconds", *lock_wait_s)
                .count("dm.migration.blocked_sessions", blocked_max.unwrap_or_default())
                .some_text("dm.migration.blocker", blocked_by.as_ref())
        }
        Detail::Health { target, probes, failures, latency_ms, .. } => attributes
            .text("dm.health.target", target)
            .count("dm.health.probes", *probes)
            .count("dm.health.failures", *failures)
            .number("dm.health.latency.p50_ms", latency_ms.map(|it| it.p50))
            .number("dm.health.latency.p95_ms", latency_ms.map(|it| it.p95)),
        Detail::Smoke { suite, results, .. } => {
            let attributes = attributes
                .text("test.suite.name", suite.as_str())
                .text("test.suite.run.status", suite_status(results));
            results.iter().fold(attributes, |all, (result, tests)| {
                all.count(&format!("dm.smoke.tests.{}", result.as_str()), *tests)
            })
        }
        Detail::Rollback { verdict, condition, evidence, result, target, why, .. } => {
            let attributes = attributes
                .text("dm.verdict", verdict)
                .some_text("dm.verdict.condition", condition.as_ref())
                .some_text("dm.verdict.reason", why.as_ref())
                .some_text("dm.rollback.result", result.as_ref())
                .some_text("dm.rollback.target", target.as_ref());
            evidence.iter().fold(attributes, |all, counts| {
                all.count(&format!("dm.requests.{}", counts.source), counts.total)
                    .count(&format!("dm.request_errors.{}", counts.source), counts.errors)
            })
        }
    }
}

/// What happened during the work: a wait for a lock, a failed test, a verdict.
pub(crate) fn events(event: &Event) -> Vec<span::Event> {
    let new = |name: &str, attributes: Attributes| span::Event {
        time_unix_nano: nanoseconds(event.ts),
        name: name.to_owned(),
        attributes: attributes.into_vec(),
        ..span::Event::default()
    };
    match &event.detail {
        Detail::Migration { lock_wait_s: Some(waited), blocked_by, .. } if *waited > 0.0 => {
            let attributes = Attributes::default()
                .number("duration_s", Some(*waited))
                .some_text("blocker", blocked_by.as_ref());
            vec![new("db.lock_wait", attributes)]
        }
        Detail::Smoke { failed, .. } => failed
            .iter()
            .map(|test| {
                let attributes = Attributes::default()
                    .text("test.case.name", &test.name)
                    .text("test.case.result.status", "fail")
                    .text("error.message", &test.why);
                new("test.case", attributes)
            })
            .collect(),
        Detail::Rollback { watch: Some(watch), .. } => watch
            .points
            .iter()
            .map(|point| {
                #[expect(clippy::cast_possible_truncation, reason = "a float-to-integer cast saturates")]
                let at = watch.began + TimeDelta::milliseconds((point.after_s * 1000.0) as i64);
                let attributes = Attributes::default()
                    .count("requests", point.total)
                    .count("errors", point.errors)
                    .number("evidence", Some(point.evidence));
                span::Event { time_unix_nano: nanoseconds(at), ..new("dm.watch", attributes) }
            })
            .collect(),
        _ => Vec::new(),
    }
}

/// The command of a stage.
fn child(attributes: Attributes, child: &ChildUse) -> Attributes {
    let code = child.exit_code.and_then(|code| u64::try_from(code).ok());
    let attributes = match code {
        Some(code) => attributes.count("process.exit.code", code),
        None => attributes,
    };
    let attempts = u64::try_from(child.attempts.len()).unwrap_or(u64::MAX);
    let attributes = if attempts > 0 { attributes.count("dm.attempts", attempts) } else { attributes };
    attributes
        .some_text("dm.signal", child.signal.as_ref())
        .some_text("dm.skip_reason", child.skip_reason.as_ref())
        .number("process.cpu.time", child.cpu_s)
}

/// `test.suite.run.status`
fn suite_status(results: &[(TestResult, u64)]) -> &'static str {
    let has =
        |wanted: &[TestResult]| results.iter().any(|(result, tests)| *tests > 0 && wanted.contains(result));
    if has(&[TestResult::Fail, TestResult::Error]) {
        "failure"
    } else if has(&[TestResult::Pass, TestResult::Flaky]) {
        "success"
    } else {
        "skipped"
    }
}
