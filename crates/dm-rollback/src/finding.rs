//! What each condition says of what was seen. Pure.

use common::event::Condition;
use common::records::Decision;

use crate::baseline::requests_to_keep;
use crate::evidence::source_label;
use crate::evidence::{Alert, Evidence, Judged, Seen};
use crate::rule::{MIN_ERRORS, MIN_REQUESTS, Rule};

/// What one condition says.
#[derive(Debug)]
pub struct Finding {
    /// Its answer.
    pub answer: Decision,
    /// Which one; `None` where what was seen can be used for none.
    pub condition: Option<Condition>,
    /// In a sentence.
    pub why: String,
    /// What it rests on, where that is requests.
    pub numbers: Option<Numbers>,
}

/// The requests of one source that a condition rests on.
#[derive(Debug)]
pub struct Numbers {
    /// The requests.
    pub judged: Judged,
    /// The share that is allowed, as it was asked for.
    pub asked_percent: f64,
}

impl Numbers {
    /// Of these requests, of which so many percent are allowed to be bad.
    pub fn of(judged: &Judged, asked_percent: f64) -> Self {
        Self { judged: judged.clone(), asked_percent }
    }
}

/// What the producer's own exit code says: 0 proves good, 1 proves bad, and a deadline that passed before the
/// service was healthy is as bad. Any other code proves nothing.
pub fn of_producer(evidence: &Evidence, producer: &str, condition: Condition) -> Finding {
    let found = |answer, why| Finding { answer, condition: Some(condition), why, numbers: None };
    if evidence.producer.as_deref() != Some(producer) {
        let other = evidence.producer.as_deref().unwrap_or("nobody");
        return found(Decision::Inconclusive, format!("the stream is {other}'s, not {producer}'s"));
    }
    match evidence.exit {
        Some(0) if evidence.failed_tests > 0 => {
            let failed = evidence.failed_tests;
            found(
                Decision::Inconclusive,
                format!("{producer} ended well, and told of {failed} tests that failed"),
            )
        }
        Some(0) => found(Decision::Keep, format!("{producer} ended well")),
        Some(1) if condition == Condition::SmokeFails => {
            found(Decision::Rollback, format!("smoke tests failed: {}", evidence.failed_tests))
        }
        Some(1) => found(Decision::Rollback, "the health check ended as unhealthy".to_owned()),
        Some(124) => found(Decision::Rollback, format!("{producer} reached its deadline")),
        code => {
            let code = code.map_or_else(|| "no code".to_owned(), |code| code.to_string());
            found(Decision::Inconclusive, format!("{producer} could not judge: it ended with {code}"))
        }
    }
}

/// What Alertmanager says. What fired before the deployment is not known to be its fault.
pub fn of_alert(alert: Option<&Alert>) -> Finding {
    let (answer, why) = match alert {
        Some(Alert::Firing(name)) => (Decision::Rollback, format!("the alert {name} fires")),
        Some(Alert::FiredBefore(name)) => {
            let why = format!("the alert {name} fires, and did so before the deployment already");
            (Decision::Inconclusive, why)
        }
        Some(Alert::Quiet) => (Decision::Keep, "no alert that was asked about fires".to_owned()),
        Some(Alert::Unknown(why)) => (Decision::Inconclusive, why.clone()),
        None => (Decision::Inconclusive, "Alertmanager was not asked".to_owned()),
    };
    Finding { answer, condition: Some(Condition::Alert), why, numbers: None }
}

/// What the requests say, each source for itself: one probe a second must not dilute users' traffic.
pub fn of_requests(
    evidence: &Evidence,
    condition: Condition,
    percent: f64,
    bad: &str,
    judged: fn(&Seen) -> &Judged,
) -> Vec<Finding> {
    let of_source = |(name, seen): (&str, &Seen)| {
        let judged = judged(seen);
        let (answer, verdict) = of_source(percent, judged);
        let Judged { total, bad: count, .. } = judged;
        let rate = judged.percent().unwrap_or(0.0);
        let source = source_label(name);
        let why = format!("{count} of {total} requests {bad} ({source}, {rate:.1} %): {verdict}");
        Finding { answer, condition: Some(condition), why, numbers: Some(Numbers::of(judged, percent)) }
    };
    let found: Vec<Finding> = evidence.seen().map(of_source).collect();
    if found.is_empty() {
        let why = "no request was seen".to_owned();
        return vec![Finding {
            answer: Decision::Inconclusive,
            condition: Some(condition),
            why,
            numbers: None,
        }];
    }
    found
}

fn of_source(percent: f64, judged: &Judged) -> (Decision, String) {
    let (Some(rate), Some(rule), Some(used)) = (judged.percent(), &judged.rule, judged.allowed) else {
        return (Decision::Inconclusive, "no request was seen".to_owned());
    };
    let needed = requests_to_keep(used);
    let (proof, proven) = (rule.evidence(), Rule::needed());
    let allowed = if used > percent {
        format!("{used:.1} %, which is what there was before")
    } else {
        format!("{percent} %")
    };
    if rule.is_decisive() {
        return (Decision::Rollback, format!("more than {allowed}, evidence {proof:.1} of {proven:.1}"));
    }
    if rate > used {
        if judged.total >= MIN_REQUESTS && judged.bad >= MIN_ERRORS {
            let why = format!("more than {allowed}, and not proven: evidence {proof:.1} of {proven:.1}");
            return (Decision::Inconclusive, why);
        }
        let why =
            format!("too few to judge; {MIN_REQUESTS} requests and {MIN_ERRORS} of them bad are needed");
        return (Decision::Inconclusive, why);
    }
    if judged.total >= needed {
        (Decision::Keep, format!("not more than {allowed}"))
    } else {
        (Decision::Inconclusive, format!("too few to say that it is good; {needed} requests are needed"))
    }
}
