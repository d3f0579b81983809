//! The decision on streams of health checks and smoke tests.

use chrono::DateTime;
use common::event::Condition;
use common::records::{Decision, Verdict};

use super::{Policy, Standing, decide, standing};
use crate::evidence::Criteria;
use crate::evidence::tests::{START, end, probe_at, read_with};

/// The verdict by one condition on a stream, and how the version proved good.
fn judged(condition: Condition, tool: &str, records: Vec<String>, exit: u8) -> (Verdict, Standing) {
    let policy = Policy {
        health_fails: condition == Condition::HealthFails,
        smoke_fails: condition == Condition::SmokeFails,
        ..Policy::default()
    };
    let criteria = Criteria { outage: policy.health_fails, ..Criteria::default() };
    let count = records.len();
    let lines = [vec![START.replace("dm-health", tool)], records, vec![end(exit, count)]].concat();
    let evidence = read_with(&lines, criteria);
    let verdict = decide(&policy, &evidence, DateTime::UNIX_EPOCH);
    let standing = standing(&policy, &evidence, verdict.verdict);
    (verdict, standing)
}

fn health(exit: u8, probes: Vec<String>) -> (Decision, Standing) {
    let (verdict, standing) = judged(Condition::HealthFails, "dm-health", probes, exit);
    (verdict.verdict, standing)
}

fn probes(results: impl IntoIterator<Item = bool>) -> Vec<String> {
    results.into_iter().enumerate().map(|(second, ok)| probe_at(second, ok)).collect()
}

fn smoke(exit: u8, results: &[&str]) -> (Verdict, Standing) {
    let test = |(at, result): (usize, &&str)| {
        format!(r#"{{"v":1,"type":"test","name":"test {at}","result":"{result}","message":null}}"#)
    };
    judged(Condition::SmokeFails, "dm-smoke", results.iter().enumerate().map(test).collect(), exit)
}

#[test]
fn a_healthy_version_is_known_good_only_after_as_long_as_an_outage_takes() {
    assert_eq!(health(0, probes([true])), (Decision::Keep, Standing::NotGood), "one probe");
    assert_eq!(health(0, probes([true; 35])), (Decision::Keep, Standing::NotGood), "four buckets");
    assert_eq!(health(0, probes([true; 60])), (Decision::Keep, Standing::Assumed));
    let flapping = (0..600).map(|second| second % 5 > 2).chain([true]);
    assert_eq!(health(0, probes(flapping)), (Decision::Keep, Standing::NotGood), "60 % failed");
}

#[test]
fn a_service_that_was_not_healthy_before_the_deadline_is_rolled_back() {
    assert_eq!(health(124, probes([false; 30])).0, Decision::Rollback);
    let flapping = (0..60).map(|second| second % 2 == 0);
    assert_eq!(health(124, probes(flapping)).0, Decision::Rollback);
}

#[test]
fn an_outage_of_one_target_of_two_is_an_outage() {
    let probe = |at: usize| {
        let is_a = at.is_multiple_of(2);
        let target = if is_a { "http://a/" } else { "http://b/" };
        probe_at(at / 2, is_a || at < 4).replace("http://h/health", target)
    };
    assert_eq!(health(1, (0..200).map(probe).collect()).0, Decision::Rollback);
    assert_eq!(health(1, (0..40).map(probe).collect()).0, Decision::Inconclusive, "20 s");
}

#[test]
fn smoke_tests_that_reached_their_deadline_prove_nothing() {
    let (verdict, _) = smoke(124, &["pass"]);
    assert_eq!(verdict.verdict, Decision::Inconclusive);
    assert!(verdict.why.contains("exit code 124"), "{}", verdict.why);
}

#[test]
fn a_version_is_known_good_if_a_smoke_test_passed_and_none_failed() {
    for (results, expected) in [
        (&["pass", "skip"][..], (Decision::Keep, Standing::Assumed)),
        (&["flaky"], (Decision::Keep, Standing::Assumed)),
        (&["skip", "skip"], (Decision::Inconclusive, Standing::NotGood)),
        (&[], (Decision::Inconclusive, Standing::NotGood)),
    ] {
        let (verdict, standing) = smoke(0, results);
        assert_eq!((verdict.verdict, standing), expected, "{results:?}");
    }
}

#[test]
fn the_verdict_says_what_failed_if_no_test_did() {
    let (verdict, _) = smoke(1, &["pass", "flaky"]);
    assert_eq!(verdict.verdict, Decision::Rollback);
    assert_eq!(verdict.why, "smoke tests were flaky, which dm-smoke was to fail: test 1");
    let (verdict, _) = smoke(1, &["pass", "skip"]);
    assert_eq!(verdict.verdict, Decision::Inconclusive);
    assert_eq!(verdict.why, "dm-smoke ended with exit code 1, but named no smoke test that failed");
}
