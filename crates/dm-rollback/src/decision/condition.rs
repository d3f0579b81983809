//! Evaluates each condition on the evidence. Pure.

use std::time::Duration;

use common::duration::format_duration;
use common::event::Condition;
use common::records::Decision;

use super::baseline;
use super::mixture::{ALPHA, float};
use super::rate_test::RateTest;
use crate::evidence::error_counts::{MIN_ERRORS, MIN_REQUESTS};
use crate::evidence::source_label;
use crate::evidence::{Alert, Bad, ErrorCounts, Evidence, Observation};

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

impl Finding {
    /// A reason to decide nothing, whatever the conditions say.
    pub(crate) fn inconclusive(why: String) -> Self {
        Self { answer: Decision::Inconclusive, condition: None, why, numbers: None }
    }
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

/// Evaluates the producer's exit code: 0 proves a good version. 1 proves a bad one, and so does a deadline of
/// dm-health that passed before the service was healthy; but a service that worked has to fail for long enough. Any other
/// code proves nothing.
pub(crate) fn check_producer(evidence: &Evidence, producer: &str, condition: Condition) -> Finding {
    let finding = |answer, why| Finding { answer, condition: Some(condition), why, numbers: None };
    if evidence.producer.as_deref() != Some(producer) {
        let other = evidence.producer.as_deref().unwrap_or("an unknown tool");
        return finding(Decision::Inconclusive, format!("the stream is from {other}, not from {producer}"));
    }
    if condition == Condition::HealthFails && evidence.has_outage() {
        return finding(Decision::Rollback, "the service stopped working: all probes fail".to_owned());
    }
    match evidence.exit {
        Some(0) if evidence.failed_tests > 0 => {
            let failed = evidence.failed_tests;
            finding(
                Decision::Inconclusive,
                format!("{producer} succeeded, but reported {failed} failed tests"),
            )
        }
        // A stream without a success says only how its producer ended.
        Some(0) if !proves(condition, evidence) => {
            let what = if condition == Condition::SmokeFails { "test" } else { "probe of this version" };
            finding(
                Decision::Inconclusive,
                format!("{producer} succeeded, but its stream contains no {what} that succeeded"),
            )
        }
        Some(0) => finding(Decision::Keep, format!("{producer} succeeded")),
        // The watch has ended before its producer, because the version is proven good.
        None if evidence.is_good() => finding(Decision::Keep, "the service is healthy".to_owned()),
        Some(1) if condition == Condition::SmokeFails => match failed_tests(evidence) {
            Some(why) => finding(Decision::Rollback, why),
            None => finding(
                Decision::Inconclusive,
                "dm-smoke ended with exit code 1, but named no smoke test that failed".to_owned(),
            ),
        },
        Some(1) if evidence.has_succeeded() => {
            let why = "the service became unhealthy, but not for long enough to prove a fault";
            finding(Decision::Inconclusive, why.to_owned())
        }
        Some(1) => finding(Decision::Rollback, "the health check ended as unhealthy".to_owned()),
        // A single success is not health: dm-health says whether the service was healthy before its deadline.
        Some(124) if condition == Condition::HealthFails => finding(
            Decision::Rollback,
            "the service did not become healthy before the deadline of dm-health".to_owned(),
        ),
        code => {
            let code = code.map_or_else(|| "no exit code".to_owned(), |code| format!("exit code {code}"));
            finding(Decision::Inconclusive, format!("{producer} reached no verdict: it ended with {code}"))
        }
    }
}

/// Whether the stream contains a success that this condition is about.
fn proves(condition: Condition, evidence: &Evidence) -> bool {
    if condition == Condition::SmokeFails { evidence.passed_tests > 0 } else { evidence.has_succeeded() }
}

/// The failed tests and their reasons, in a sentence; `None` if there is none.
fn failed_tests(evidence: &Evidence) -> Option<String> {
    let count = evidence.failed_tests;
    let what = match count {
        0 => {
            let flaky = Some(evidence.flaky.join("; ")).filter(|flaky| !flaky.is_empty())?;
            return Some(format!("smoke tests were flaky, which dm-smoke was to fail: {flaky}"));
        }
        1 => "1 smoke test failed".to_owned(),
        _ => format!("{count} smoke tests failed"),
    };
    if evidence.failures.is_empty() {
        return Some(what);
    }
    let more = if count > evidence.failures.len() as u64 { "; …" } else { "" };
    Some(format!("{what}: {}{more}", evidence.failures.join("; ")))
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

/// Why too many failures prove nothing.
const UNNAMED: &str =
    "too many of them name no version, though others do, to prove that they are those of this version";

/// Evaluates the requests of each source separately: one probe a second must not dilute users' traffic.
pub(crate) fn check_requests(
    evidence: &Evidence,
    condition: Condition,
    percent: f64,
    what: &str,
    bad: Bad,
) -> Vec<Finding> {
    let length = evidence.length();
    let finding = |(name, observation): (&str, &Observation)| {
        // Whatever the requests that nobody knows are counted as, there has to be a proof.
        let (counts, favourable) = (observation.counts(bad), observation.favourable_counts(bad));
        let counts = if favourable.is_bad() { favourable } else { counts };
        let (answer, verdict) = if counts.is_bad() && !favourable.is_bad() {
            (Decision::Inconclusive, UNNAMED.to_owned())
        } else {
            check_source(percent, counts, length)
        };
        let ErrorCounts { total, bad: count, .. } = counts;
        let rate = counts.percent().unwrap_or(0.0);
        let source = source_label(name);
        let why = format!("{count} of {total} requests {what} ({source}, {rate:.1} %): {verdict}");
        Finding { answer, condition: Some(condition), why, numbers: Some(Numbers::new(counts, percent)) }
    };
    let missing = evidence.versions.why_ours_is_missing();
    let missing = missing.map(|why| Finding { condition: Some(condition), ..Finding::inconclusive(why) });
    let mut findings: Vec<Finding> =
        missing.into_iter().chain(evidence.observations().map(finding)).collect();
    if findings.is_empty() {
        let why = "no requests were observed".to_owned();
        findings.push(Finding { condition: Some(condition), ..Finding::inconclusive(why) });
    }
    findings
}

fn check_source(percent: f64, counts: &ErrorCounts, length: Duration) -> (Decision, String) {
    let (Some(rate), Some(limits)) = (counts.percent(), counts.limits()) else {
        return (Decision::Inconclusive, "no requests were observed".to_owned());
    };
    let proof = format!("evidence {:.1} of {:.1}", counts.evidence().unwrap_or(0.0), RateTest::needed());
    let control = counts.control.as_ref().map(|control| {
        format!(", and more than in the control group ({} of {})", control.errors, control.total)
    });
    let before = baseline::rate(counts.baseline);
    let allowed = |limit: f64| {
        if limit > percent {
            format!("{limit:.1} %, which allows for the rate before the deployment ({before:.1} %)")
        } else {
            format!("{percent} %")
        }
    };
    if counts.is_bad() {
        let limit = if control.is_some() { limits.requested } else { limits.roll_back };
        let control = control.unwrap_or_default();
        return (Decision::Rollback, format!("more than {}{control}, {proof}", allowed(limit)));
    }
    if counts.is_good() {
        let before = if limits.is_raised() {
            format!(
                "; the limit is doubled, because the rate before the deployment, {before:.1} %, is above it"
            )
        } else {
            String::new()
        };
        let shared =
            if rate > limits.keep { ", apart from what the control group had at the same time" } else { "" };
        return (Decision::Keep, format!("less than {} %{before}{shared}", limits.keep));
    }
    let why = if let Some(why) = counts.control_problem() {
        why
    } else if rate > limits.roll_back && (counts.total < MIN_REQUESTS || counts.bad < MIN_ERRORS) {
        format!("too few to judge; at least {MIN_REQUESTS} requests are needed, {MIN_ERRORS} of them bad")
    } else if counts.ends_with_an_outage() {
        "too many of the last ones failed to call it good, and not for long enough to prove a fault"
            .to_owned()
    } else if rate > limits.roll_back {
        format!("more than {}, but not proven: {proof}", allowed(limits.roll_back))
    } else if limits.was_bad_before() && rate > limits.keep {
        format!("no worse than before the deployment ({before:.1} %), and before was bad")
    } else {
        not_proven_good(limits.keep, counts.total, length)
    };
    (Decision::Inconclusive, why)
}

/// What is missing to prove that fewer than `limit` percent fail.
fn not_proven_good(limit: f64, total: u64, length: Duration) -> String {
    let needed = requests_to_keep(limit);
    if total >= needed {
        return format!("less than {limit:.3} % is not proven: it takes a longer watch, or more requests")
            .replace(".000 %", " %");
    }
    let mut why = format!("too few to prove that it is good: at least {needed} are needed");
    if total > 0 && length >= Duration::from_secs(1) {
        let whole = length.mul_f64((float(needed) / float(total)).min(1e6));
        let whole = Duration::from_secs(whole.as_secs() + 1);
        why = format!("{why}, which takes {} at this rate", format_duration(whole));
    }
    // The limit that this many requests could prove.
    let provable = 100.0 * (1.0 - (ALPHA.ln() / float(total.max(1))).exp());
    if total > 0 && provable < 50.0 {
        why = format!("{why}; or use a limit of {:.0} %", provable.ceil());
    }
    why
}

/// The minimum number of requests that, all without an error, prove the error rate to be below `percent`, for any test:
/// 90 for 5 percent.
fn requests_to_keep(percent: f64) -> u64 {
    let requests = ALPHA.ln() / (-percent / 100.0).ln_1p();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "positive; saturates")]
    let whole = requests.ceil() as u64;
    whole.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fewer_percent_need_more_requests() {
        assert_eq!([1.0, 2.0, 3.0, 5.0, 10.0].map(requests_to_keep), [459, 228, 152, 90, 44]);
        assert_eq!(requests_to_keep(f64::MIN_POSITIVE), u64::MAX);
    }

    #[test]
    fn the_missing_number_is_named() {
        let why = not_proven_good(5.0, 60, Duration::from_mins(5));
        assert!(why.contains("at least 90 are needed, which takes 7m31s"), "{why}");
        assert!(why.ends_with("or use a limit of 8 %"), "{why}");
    }
}
