//! The events of the stories.

use common::event::{ChildUse, Condition, Detail, NOT_LIVE, RollbackResult, SourceCount, TestResult};

use super::*;
use crate::event_fixture::event;

pub(super) fn stage(name: &str, service: &str, (start, end): (i64, i64), status: Status) -> Event {
    let mut event = event(name, (start, end), status, Detail::Stage(ChildUse::default()));
    event.identity.service = service.parse().unwrap();
    event
}

pub(super) fn ok(name: &str, service: &str, at: i64) -> Event {
    stage(name, service, (at, at + 1), Status::Success)
}

/// A stage that would have deployed, was skipped, and left this release live.
pub(super) fn skipped(service: &str, at: i64, release: Option<&str>) -> Event {
    let child = ChildUse {
        skip_reason: Some("rolled back before".parse().unwrap()),
        live_release: release.map(|release| release.parse().unwrap()),
        ..ChildUse::default()
    };
    of_kind(stage("deploy", service, (at, at), Status::Skipped), Detail::Stage(child))
}

pub(super) fn bad(name: &str, service: &str, at: i64, cause: &str) -> Event {
    stage(name, service, (at, at + 1), Status::Failure).because(Some(cause))
}

pub(super) fn of_kind(event: Event, detail: Detail) -> Event {
    Event { detail, ..event }
}

pub(super) fn unhealthy(service: &str, at: i64, cause: &str) -> Event {
    let detail = Detail::Health {
        target: "t".to_owned(),
        probes: 5,
        failures: 5,
        latency_ms: None,
        targets: Vec::new(),
    };
    of_kind(bad("health_check", service, at, cause), detail)
}

pub(super) fn smoke_fails(at: i64, cause: &str) -> Event {
    let detail = Detail::Smoke {
        suite: "api".parse().unwrap(),
        results: vec![(TestResult::Fail, 1)],
        failed: Vec::new(),
    };
    of_kind(bad("smoke_test", "shop", at, cause), detail)
}

/// A verdict: the service, when, the verdict, the condition, the reason, and requests with errors.
pub(super) fn verdict(
    (service, at, verdict): (&str, i64, &str),
    condition: Option<Condition>,
    why: &str,
    counts: Option<(u64, u64)>,
) -> Event {
    let count = |(total, errors)| SourceCount { source: "probe".parse().unwrap(), total, errors };
    let detail = Detail::Rollback {
        verdict: verdict.to_owned(),
        condition,
        evidence: counts.map(count).into_iter().collect(),
        result: None,
        target: None,
        why: Some(why.to_owned()),
        no_worse: false,
        watch: None,
        live_release: None,
    };
    let status = if verdict == "keep" { Status::Success } else { Status::Skipped };
    of_kind(stage("rollback", service, (at, at + 1), status), detail)
}

/// A verdict on a version of which nothing went live.
pub(super) fn not_live(service: &str, at: i64, release: Option<&str>) -> Event {
    let mut event = verdict((service, at, NOT_LIVE), None, "the deploy command failed", None);
    if let Detail::Rollback { live_release, .. } = &mut event.detail {
        *live_release = release.map(|release| release.parse().unwrap());
    }
    event
}

/// What came of a verdict to roll back.
pub(super) fn acted(
    mut event: Event,
    outcome: Option<RollbackResult>,
    restored: Option<&str>,
    cause: Option<&str>,
) -> Event {
    if let Detail::Rollback { result, target, .. } = &mut event.detail {
        (*result, *target) = (outcome, restored.map(|version| version.parse().unwrap()));
    }
    event.because(cause)
}

/// The whole deployment, from 0 s to 192 s.
pub(super) fn whole(status: Status) -> Event {
    let mut event = stage("deployment", "shop", (0, 192), status);
    event.identity.version = Some("2.0.1".parse().unwrap());
    if status.is_failed() {
        event = event.because(Some("exit code 1"));
    }
    event
}
