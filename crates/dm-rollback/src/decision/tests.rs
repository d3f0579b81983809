//! The decision on whole streams.

use proptest::prelude::*;

use super::*;
use std::time::Duration;

use common::records::Baseline;

use crate::evidence::tests::{START, end, probe_at, read, read_bytes, read_with, stream, with_version};
use crate::evidence::{self, Alert, Criteria};

const FIVE: Policy =
    Policy { error_rate: Some(5.0), latency: None, health_fails: false, smoke_fails: false, alert: false };

fn verdict(policy: Policy, exit: u8, good: usize, bad: usize) -> Verdict {
    let probes = [vec![true; good], vec![false; bad]].concat();
    decide(&policy, &stream(exit, &probes), DateTime::UNIX_EPOCH)
}

fn answer(good: usize, bad: usize) -> Decision {
    verdict(FIVE, 0, good, bad).verdict
}

#[test]
fn errors_roll_back_only_with_enough_of_them() {
    assert_eq!(answer(70, 60), Decision::Rollback);
    assert_eq!(answer(70, 40), Decision::Inconclusive, "a burst of four buckets");
    assert_eq!(answer(7, 3), Decision::Inconclusive, "three seconds");
    assert_eq!(answer(6, 3), Decision::Inconclusive, "9 requests");
    assert_eq!(answer(10, 2), Decision::Inconclusive, "2 errors");
}

#[test]
fn a_version_is_kept_only_if_it_is_proven_good() {
    assert_eq!(answer(110, 0), Decision::Keep);
    assert_eq!(answer(100, 0), Decision::Inconclusive);
    assert_eq!(answer(95, 5), Decision::Inconclusive, "at the limit");
    assert_eq!(answer(0, 0), Decision::Inconclusive);
}

#[test]
fn a_watch_that_ends_in_an_outage_is_not_kept_however_long_it_was_good() {
    for failing in [5, 15, 30] {
        assert_eq!(answer(1200, failing), Decision::Inconclusive, "{failing}");
    }
}

#[test]
fn only_a_producer_that_succeeded_leads_to_a_keep() {
    assert_eq!(verdict(FIVE, 0, 300, 0).verdict, Decision::Keep);
    for exit in [1, 3, 5, 124] {
        let verdict = verdict(FIVE, exit, 300, 0);
        assert_eq!(verdict.verdict, Decision::Inconclusive, "{exit}");
        assert!(verdict.why.contains(&format!("ended with exit code {exit}")), "{}", verdict.why);
    }
}

#[test]
fn a_version_that_nobody_reached_is_neither_kept_nor_known_good() {
    let decided = |version: Option<&str>| {
        let versioned = |probe: String| match version {
            Some(version) => with_version(&probe, version),
            None => probe,
        };
        let mut lines = vec![START.to_owned()];
        lines.extend((0..300).map(|second| versioned(probe_at(second, true))));
        lines.push(end(0, 300));
        let evidence = read(&lines);
        let decision = decide(&FIVE, &evidence, DateTime::UNIX_EPOCH);
        (standing(&FIVE, &evidence, decision.verdict), decision)
    };
    let (standing, verdict) = decided(Some("1.0"));
    assert_eq!((verdict.verdict, standing), (Decision::Inconclusive, Standing::NotGood));
    assert!(verdict.why.contains("version 2.0 has not answered: 1.0 answered 300"), "{}", verdict.why);
    assert_eq!(decided(Some("2.0")).0, Standing::Proven);
    assert_eq!(decided(None).0, Standing::Assumed);
}

#[test]
fn a_clock_that_was_set_never_keeps_and_still_finds_an_outage() {
    let decided = |bad: usize| {
        let mut lines = vec![START.to_owned()];
        lines.extend((0..300).map(|second| probe_at(10_000 + second, true)));
        lines.extend((0..300).map(|second| probe_at(6400 + second, second >= bad)));
        lines.push(end(0, 600));
        decide(&FIVE, &read(&lines), DateTime::UNIX_EPOCH)
    };
    assert_eq!(decided(60).verdict, Decision::Rollback);
    let verdict = decided(0);
    assert_eq!(verdict.verdict, Decision::Inconclusive);
    assert!(verdict.why.contains("clock was set back by 1h"), "{}", verdict.why);
}

