//! Stories: what happened, and the sentence about it.

use common::event::{Condition, Reason, RollbackResult};

use super::*;
use crate::deployment::Records;

mod stages;

use stages::{acted, bad, not_live, of_kind, ok, skipped, smoke_fails, stage, unhealthy, verdict, whole};

fn concluded(events: &[Event], whole: &Event) -> Conclusion {
    let records = Records::at_end(events.to_vec(), whole);
    Conclusion::of(&records.deployment(&whole.identity.deployment, whole.ts).unwrap())
}

fn sentence(events: &[Event], whole: &Event) -> String {
    concluded(events, whole).sentence
}

const RATE: Option<Condition> = Some(Condition::ErrorRate);

#[test]
fn good_deployments() {
    let kept = |service, counts| verdict((service, 90, "keep"), RATE, "0 of 90 requests failed", counts);
    for (events, expected) in [
        (vec![], "deployed 2.0.1 in 3m12s"),
        (vec![ok("build", "shop", 1), ok("deploy", "shop", 2)], "deployed 2.0.1 in 3m12s"),
        (
            vec![ok("deploy", "api", 2), kept("api", Some((90, 0)))],
            "deployed 2.0.1 in 3m12s, kept: 0 of 90 requests failed",
        ),
        (
            vec![
                ok("deploy", "api", 2),
                ok("deploy", "web", 2),
                kept("api", Some((90, 1))),
                kept("web", Some((60, 0))),
            ],
            "deployed 2.0.1 in 3m12s, kept: 1 of 150 requests failed",
        ),
        (
            vec![ok("deploy", "api", 2), ok("deploy", "web", 2), kept("api", Some((90, 0)))],
            "deployed 2.0.1 in 3m12s, kept: 0 of 90 requests failed; not judged: web",
        ),
        (
            vec![ok("deploy", "api", 2), verdict(("api", 9, "keep"), None, "dm-health succeeded", None)],
            "deployed 2.0.1 in 3m12s, kept: dm-health succeeded",
        ),
        (
            vec![
                ok("deploy", "api", 2),
                verdict(("api", 9, "inconclusive"), RATE, "too few to judge", Some((9, 0))),
            ],
            "deployed 2.0.1 in 3m12s, NOT proven good: too few to judge",
        ),
        (
            vec![
                bad("lint", "shop", 1, "exit code 1"),
                bad("test", "shop", 2, "flaky"),
                ok("test", "shop", 3),
            ],
            "deployed 2.0.1 in 3m12s, although lint failed",
        ),
        (vec![stage("deploy", "shop", (1, 1), Status::Skipped)], "ended in 3m12s"),
    ] {
        assert_eq!(sentence(&events, &whole(Status::Success)), expected);
    }
}

const COLUMN: &str = "column \"z\" does not exist (42703)";

fn because(service: &str, at: i64) -> Event {
    verdict((service, at, "rollback"), None, "the migration failed", None)
}

fn rate(at: i64) -> Event {
    let errors = "14 of 68 requests failed (probe, 20.6 %): more than 5 %";
    verdict(("api", at, "rollback"), RATE, errors, Some((68, 14)))
}

#[test]
fn failed_deployments_without_a_rollback() {
    for (events, expected) in [
        (vec![], "FAILED: exit code 1"),
        (vec![ok("build", "shop", 1), bad("test", "shop", 2, "exit code 1")], "FAILED at test: exit code 1"),
        (
            vec![
                ok("build", "api", 1),
                bad("build", "web", 1, "exit code 2"),
                stage("deploy", "api", (3, 3), Status::Skipped),
                stage("deploy", "web", (3, 3), Status::Skipped),
            ],
            "FAILED at build (web): exit code 2; nothing was deployed",
        ),
        (
            vec![bad("build", "web", 1, "exit code 2"), bad("build", "api", 2, "exit code 2")],
            "FAILED at build (api, web): exit code 2",
        ),
        (
            vec![
                bad("build", "web", 1, "exit code 2"),
                ok("build", "api", 1),
                skipped("api", 3, Some("r-7")),
                skipped("web", 3, Some("r-7")),
            ],
            "FAILED at build (web): exit code 2; nothing was deployed; release r-7 is live",
        ),
        (
            vec![skipped("api", 3, Some("r-7")), skipped("web", 3, Some("w-1")), skipped("cron", 3, None)],
            "FAILED: exit code 1; nothing was deployed: rolled back before; release r-7 is live (api); release w-1 is live \
             (web)",
        ),
        (
            vec![skipped("api", 3, Some("r-7")), skipped("web", 3, None)],
            "FAILED: exit code 1; nothing was deployed: rolled back before; release r-7 is live (api)",
        ),
        (
            vec![not_live("api", 5, Some("r-7"))],
            "FAILED: exit code 1; nothing of api went live, release r-7 is live as before",
        ),
        (vec![not_live("api", 5, None)], "FAILED: exit code 1; nothing of api went live"),
        (vec![bad("deploy", "api", 1, "exit code 7")], "FAILED at deploy: exit code 7; 2.0.1 may be live"),
    ] {
        assert_eq!(sentence(&events, &whole(Status::Failure)), expected);
    }
}

