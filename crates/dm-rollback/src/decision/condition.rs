//! Evaluates each condition on the evidence. Pure.

use common::event::Condition;
use common::records::Decision;

use super::baseline::requests_to_keep;
use super::sequential_test::{MIN_ERRORS, MIN_REQUESTS, SequentialTest};
use crate::evidence::source_label;
use crate::evidence::{Alert, ErrorCounts, Evidence, Observation};

/// The result of one condition.
#[derive(Debug)]
pub(crate) struct Finding {
    /// The decision by this condition alone.
    pub(crate) answer: Decision,
    /// The condition; `None` if the evidence is damaged, so that none can be evaluated.
    pub(crate) condition: Option<Condition>,
    /// The reason, in a sentence.
    pub(crate) why: String,
    /// The requests that it is based on, if any.
    pub(crate) numbers: Option<Numbers>,
}

/// The requests of one source, and their limit.
#[derive(Debug)]
pub(crate) struct Numbers {
    /// The requests and the bad ones among them.
    pub(crate) counts: ErrorCounts,
    /// The share of bad requests that the user allows, in percent.
    pub(crate) limit_percent: f64,
}

impl Numbers {
    /// The numbers of these requests, with this limit.
    pub(crate) fn new(counts: &ErrorCounts, limit_percent: f64) -> Self {
        Self { counts: counts.clone(), limit_percent }
    }
}

/// Evaluates the producer's exit code: 0 proves a good version, 1 proves a bad one, and so does a deadline that passed
/// before the service was healthy. Any other code proves nothing.
pub(crate) fn check_producer(evidence: &Evidence, producer: &str, condition: Condition) -> Finding {
    let finding = |answer, why| Finding { answer, condition: Some(condition), why, numbers: None };
    if evidence.producer.as_deref() != Some(producer) {
        let other = evidence.producer.as_deref().unwrap_or("an unknown tool");
        return finding(Decision::Inconclusive, format!("the stream is from {other}, not from {producer}"));
    }
    match evidence.exit {
        Some(0) if evidence.failed_tests > 0 => {
            let failed = evidence.failed_tests;
            finding(
                Decision::Inconclusive,
                format!("{producer} succeeded, but reported {failed} failed tests"),
            )
        }
        Some(0) => finding(Decision::Keep, format!("{producer} succeeded")),
        Some(1) if condition == Condition::SmokeFails => {
            finding(Decision::Rollback, format!("smoke tests failed: {}", evidence.failed_tests))
        }
        Some(1) => finding(Decision::Rollback, "the health check ended as unhealthy".to_owned()),
        Some(124) => finding(Decision::Rollback, format!("{producer} reached its deadline")),
        code => {
            let code = code.map_or_else(|| "no exit code".to_owned(), |code| format!("exit code {code}"));
            finding(Decision::Inconclusive, format!("{producer} reached no verdict: it ended with {code}"))
        }
    }
}

/// Evaluates the alerts. The deployment is not the cause of an alert whose condition began before it.
pub(crate) fn check_alert(alert: Option<&Alert>) -> Finding {
    let (answer, why) = match alert {
        Some(Alert::Firing(why)) => (Decision::Rollback, why.clone()),
        Some(Alert::Elsewhere(why)) => (Decision::Keep, why.clone()),
        Some(Alert::Quiet) => (Decision::Keep, "none of the requested alerts fires".to_owned()),
        Some(Alert::FiredBefore(why) | Alert::Unknown(why)) => (Decision::Inconclusive, why.clone()),
        None => (Decision::Inconclusive, "Alertmanager was not queried".to_owned()),
    };
    Finding { answer, condition: Some(Condition::Alert), why, numbers: None }
}

/// Evaluates the requests of each source separately: one probe a second must not dilute users' traffic.
pub(crate) fn check_requests(
    evidence: &Evidence,
    condition: Condition,
    percent: f64,
    bad: &str,
    counts: fn(&Observation) -> &ErrorCounts,
) -> Vec<Finding> {
    let finding = |(name, observation): (&str, &Observation)| {
        let counts = counts(observation);
        let (answer, verdict) = check_source(percent, counts);
        let ErrorCounts { total, bad: count, .. } = counts;
        let rate = counts.percent().unwrap_or(0.0);
        let source = source_label(name);
        let why = format!("{count} of {total} requests {bad} ({source}, {rate:.1} %): {verdict}");
        Finding { answer, condition: Some(condition), why, numbers: Some(Numbers::new(counts, percent)) }
    };
    let findings: Vec<Finding> = evidence.observations().map(finding).collect();
    if findings.is_empty() {
        let why = "no requests were observed".to_owned();
        return vec![Finding {
            answer: Decision::Inconclusive,
            condition: Some(condition),
            why,
            numbers: None,
        }];
    }
    findings
}

fn check_source(percent: f64, counts: &ErrorCounts) -> (Decision, String) {
    let (Some(rate), Some(test), Some(threshold)) = (counts.percent(), &counts.test, counts.allowed) else {
        return (Decision::Inconclusive, "no requests were observed".to_owned());
    };
    let needed = requests_to_keep(threshold);
    let (proof, proven) = (test.evidence(), SequentialTest::needed());
    let allowed = if threshold > percent {
        format!("{threshold:.1} %, the rate before the deployment")
    } else {
        format!("{percent} %")
    };
    if test.is_decisive() {
        return (Decision::Rollback, format!("more than {allowed}, evidence {proof:.1} of {proven:.1}"));
    }
    if rate > threshold {
        if counts.total >= MIN_REQUESTS && counts.bad >= MIN_ERRORS {
            let why = format!("more than {allowed}, but not proven: evidence {proof:.1} of {proven:.1}");
            return (Decision::Inconclusive, why);
        }
        let why = format!(
            "too few to judge; at least {MIN_REQUESTS} requests are needed, {MIN_ERRORS} of them bad"
        );
        return (Decision::Inconclusive, why);
    }
    if counts.total >= needed {
        (Decision::Keep, format!("not more than {allowed}"))
    } else {
        (Decision::Inconclusive, format!("too few to prove that it is good; {needed} requests are needed"))
    }
}
