//! The decision: what was seen in, a verdict out. Pure.

use chrono::{DateTime, Utc};
use common::event::{Condition, SourceCount};
use common::stream::{Answer, Verdict};

use crate::evidence::Evidence;
use crate::rule::{MIN_ERRORS, MIN_REQUESTS, Rule, detectable_percent};

/// The 95 % one-sided quantile of the normal distribution, squared.
const Z_SQUARED: f64 = 2.706;

/// When to roll back: any of these.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Policy {
    /// More than this share of requests failed, in percent, above 0 and below 100.
    pub error_rate: Option<f64>,
    /// The health check ended as unhealthy.
    pub health_fails: bool,
    /// A smoke test failed.
    pub smoke_fails: bool,
}

impl Policy {
    /// Whether it has no condition at all.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What one condition says.
struct Finding {
    answer: Answer,
    condition: Condition,
    source: Option<SourceCount>,
    evidence: Option<f64>,
    why: String,
}

/// Decides. A stream that is cut off or damaged is never a reason to roll back, and never one to keep.
///
/// A rollback by any condition wins; to keep, every condition has to be clear.
pub fn decide(policy: &Policy, evidence: &Evidence, now: DateTime<Utc>) -> Verdict {
    let sources = evidence.sources();
    let mut findings = Vec::new();
    if evidence.damage.is_none() {
        if policy.health_fails {
            findings.push(of_producer(evidence, "dm-health", Condition::HealthFails));
        }
        if policy.smoke_fails {
            findings.push(of_producer(evidence, "dm-smoke", Condition::SmokeFails));
        }
        if let Some(percent) = policy.error_rate {
            findings.extend(of_error_rate(percent, evidence));
        }
    }
    let weight = |finding: &Finding| match finding.answer {
        Answer::Rollback => 0,
        Answer::Inconclusive => 1,
        Answer::Keep => 2,
    };
    // The first of the gravest decides; its numbers are the verdict's.
    let decisive = findings.into_iter().min_by_key(weight);
    let (answer, condition, source, proof, why) = match decisive {
        Some(Finding { answer, condition, source, evidence, why }) => {
            (answer, Some(condition), source, evidence, why)
        }
        None => (Answer::Inconclusive, None, None, None, evidence.damage.clone().unwrap_or_default()),
    };
    let source = source.or_else(|| sources.first().cloned());
    let detectable = policy
        .error_rate
        .zip(source.as_ref())
        .and_then(|(percent, source)| detectable_percent(percent, source.total));
    Verdict {
        ts: now,
        verdict: answer,
        condition,
        total: source.as_ref().map_or(0, |source| source.total),
        errors: source.as_ref().map_or(0, |source| source.errors),
        rate_percent: source.as_ref().and_then(rate_percent),
        threshold_percent: policy.error_rate,
        evidence: proof,
        needed: proof.map(|_| Rule::needed()),
        detectable_percent: detectable,
        sources,
        why,
    }
}

/// What the producer's own exit code says: 0 proves good, 1 proves bad, and a deadline that passed before the
/// service was healthy is as bad. Any other code proves nothing.
fn of_producer(evidence: &Evidence, producer: &str, condition: Condition) -> Finding {
    let found = |answer, why| Finding { answer, condition, source: None, evidence: None, why };
    if evidence.producer.as_deref() != Some(producer) {
        let other = evidence.producer.as_deref().unwrap_or("nobody");
        return found(Answer::Inconclusive, format!("the stream is {other}'s, not {producer}'s"));
    }
    match evidence.exit {
        Some(0) => found(Answer::Keep, format!("{producer} ended well")),
        Some(1) if condition == Condition::SmokeFails => {
            found(Answer::Rollback, format!("smoke tests failed: {}", evidence.failed_tests))
        }
        Some(1) => found(Answer::Rollback, "the health check ended as unhealthy".to_owned()),
        Some(124) => found(Answer::Rollback, format!("{producer} reached its deadline")),
        code => {
            let code = code.map_or_else(|| "no code".to_owned(), |code| code.to_string());
            found(Answer::Inconclusive, format!("{producer} could not judge: it ended with {code}"))
        }
    }
}

/// What the requests say, each source for itself: one probe a second must not dilute users' traffic.
fn of_error_rate(percent: f64, evidence: &Evidence) -> Vec<Finding> {
    let sources = evidence.sources();
    let condition = Condition::ErrorRate;
    if sources.is_empty() {
        let why = "no request was seen".to_owned();
        return vec![Finding { answer: Answer::Inconclusive, condition, source: None, evidence: None, why }];
    }
    let found = sources.iter().zip(evidence.rules()).map(|(source, rule)| {
        let (answer, verdict) = of_source(percent, source, rule);
        let SourceCount { source: name, total, errors } = source;
        let rate = rate_percent(source).unwrap_or(0.0);
        let why = format!("{errors} of {total} requests failed ({name}, {rate:.1} %): {verdict}");
        Finding { answer, condition, source: Some(source.clone()), evidence: Some(rule.evidence()), why }
    });
    found.collect()
}

fn of_source(percent: f64, seen: &SourceCount, rule: &Rule) -> (Answer, String) {
    let Some(rate) = rate_percent(seen) else {
        return (Answer::Inconclusive, "no request was seen".to_owned());
    };
    let needed = requests_to_keep(percent);
    let (proof, proven) = (rule.evidence(), Rule::needed());
    if rule.is_decisive() {
        return (Answer::Rollback, format!("more than {percent} %, evidence {proof:.1} of {proven:.1}"));
    }
    if rate > percent {
        if seen.total >= MIN_REQUESTS && seen.errors >= MIN_ERRORS {
            let why = format!("more than {percent} %, and not proven: evidence {proof:.1} of {proven:.1}");
            return (Answer::Inconclusive, why);
        }
        let why = format!("too few to judge; {MIN_REQUESTS} requests and {MIN_ERRORS} errors are needed");
        return (Answer::Inconclusive, why);
    }
    if seen.total >= needed {
        (Answer::Keep, format!("not more than {percent} %"))
    } else {
        (Answer::Inconclusive, format!("too few to say that it is good; {needed} requests are needed"))
    }
}

/// The fewest requests that, all without an error, show the error rate to be below `percent` at 95 %: the upper
/// limit of Wilson's interval for 0 of n is z²/(n + z²) (Wilson 1927, J. Am. Stat. Assoc. 22:209). 52 for 5 percent.
pub fn requests_to_keep(percent: f64) -> u64 {
    let share = percent / 100.0;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "positive; saturates")]
    let most_too_few = (Z_SQUARED * (1.0 - share) / share).floor() as u64;
    most_too_few + 1
}