#[test]
fn failed_deployments_that_are_rolled_back() {
    let verified = Some(RollbackResult::Verified);
    for (events, expected) in [
        (
            vec![
                ok("deploy", "api", 1),
                bad("migration", "database", 5, COLUMN),
                acted(because("api", 7), verified, Some("1.3.1"), None),
            ],
            "FAILED at migration: column \"z\" does not exist (42703); api rolled back to 1.3.1, verified",
        ),
        (
            vec![
                ok("deploy", "api", 1),
                ok("deploy", "web", 1),
                unhealthy("api", 5, "api is unhealthy: status 503"),
                acted(
                    verdict(
                        ("api", 7, "rollback"),
                        Some(Condition::HealthFails),
                        "dm-health: unhealthy",
                        None,
                    ),
                    verified,
                    Some("1.3.1"),
                    None,
                ),
                acted(
                    because("web", 9),
                    Some(RollbackResult::Unverified),
                    None,
                    Some("no answer within 5m00s"),
                ),
            ],
            "FAILED at health check: api is unhealthy: status 503; api rolled back to 1.3.1, verified; \
             web rolled back, NOT verified: no answer within 5m00s; 2.0.1 may be live (web)",
        ),
        (
            vec![
                ok("deploy", "api", 1),
                acted(rate(60), verified, Some("1.3.1"), None),
                bad("health_check", "api", 99, "x"),
            ],
            "FAILED at watch: 14 of 68 requests failed (probe, 20.6 %): more than 5 %; api rolled back to 1.3.1, verified",
        ),
        (
            vec![
                ok("deploy", "api", 1),
                of_kind(ok("health_check", "api", 3), unhealthy("api", 3, "x").detail),
                acted(
                    verdict(("api", 60, "rollback"), Some(Condition::HealthFails), "all probes fail", None),
                    verified,
                    Some("1.3.1"),
                    None,
                ),
            ],
            "FAILED at watch: all probes fail; api rolled back to 1.3.1, verified",
        ),
        (
            vec![
                ok("deploy", "api", 1),
                smoke_fails(5, "\"login\": status 500, expected 200"),
                acted(
                    verdict(("api", 7, "rollback"), Some(Condition::SmokeFails), "1 test failed", None),
                    None,
                    None,
                    Some("NOT rolled back: the kill switch is on (the variable DM_ROLLBACK_DISABLED)"),
                ),
            ],
            "FAILED at smoke test: \"login\": status 500, expected 200; api NOT rolled back: the kill switch is on (the \
             variable DM_ROLLBACK_DISABLED); 2.0.1 may be live",
        ),
        (
            vec![
                acted(
                    rate(60),
                    Some(RollbackResult::Failed),
                    Some("1.3.1"),
                    Some("the rollback FAILED: exit code 3. Act now"),
                ),
                // The same question again is refused, which changes nothing.
                acted(rate(70), None, None, Some("NOT rolled back again: it failed")),
            ],
            "FAILED at watch: 14 of 68 requests failed (probe, 20.6 %): more than 5 %; the rollback of api to 1.3.1 \
             FAILED: exit code 3. Act now; 2.0.1 may be live",
        ),
        (
            vec![
                ok("deploy", "api", 1),
                verdict(("api", 9, "inconclusive"), RATE, "9 of 68 failed, not proven", Some((68, 9))),
            ],
            "INCONCLUSIVE: 9 of 68 failed, not proven; 2.0.1 may be live",
        ),
        (
            vec![ok("deploy", "api", 1), bad("migration", "database", 5, COLUMN), ok("rollback", "api", 7)],
            "FAILED at migration: column \"z\" does not exist (42703); the rollback command of api ran, NOT verified; \
             2.0.1 may be live",
        ),
    ] {
        assert_eq!(sentence(&events, &whole(Status::Failure)), expected);
    }
}

