//! The decision: turns evidence into a verdict. Pure.

pub(crate) mod baseline;
mod bucket;
mod capped_ratio;
mod condition;
pub(crate) mod control_test;
#[cfg(test)]
mod health_tests;
pub(crate) mod mixture;
#[cfg(test)]
mod present_tests;
pub(crate) mod rate_test;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod version_tests;

use chrono::{DateTime, Utc};
use common::duration::format_duration;
use common::event::Condition;
use common::records::{Decision, Verdict};

use crate::evidence::{Bad, DEFAULT_LIMIT, ErrorCounts, Evidence, Latency, source_label};
use condition::{Finding, Numbers, check_alert, check_producer, check_requests};
use rate_test::RateTest;

/// The conditions for a rollback; any of them is enough.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Policy {
    /// More than this share of requests failed, in percent, above 0 and below 100.
    pub error_rate: Option<f64>,
    /// More than a share of the requests was slow.
    pub latency: Option<Latency>,
    /// The health check ended as unhealthy, or the service stopped working.
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
pub fn decide(policy: &Policy, evidence: &Evidence, now: DateTime<Utc>) -> Verdict {
    let mut findings = Vec::new();
    if let Some(why) = &evidence.damage {
        findings.push(Finding::inconclusive(why.clone()));
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
            findings.extend(check_requests(evidence, Condition::ErrorRate, percent, "failed", Bad::Failed));
        }
        if let Some(Latency { limit, share }) = policy.latency {
            let slow = format!("took longer than {}", format_duration(limit));
            findings.extend(check_requests(evidence, Condition::Latency, share, &slow, Bad::Slow));
        }
    }
    findings.extend(doubts(policy, evidence));
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
    verdict(answer, condition, numbers, &why, policy, evidence, now)
}

/// What forbids a keep, but not a rollback.
fn doubts(policy: &Policy, evidence: &Evidence) -> Vec<Finding> {
    let by_requests = policy.error_rate.is_some() || policy.latency.is_some();
    let problems = [
        evidence.clock_problem(),
        evidence.versions.why_ours_is_missing(),
        evidence.why_source_is_silent(),
        evidence.control_problem(),
        policy.latency.and_then(|_| unknown_durations(policy, evidence)),
    ];
    let mut doubts: Vec<String> = problems.into_iter().flatten().collect();
    if by_requests {
        doubts.extend(evidence.why_watch_was_short());
    }
    if let (Some(producer), Some(code @ 1..)) = (&evidence.producer, evidence.exit)
        && by_requests
    {
        doubts.push(format!("{producer} did not succeed: it ended with exit code {code}"));
    }
    doubts.into_iter().map(Finding::inconclusive).collect()
}

/// Why the durations of the requests prove no good version: too many have none, or failed, and only a good answer in time
/// is good.
fn unknown_durations(policy: &Policy, evidence: &Evidence) -> Option<String> {
    evidence.observations().find_map(|(name, observation)| {
        let (all, timed) = (observation.errors.total, observation.slow.total);
        let source = source_label(name);
        if timed * 2 < all {
            return Some(format!("only {timed} of {all} requests ({source}) have a known duration"));
        }
        let failed = observation.errors.percent().filter(|percent| *percent > DEFAULT_LIMIT)?;
        policy.error_rate.is_none().then(|| {
            format!("{failed:.1} % of the requests failed ({source}), however quickly: add --if-error-rate to judge that")
        })
    })
}

/// A verdict on something else than requests.
pub(crate) fn without_requests(
    answer: Decision,
    condition: Condition,
    why: &str,
    now: DateTime<Utc>,
) -> Verdict {
    Verdict {
        ts: now,
        verdict: answer,
        condition: Some(condition),
        total: 0,
        errors: 0,
        rate_percent: None,
        threshold_percent: None,
        threshold_used_percent: None,
        baseline: None,
        evidence: None,
        needed: None,
        detectable_percent: None,
        sources: Vec::new(),
        why: Verdict::reason(why),
    }
}

/// How a kept version proved good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It did not: too little was observed, or it is not kept.
    NotGood,
    /// It did not: it is kept because it is no worse than before, which is above the requested limit.
    NoWorse,
    /// It is assumed that this version answered, because no version was detected.
    Assumed,
    /// This version answered, and proved good.
    Proven,
}

/// How the version proved good, if the verdict is to keep it. Each condition needs a proof: that it did not occur is none,
/// and neither is an alert that does not fire.
pub(crate) fn standing(policy: &Policy, evidence: &Evidence, decision: Decision) -> Standing {
    let is_good =
        |bad: Bad| evidence.observations().all(|(_, observation)| observation.counts(bad).is_known_good());
    let has_proof =
        policy.error_rate.is_some() || policy.latency.is_some() || policy.health_fails || policy.smoke_fails;
    if decision != Decision::Keep || !has_proof {
        return Standing::NotGood;
    }
    if (policy.error_rate.is_some() && !is_good(Bad::Failed))
        || (policy.latency.is_some() && !is_good(Bad::Slow))
    {
        return Standing::NoWorse;
    }
    if (policy.health_fails && !evidence.is_steady())
        || (policy.smoke_fails && (evidence.passed_tests == 0 || evidence.failed_tests > 0))
    {
        return Standing::NotGood;
    }
    if evidence.versions.has_ours_answered() { Standing::Proven } else { Standing::Assumed }
}

fn verdict(
    answer: Decision,
    condition: Option<Condition>,
    numbers: Option<Numbers>,
    why: &str,
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
    let by_requests = matches!(condition, Some(Condition::ErrorRate | Condition::Latency));
    let proof = counts.filter(|_| by_requests).and_then(ErrorCounts::evidence);
    Verdict {
        ts: now,
        verdict: answer,
        condition,
        total: counts.map_or(0, |counts| counts.total),
        errors: counts.map_or(0, |counts| counts.bad),
        rate_percent: counts.and_then(ErrorCounts::percent),
        threshold_percent: numbers.as_ref().map(|numbers| numbers.limit_percent).or(policy.error_rate),
        threshold_used_percent: counts.and_then(ErrorCounts::limits).map(|limits| limits.roll_back),
        baseline: counts.map(|counts| counts.baseline).filter(|baseline| baseline.total > 0),
        evidence: proof,
        needed: proof.map(|_| RateTest::needed()),
        detectable_percent: counts.and_then(ErrorCounts::detectable_percent),
        sources: evidence.sources(),
        why: Verdict::reason(why),
    }
}
