//! What each condition says of what was seen. Pure.

use common::event::Condition;
use common::stream::Answer;

use crate::baseline::requests_to_keep;
use crate::evidence::{Alert, Evidence, Judged, Seen};
use crate::rule::{MIN_ERRORS, MIN_REQUESTS, Rule};
use crate::source_label;

/// What one condition says.
#[derive(Debug)]
pub struct Finding {
    /// Its answer.
    pub answer: Answer,
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
        return found(Answer::Inconclusive, format!("the stream is {other}'s, not {producer}'s"));
    }
    match evidence.exit {
        Some(0) if evidence.failed_tests > 0 => {
            let failed = evidence.failed_tests;
            found(
                Answer::Inconclusive,
                format!("{producer} ended well, and told of {failed} tests that failed"),
            )
        }
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

/// What Alertmanager says. What fired before the deployment is not known to be its fault.
pub fn of_alert(alert: Option<&Alert>) -> Finding {
    let (answer, why) = match alert {
        Some(Alert::Firing(name)) => (Answer::Rollback, format!("the alert {name} fires")),
        Some(Alert::FiredBefore(name)) => {
            let why = format!("the alert {name} fires, and did so before the deployment already");
            (Answer::Inconclusive, why)
        }
        Some(Alert::Quiet) => (Answer::Keep, "no alert that was asked about fires".to_owned()),
        Some(Alert::Unknown(why)) => (Answer::Inconclusive, why.clone()),
        None => (Answer::Inconclusive, "Alertmanager was not asked".to_owned()),
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
            answer: Answer::Inconclusive,
            condition: Some(condition),
            why,
            numbers: None,
        }];
    }
    found
}

fn of_source(percent: f64, judged: &Judged) -> (Answer, String) {
    let (Some(rate), Some(rule), Some(used)) = (judged.percent(), &judged.rule, judged.allowed) else {
        return (Answer::Inconclusive, "no request was seen".to_owned());
    };
    let needed = requests_to_keep(used);
    let (proof, proven) = (rule.evidence(), Rule::needed());
    let allowed = if used > percent {
        format!("{used:.1} %, which is what there was before")
    } else {
        format!("{percent} %")
    };
    if rule.is_decisive() {
        return (Answer::Rollback, format!("more than {allowed}, evidence {proof:.1} of {proven:.1}"));
    }
    if rate > used {
        if judged.total >= MIN_REQUESTS && judged.bad >= MIN_ERRORS {
            let why = format!("more than {allowed}, and not proven: evidence {proof:.1} of {proven:.1}");
            return (Answer::Inconclusive, why);
        }
        let why =
            format!("too few to judge; {MIN_REQUESTS} requests and {MIN_ERRORS} of them bad are needed");
        return (Answer::Inconclusive, why);
    }
    if judged.total >= needed {
        (Answer::Keep, format!("not more than {allowed}"))
    } else {
        (Answer::Inconclusive, format!("too few to say that it is good; {needed} requests are needed"))
    }
}