#[test]
fn cancelled_deployments_and_expired_time_limits() {
    let stopped = |name| stage(name, "shop", (9, 10), Status::Cancelled);
    for (events, status, expected) in [
        (vec![], Status::Cancelled, "CANCELLED; 2.0.1 may be live"),
        (
            vec![ok("deploy", "shop", 1), stopped("migration")],
            Status::Cancelled,
            "CANCELLED during migration; 2.0.1 may be live",
        ),
        (
            vec![stopped("build"), stage("deploy", "shop", (10, 10), Status::Skipped)],
            Status::Cancelled,
            "CANCELLED during build; nothing was deployed",
        ),
        (vec![stopped("deploy")], Status::Timeout, "FAILED during deploy: exit code 1; 2.0.1 may be live"),
    ] {
        assert_eq!(sentence(&events, &whole(status)), expected);
    }
}

#[test]
fn what_is_inside_a_failed_stage_is_the_cause() {
    let outer = bad("deploy", "shop", 2, "exit code 1");
    let mut inner = bad("migration", "shop", 1, "lock timeout");
    inner.identity.trace.parent_span_id = Some(outer.id.as_str().to_owned());
    let expected = "FAILED at migration: lock timeout; 2.0.1 may be live";
    assert_eq!(sentence(&[inner, outer], &whole(Status::Failure)), expected);
}

#[test]
fn an_earlier_run_with_the_same_id_does_not_count() {
    let events = [bad("build", "shop", -60, "exit code 1"), ok("build", "shop", 1)];
    assert_eq!(sentence(&events, &whole(Status::Success)), "deployed 2.0.1 in 3m12s");
}

#[test]
fn without_a_start_everything_belongs_to_the_deployment() {
    let ended = Event { duration_s: None, ..whole(Status::Failure) };
    assert_eq!(sentence(&[bad("build", "shop", 1, "exit code 1")], &ended), "FAILED at build: exit code 1");
}

#[test]
fn a_conclusion_has_the_parts_of_its_sentence() {
    let verified = Some(RollbackResult::Verified);
    let events = [
        ok("deploy", "api", 1),
        bad("migration", "database", 5, COLUMN),
        acted(because("api", 7), verified, Some("1.3.1"), None),
    ];
    let conclusion = concluded(&events, &whole(Status::Failure));
    assert_eq!(conclusion.outcome, Outcome::Failed);
    assert_eq!(
        (conclusion.failed_stage.as_deref(), conclusion.cause.as_deref()),
        (Some("migration"), Some(COLUMN))
    );
    assert_eq!(conclusion.live, LiveState::RolledBack(Some("1.3.1".parse().unwrap())));
    assert!(!conclusion.is_rollback_failed);
    for (events, status, outcome, live) in [
        (vec![ok("deploy", "api", 1)], Status::Success, Outcome::Deployed, LiveState::Live),
        (vec![skipped("api", 1, None)], Status::Success, Outcome::Ended, LiveState::NotDeployed),
        (vec![skipped("api", 1, None)], Status::Failure, Outcome::Failed, LiveState::NotDeployed),
        (vec![bad("deploy", "api", 1, "x")], Status::Failure, Outcome::Failed, LiveState::MayBeLive),
        (vec![bad("build", "api", 1, "x")], Status::Failure, Outcome::Failed, LiveState::Unknown),
        (vec![], Status::Cancelled, Outcome::Cancelled, LiveState::MayBeLive),
    ] {
        let conclusion = concluded(&events, &whole(status));
        assert_eq!((conclusion.outcome, conclusion.live), (outcome, live), "{events:?}");
    }
}

#[test]
fn text_from_outside_stays_one_bounded_line() {
    let mut event = bad("build", "shop", 1, "x");
    event.cause = Some(format!("a\n::error::b\u{202e}{}", "x".repeat(5000)));
    event.error_type = Some(Reason::Other);
    let sentence = sentence(&[event], &whole(Status::Failure));
    assert!(sentence.starts_with("FAILED at build: a ::error::b xxx"), "{sentence}");
    assert!(!sentence.contains('\n') && sentence.len() < MAX_BYTES + 9, "{}", sentence.len());
}