#[test]
fn a_watch_ends_as_soon_as_it_has_lasted_long_enough_and_the_version_is_good() {
    let start = START.replace(
        r#""interval_ms":1000"#,
        r#""interval_ms":1000,"watch_min_ms":200000,"watch_max_ms":600000"#,
    );
    let mut lines = vec![start];
    lines.extend((0..600).map(|second| probe_at(second, true)));
    let evidence = read(&lines);
    let verdict = decide(&FIVE, &evidence, DateTime::UNIX_EPOCH);
    assert_eq!((verdict.verdict, verdict.total, evidence.exit), (Decision::Keep, 201, None));
}

#[test]
fn the_verdict_has_the_numbers_of_the_source_that_decided() {
    let verdict = verdict(FIVE, 0, 60, 100);
    // Ten seconds a bucket: five of them, and the first request after them.
    assert_eq!((verdict.verdict, verdict.total, verdict.errors), (Decision::Rollback, 111, 51));
    assert!(verdict.evidence >= verdict.needed.map(|needed| needed - 1e-9) && verdict.needed > Some(4.0));
    assert!(verdict.detectable_percent.unwrap() > 5.0);
    let why = "51 of 111 requests failed (probe, 45.9 %): more than 5 %, evidence ";
    assert!(verdict.why.starts_with(why), "{}", verdict.why);
}

#[test]
fn earlier_failures_are_not_the_new_version_s_fault() {
    let decided = |criteria: Criteria, every: usize, second_count: usize| {
        let probes = (0..second_count).map(|second| probe_at(second, second % every != every - 1));
        let mut lines = vec![START.to_owned()];
        lines.extend(probes);
        lines.push(end(0, second_count));
        let evidence = read_with(&lines, criteria);
        let verdict = decide(&FIVE, &evidence, DateTime::UNIX_EPOCH);
        (standing(&FIVE, &evidence, verdict.verdict), verdict)
    };
    let given = Baseline { total: 1000, errors: 70 };
    let criteria = Criteria { baseline: Some(given), ..evidence::tests::FIVE };
    let (standing, verdict) = decided(criteria, 20, 1200);
    assert_eq!((verdict.verdict, verdict.baseline), (Decision::Keep, Some(given)));
    assert_eq!(standing, Standing::NoWorse, "5 % is not less than 5 %");
    assert!(verdict.threshold_used_percent > Some(8.4) && verdict.threshold_percent == Some(5.0));
    let why =
        "less than 10 %; the limit is doubled, because the rate before the deployment, 7.0 %, is above it";
    assert!(verdict.why.ends_with(why), "{}", verdict.why);
    // An outage before the deployment allows nothing.
    let outage = Criteria { baseline: Some(Baseline { total: 1000, errors: 300 }), ..evidence::tests::FIVE };
    let (_, verdict) = decided(outage, 4, 600);
    assert_eq!(verdict.verdict, Decision::Inconclusive);
    assert!(
        verdict.why.contains("no worse than before the deployment (30.0 %), and before was bad"),
        "{}",
        verdict.why
    );
    // If none is given, requests before the deployment are the baseline.
    let since = Some(DateTime::UNIX_EPOCH + Duration::from_secs(299));
    let (_, verdict) = decided(Criteria { since, ..evidence::tests::FIVE }, 14, 600);
    let before = Baseline { total: 300, errors: 21 };
    assert_eq!(
        (verdict.verdict, verdict.baseline, verdict.total),
        (Decision::Inconclusive, Some(before), 300)
    );
}