#[expect(clippy::cast_precision_loss, reason = "exact up to 2^53 requests")]
fn rate_percent(seen: &SourceCount) -> Option<f64> {
    (seen.total > 0).then(|| 100.0 * seen.errors as f64 / seen.total as f64)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::evidence::tests::{START, read, stream};

    const FIVE: Policy = Policy { error_rate: Some(5.0), health_fails: false, smoke_fails: false };

    fn verdict(policy: Policy, exit: u8, good: usize, bad: usize) -> Verdict {
        let probes = [vec![true; good], vec![false; bad]].concat();
        decide(&policy, &stream(exit, &probes), DateTime::UNIX_EPOCH)
    }

    fn answer(good: usize, bad: usize) -> Answer {
        verdict(FIVE, 0, good, bad).verdict
    }

    #[test]
    fn errors_roll_back_only_with_enough_of_them() {
        assert_eq!(answer(70, 50), Answer::Rollback);
        assert_eq!(answer(70, 30), Answer::Inconclusive, "a blip of three buckets");
        assert_eq!(answer(7, 3), Answer::Inconclusive, "a blip of three seconds");
        assert_eq!(answer(6, 3), Answer::Inconclusive, "9 requests");
        assert_eq!(answer(10, 2), Answer::Inconclusive, "2 errors");
    }

    #[test]
    fn a_version_is_kept_only_with_enough_requests() {
        assert_eq!(requests_to_keep(5.0), 52);
        assert_eq!(answer(52, 0), Answer::Keep);
        assert_eq!(answer(51, 0), Answer::Inconclusive);
        assert_eq!(answer(95, 5), Answer::Keep, "exactly the threshold is not more than it");
        assert_eq!(answer(0, 0), Answer::Inconclusive);
    }

    #[test]
    fn the_numbers_of_the_verdict_are_those_of_the_source_that_decided() {
        let verdict = verdict(FIVE, 0, 60, 100);
        // Ten seconds a bucket: four of them, and the first request after them.
        assert_eq!((verdict.verdict, verdict.total, verdict.errors), (Answer::Rollback, 101, 41));
        assert!(verdict.evidence >= verdict.needed.map(|needed| needed - 1e-9) && verdict.needed > Some(7.0));
        assert!(verdict.detectable_percent.unwrap() > 5.0);
        let why = "41 of 101 requests failed (probe, 40.6 %): more than 5 %, evidence ";
        assert!(verdict.why.starts_with(why), "{}", verdict.why);
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
        lines.push(crate::evidence::tests::end(0, 10));
        let verdict = decide(&FIVE, &read(&lines), DateTime::UNIX_EPOCH);
        assert_eq!((verdict.verdict, verdict.total, verdict.errors), (Answer::Rollback, 100, 30));
    }

    #[test]
    fn a_producer_s_exit_code_is_a_condition_of_its_own() {
        let health = Policy { health_fails: true, ..Policy::default() };
        assert_eq!(verdict(health, 1, 0, 5).verdict, Answer::Rollback);
        assert_eq!(verdict(health, 124, 0, 5).verdict, Answer::Rollback);
        assert_eq!(verdict(health, 0, 1, 0).verdict, Answer::Keep);
        assert_eq!(verdict(health, 5, 1, 0).verdict, Answer::Inconclusive);
        let smoke = Policy { smoke_fails: true, ..Policy::default() };
        assert_eq!(verdict(smoke, 1, 0, 5).verdict, Answer::Inconclusive, "a dm-health stream");
    }

    #[test]
    fn any_condition_triggers_and_all_must_be_clear() {
        let both = Policy { health_fails: true, ..FIVE };
        assert_eq!(verdict(both, 1, 60, 0).condition, Some(Condition::HealthFails));
        assert_eq!(verdict(both, 0, 70, 30).condition, Some(Condition::ErrorRate));
        assert_eq!(verdict(both, 0, 60, 0).verdict, Answer::Keep);
        assert_eq!(verdict(both, 0, 20, 0).verdict, Answer::Inconclusive);
    }

    proptest! {
        #[test]
        fn more_errors_never_weaken_the_case(good in 0..300_usize, bad in 0..300_usize) {
            if answer(good, bad) == Answer::Rollback {
                prop_assert_eq!(answer(good, bad + 1), Answer::Rollback);
            }
        }

        #[test]
        fn a_cut_stream_neither_rolls_back_nor_keeps(good in 0..100_usize, bad in 0..100_usize) {
            let probes = [vec![true; good], vec![false; bad]].concat();
            let mut evidence = stream(0, &probes);
            evidence.damage = Some("cut".to_owned());
            let all = Policy { error_rate: Some(5.0), health_fails: true, smoke_fails: true };
            prop_assert_eq!(decide(&all, &evidence, DateTime::UNIX_EPOCH).verdict, Answer::Inconclusive);
        }
    }
}
