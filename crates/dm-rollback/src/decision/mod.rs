//! The decision: turns evidence into a verdict. Pure.

pub(crate) mod baseline;
mod condition;
pub(crate) mod sequential_test;

use chrono::{DateTime, Utc};
use common::duration::format_duration;
use common::event::Condition;
use common::records::{Decision, Verdict};

use crate::evidence::{ErrorCounts, Evidence, Latency};
use condition::{Finding, Numbers, check_alert, check_producer, check_requests};
use sequential_test::SequentialTest;

/// The conditions for a rollback; any of them is enough.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Policy {
    /// More than this share of requests failed, in percent, above 0 and below 100.
    pub error_rate: Option<f64>,
    /// More than a share of the requests was slow.
    pub latency: Option<Latency>,
    /// The health check ended as unhealthy.
    pub health_fails: bool,
    /// A smoke test failed.
    pub smoke_fails: bool,
    /// An alert fires.
    pub alert: bool,
}

impl Policy {
    /// Whether there is no condition at all.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Decides. A truncated or damaged stream is never a reason to roll back, nor to keep; an alert counts on its own.
///
/// One condition is enough to roll back; to keep, every condition must be clear.
pub(crate) fn decide(policy: &Policy, evidence: &Evidence, now: DateTime<Utc>) -> Verdict {
    let mut findings = Vec::new();
    if let Some(why) = &evidence.damage {
        let why = why.clone();
        findings.push(Finding { answer: Decision::Inconclusive, condition: None, why, numbers: None });
    }
    if policy.alert {
        findings.push(check_alert(evidence.alert.as_ref()));
    }
    if evidence.damage.is_none() {
        if policy.health_fails {
            findings.push(check_producer(evidence, "dm-health", Condition::HealthFails));
        }
        if policy.smoke_fails {
            findings.push(check_producer(evidence, "dm-smoke", Condition::SmokeFails));
        }
        if let Some(percent) = policy.error_rate {
            findings.extend(check_requests(
                evidence,
                Condition::ErrorRate,
                percent,
                "failed",
                |observation| &observation.errors,
            ));
        }
        if let Some(Latency { limit, share }) = policy.latency {
            let slow = format!("took longer than {}", format_duration(limit));
            findings.extend(check_requests(evidence, Condition::Latency, share, &slow, |observation| {
                &observation.slow
            }));
        }
    }
    let severity = |finding: &Finding| match finding.answer {
        Decision::Rollback => 0,
        Decision::Inconclusive => 1,
        Decision::Keep => 2,
    };
    // The first of the most severe findings decides; the verdict has its numbers.
    let decisive = findings.into_iter().min_by_key(severity);
    let (answer, condition, numbers, why) = match decisive {
        Some(Finding { answer, condition, numbers, why }) => (answer, condition, numbers, why),
        None => (Decision::Inconclusive, None, None, "no condition was given".to_owned()),
    };
    verdict(answer, condition, numbers, why, policy, evidence, now)
}

fn verdict(
    answer: Decision,
    condition: Option<Condition>,
    numbers: Option<Numbers>,
    why: String,
    policy: &Policy,
    evidence: &Evidence,
    now: DateTime<Utc>,
) -> Verdict {
    // If no requests decided, the verdict still reports those of the first source.
    let numbers = numbers.or_else(|| {
        let (_, observation) = evidence.observations().next()?;
        Some(Numbers::new(&observation.errors, policy.error_rate?))
    });
    let counts = numbers.as_ref().map(|numbers| &numbers.counts);
    let test = counts.and_then(|counts| counts.test.as_ref());
    let by_requests = matches!(condition, Some(Condition::ErrorRate | Condition::Latency));
    let proof = test.filter(|_| by_requests).map(SequentialTest::evidence);
    Verdict {
        ts: now,
        verdict: answer,
        condition,
        total: counts.map_or(0, |counts| counts.total),
        errors: counts.map_or(0, |counts| counts.bad),
        rate_percent: counts.and_then(ErrorCounts::percent),
        threshold_percent: numbers.as_ref().map(|numbers| numbers.limit_percent).or(policy.error_rate),
        threshold_used_percent: counts.and_then(|counts| counts.allowed),
        baseline: counts.map(|counts| counts.baseline).filter(|baseline| baseline.total > 0),
        evidence: proof,
        needed: proof.map(|_| SequentialTest::needed()),
        detectable_percent: test.and_then(SequentialTest::detectable_percent),
        sources: evidence.sources(),
        why,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use std::time::Duration;

    use common::records::Baseline;

    use crate::evidence::tests::{START, end, probe_at, read, stream};
    use crate::evidence::{self, Alert, Criteria};

    const FIVE: Policy = Policy {
        error_rate: Some(5.0),
        latency: None,
        health_fails: false,
        smoke_fails: false,
        alert: false,
    };

    fn verdict(policy: Policy, exit: u8, good: usize, bad: usize) -> Verdict {
        let probes = [vec![true; good], vec![false; bad]].concat();
        decide(&policy, &stream(exit, &probes), DateTime::UNIX_EPOCH)
    }

    fn answer(good: usize, bad: usize) -> Decision {
        verdict(FIVE, 0, good, bad).verdict
    }

    #[test]
    fn errors_roll_back_only_with_enough_of_them() {
        assert_eq!(answer(70, 50), Decision::Rollback);
        assert_eq!(answer(70, 30), Decision::Inconclusive, "a blip of three buckets");
        assert_eq!(answer(7, 3), Decision::Inconclusive, "a blip of three seconds");
        assert_eq!(answer(6, 3), Decision::Inconclusive, "9 requests");
        assert_eq!(answer(10, 2), Decision::Inconclusive, "2 errors");
    }

    #[test]
    fn a_version_is_kept_only_with_enough_requests() {
        assert_eq!(answer(52, 0), Decision::Keep);
        assert_eq!(answer(51, 0), Decision::Inconclusive);
        assert_eq!(answer(95, 5), Decision::Keep, "exactly the threshold is not more than it");
        assert_eq!(answer(0, 0), Decision::Inconclusive);
    }

    #[test]
    fn the_verdict_has_the_numbers_of_the_source_that_decided() {
        let verdict = verdict(FIVE, 0, 60, 100);
        // Ten seconds a bucket: four of them, and the first request after them.
        assert_eq!((verdict.verdict, verdict.total, verdict.errors), (Decision::Rollback, 101, 41));
        assert!(verdict.evidence >= verdict.needed.map(|needed| needed - 1e-9) && verdict.needed > Some(4.0));
        assert!(verdict.detectable_percent.unwrap() > 5.0);
        let why = "41 of 101 requests failed (probe, 40.6 %): more than 5 %, evidence ";
        assert!(verdict.why.starts_with(why), "{}", verdict.why);
    }

    #[test]
    fn earlier_failures_are_not_the_new_version_s_fault() {
        // Every fourteenth: seven percent, before and after.
        let seven = |at: usize| at % 14 == 13;
        let probes: Vec<bool> = (0..600).map(|at| !seven(at)).collect();
        let mut lines = vec![START.to_owned()];
        lines.extend(probes.iter().enumerate().map(|(second, ok)| probe_at(second, *ok)));
        lines.push(end(0, probes.len()));
        let decided = |criteria| {
            let evidence = Evidence::read(lines.join("\n").as_bytes(), criteria, |_| {});
            decide(&FIVE, &evidence, DateTime::UNIX_EPOCH)
        };
        let given = Baseline { total: 1000, errors: 70 };
        let verdict = decided(Criteria { baseline: Some(given), ..evidence::tests::FIVE });
        assert_eq!((verdict.verdict, verdict.baseline), (Decision::Keep, Some(given)));
        assert!(verdict.threshold_used_percent > Some(8.4) && verdict.threshold_percent == Some(5.0));
        assert!(
            verdict.why.ends_with("not more than 8.4 %, the rate before the deployment"),
            "{}",
            verdict.why
        );
        // If none is given, requests before the deployment are the baseline.
        let since = Some(DateTime::UNIX_EPOCH + Duration::from_secs(299));
        let verdict = decided(Criteria { since, ..evidence::tests::FIVE });
        let before = Baseline { total: 300, errors: 21 };
        assert_eq!((verdict.verdict, verdict.baseline, verdict.total), (Decision::Keep, Some(before), 300));
    }

    #[test]
    fn slow_requests_are_a_condition_of_their_own() {
        let limit = Duration::from_secs(1);
        let latency = Latency { limit, share: 5.0 };
        let criteria = Criteria { error_rate: None, latency: Some(latency), since: None, baseline: None };
        let policy = Policy { latency: Some(latency), ..Policy::default() };
        let decided = |slow_every: usize, policy: &Policy, criteria: Criteria| {
            let probe = |second: usize| {
                let ms = if second.is_multiple_of(slow_every) { "1000.1" } else { "1000.0" };
                probe_at(second, true).replace(r#""latency_ms":null"#, &format!(r#""latency_ms":{ms}"#))
            };
            let mut lines = vec![START.to_owned()];
            lines.extend((0..120).map(probe));
            lines.push(end(0, 120));
            decide(
                policy,
                &Evidence::read(lines.join("\n").as_bytes(), criteria, |_| {}),
                DateTime::UNIX_EPOCH,
            )
        };
        assert_eq!(decided(60, &policy, criteria).verdict, Decision::Keep);
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
            let mut evidence = Evidence::default();
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
        for second in [10, 20, 30, 40, 50] {
            lines.extend([count(second, "nginx", 20, 6), count(second, "probe", 5000, 0)]);
        }
        lines.push(end(0, 10));
        let verdict = decide(&FIVE, &read(&lines), DateTime::UNIX_EPOCH);
        assert_eq!((verdict.verdict, verdict.total, verdict.errors), (Decision::Rollback, 100, 30));
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
    }

    #[test]
    fn any_condition_triggers_and_all_must_be_clear() {
        let both = Policy { health_fails: true, ..FIVE };
        assert_eq!(verdict(both, 1, 60, 0).condition, Some(Condition::HealthFails));
        assert_eq!(verdict(both, 0, 70, 30).condition, Some(Condition::ErrorRate));
        assert_eq!(verdict(both, 0, 60, 0).verdict, Decision::Keep);
        assert_eq!(verdict(both, 0, 20, 0).verdict, Decision::Inconclusive);
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
            let criteria = Criteria { error_rate: Some(5.0), ..Criteria::default() };
            let evidence = Evidence::read(bytes.as_slice(), criteria, |_| {});
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
}