#[test]
fn slow_requests_are_a_condition_of_their_own() {
    let limit = Duration::from_secs(1);
    let latency = Latency { limit, share: 5.0 };
    let criteria = Criteria { latency: Some(latency), ..Criteria::default() };
    let policy = Policy { latency: Some(latency), ..Policy::default() };
    let decided = |slow_every: usize, policy: &Policy, criteria: Criteria| {
        let probe = |second: usize| {
            let ms = if second.is_multiple_of(slow_every) { "1000.1" } else { "1000.0" };
            probe_at(second, true).replace(r#""latency_ms":null"#, &format!(r#""latency_ms":{ms}"#))
        };
        let mut lines = vec![START.to_owned()];
        lines.extend((0..300).map(probe));
        lines.push(end(0, 300));
        decide(policy, &read_with(&lines, criteria), DateTime::UNIX_EPOCH)
    };
    assert_eq!(decided(150, &policy, criteria).verdict, Decision::Keep);
    let verdict = decided(2, &policy, criteria);
    assert_eq!((verdict.verdict, verdict.condition), (Decision::Rollback, Some(Condition::Latency)));
    assert!(verdict.why.contains("requests took longer than 1.0s (probe, 5"), "{}", verdict.why);
    // In addition to errors, of which there are none.
    let both = Policy { error_rate: Some(5.0), ..policy };
    let verdict = decided(2, &both, Criteria { error_rate: Some(5.0), ..criteria });
    assert_eq!((verdict.verdict, verdict.condition), (Decision::Rollback, Some(Condition::Latency)));
}

#[test]
fn only_a_new_alert_rolls_back() {
    let policy = Policy { alert: true, ..Policy::default() };
    let name = || "ApiDown".to_owned();
    for (alert, answer) in [
        (Some(Alert::Firing(name())), Decision::Rollback),
        (Some(Alert::FiredBefore(name())), Decision::Inconclusive),
        (Some(Alert::Quiet), Decision::Keep),
        (Some(Alert::Unknown(name())), Decision::Inconclusive),
        (None, Decision::Inconclusive),
    ] {
        let mut evidence = Evidence::new(Criteria::default());
        evidence.alert = alert;
        assert_eq!(decide(&policy, &evidence, DateTime::UNIX_EPOCH).verdict, answer);
        // An alert counts on its own; to keep, nothing may be damaged.
        evidence.damage = Some("cut".to_owned());
        let answer = if answer == Decision::Keep { Decision::Inconclusive } else { answer };
        assert_eq!(decide(&policy, &evidence, DateTime::UNIX_EPOCH).verdict, answer);
    }
}

#[test]
fn sources_do_not_dilute_each_other() {
    let count = |second: u32, src: &str, total: u32, errors: u32| {
        format!(
            r#"{{"v":1,"type":"count","ts":"2026-01-01T00:00:{second}Z","window_ms":10000,"src":"{src}","total":{total},"errors":{errors}}}"#
        )
    };
    let mut lines = vec![START.to_owned()];
    for second in [10, 20, 30, 40, 50, 55] {
        lines.extend([count(second, "nginx", 20, 6), count(second, "probe", 5000, 0)]);
    }
    lines.push(end(0, 12));
    let verdict = decide(&FIVE, &read(&lines), DateTime::UNIX_EPOCH);
    assert_eq!((verdict.verdict, verdict.total, verdict.errors), (Decision::Rollback, 120, 36));
}

#[test]
fn a_producer_s_exit_code_is_a_condition_of_its_own() {
    let health = Policy { health_fails: true, ..Policy::default() };
    assert_eq!(verdict(health, 1, 0, 5).verdict, Decision::Rollback);
    assert_eq!(verdict(health, 124, 0, 5).verdict, Decision::Rollback);
    assert_eq!(verdict(health, 0, 1, 0).verdict, Decision::Keep);
    assert_eq!(verdict(health, 5, 1, 0).verdict, Decision::Inconclusive);
    let smoke = Policy { smoke_fails: true, ..Policy::default() };
    assert_eq!(verdict(smoke, 1, 0, 5).verdict, Decision::Inconclusive, "a dm-health stream");
    let mut contradiction = read(&[START.replace("dm-health", "dm-smoke"), end(0, 0)]);
    contradiction.failed_tests = 1;
    assert_eq!(decide(&smoke, &contradiction, DateTime::UNIX_EPOCH).verdict, Decision::Inconclusive);
    assert_eq!(verdict(health, 0, 0, 0).verdict, Decision::Inconclusive, "no probe at all");
    for (result, answer) in
        [("pass", Decision::Keep), ("flaky", Decision::Keep), ("skip", Decision::Inconclusive)]
    {
        let test = format!(r#"{{"v":1,"type":"test","name":"checkout","result":"{result}"}}"#);
        let lines = [START.replace("dm-health", "dm-smoke"), test, end(0, 1)];
        assert_eq!(decide(&smoke, &read(&lines), DateTime::UNIX_EPOCH).verdict, answer, "{result}");
    }
}

#[test]
fn a_service_that_worked_has_to_fail_for_long_enough() {
    let health = Policy { health_fails: true, ..FIVE };
    let outage = |good, bad| {
        let probes = [vec![true; good], vec![false; bad]].concat();
        let mut lines = vec![START.to_owned()];
        lines.extend(probes.iter().enumerate().map(|(second, ok)| probe_at(second, *ok)));
        lines.push(end(1, probes.len()));
        let criteria = Criteria { outage: true, error_rate: None, ..evidence::tests::FIVE };
        decide(
            &Policy { health_fails: true, ..Policy::default() },
            &read_with(&lines, criteria),
            DateTime::UNIX_EPOCH,
        )
        .verdict
    };
    assert_eq!(verdict(health, 1, 300, 5).verdict, Decision::Inconclusive, "a burst of 5 s");
    assert_eq!(outage(300, 25), Decision::Inconclusive, "a burst of 25 s");
    assert_eq!(outage(300, 50), Decision::Rollback);
    assert_eq!(outage(0, 5), Decision::Rollback, "it never worked");
}

#[test]
fn any_condition_triggers_and_all_must_be_clear() {
    let both = Policy { health_fails: true, ..FIVE };
    assert_eq!(verdict(both, 1, 0, 5).condition, Some(Condition::HealthFails));
    assert_eq!(verdict(FIVE, 0, 70, 60).condition, Some(Condition::ErrorRate));
    assert_eq!(verdict(both, 0, 120, 0).verdict, Decision::Keep);
    assert_eq!(verdict(both, 0, 20, 0).verdict, Decision::Inconclusive);
}

#[test]
fn the_failed_smoke_tests_are_named() {
    let test = |name: &str, message: &str| {
        format!(r#"{{"v":1,"type":"test","name":"{name}","result":"fail","message":"{message}"}}"#)
    };
    let lines = [
        START.replace("dm-health", "dm-smoke"),
        test("checkout", "expected status 200, got 500"),
        test("login\\n::error::x", "expected status 200, got 500"),
        end(1, 2),
    ];
    let verdict =
        decide(&Policy { smoke_fails: true, ..Policy::default() }, &read(&lines), DateTime::UNIX_EPOCH);
    let why = "2 smoke tests failed: checkout: expected status 200, got 500; login ::error::x: expected status 200, got 500";
    assert_eq!((verdict.verdict, verdict.why.as_str()), (Decision::Rollback, why));
}

proptest! {
    #[test]
    fn more_errors_never_weaken_the_case(good in 0..300_usize, bad in 0..300_usize) {
        if answer(good, bad) == Decision::Rollback {
            prop_assert_eq!(answer(good, bad + 1), Decision::Rollback);
        }
    }

    #[test]
    fn no_garbage_in_a_good_stream_rolls_back(
        at in 0..20_000_usize, garbage in proptest::collection::vec(any::<u8>(), 0..20), over in 0..30_usize,
    ) {
        let mut lines = vec![START.to_owned()];
        lines.extend((0..80).map(|second| probe_at(second, true)));
        lines.push(end(0, 80));
        let mut bytes = lines.join("\n").into_bytes();
        let at = at % bytes.len();
        let until = (at + over).min(bytes.len());
        bytes.splice(at..until, garbage);
        let evidence = read_bytes(bytes.as_slice(), evidence::tests::FIVE);
        prop_assert_ne!(decide(&FIVE, &evidence, DateTime::UNIX_EPOCH).verdict, Decision::Rollback);
    }

    #[test]
    fn a_cut_stream_neither_rolls_back_nor_keeps(good in 0..100_usize, bad in 0..100_usize) {
        let probes = [vec![true; good], vec![false; bad]].concat();
        let mut evidence = stream(0, &probes);
        evidence.damage = Some("cut".to_owned());
        let all = Policy { health_fails: true, smoke_fails: true, alert: true, ..FIVE };
        prop_assert_eq!(decide(&all, &evidence, DateTime::UNIX_EPOCH).verdict, Decision::Inconclusive);
    }
}
