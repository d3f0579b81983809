//! The tool itself: its own evidence and its own decision, fed with simulated requests.

use chrono::{DateTime, TimeDelta, Utc};
use common::records::Decision;
use dm_rollback::simulation::{Criteria, Evidence, Policy, Requests, decide};

use crate::rules::THETA;
use crate::traffic::{Seconds, Trial};

/// Where the buckets begin is as random as in reality.
fn offset(trial: &Trial) -> i64 {
    (trial.seed * 7919 % 10_000) as i64
}

fn at(trial: &Trial, milliseconds: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::milliseconds(1_000_000_000 + offset(trial) + milliseconds)
}

fn requests((total, errors): (u64, u64)) -> Requests {
    Requests { total, errors, ..Requests::default() }
}

const POLICY: Policy = Policy {
    error_rate: Some(THETA * 100.0),
    latency: None,
    health_fails: false,
    smoke_fails: false,
    alert: false,
};

/// The evidence at the deployment, with the requests before it as the baseline.
fn evidence(trial: &Trial, watch_min: Option<u64>) -> Evidence {
    let watch_min = watch_min.map(std::time::Duration::from_secs);
    let criteria = Criteria {
        error_rate: POLICY.error_rate,
        since: Some(at(trial, 0)),
        watch_min,
        ..Criteria::default()
    };
    let mut evidence = Evidence::new(criteria);
    for second in trial.before.as_deref().unwrap_or_default() {
        evidence.count(at(trial, -1), "requests", requests(*second));
    }
    evidence
}

/// When the tool rolls back, in seconds.
pub(crate) fn rolled_back(trial: &Trial) -> Option<u64> {
    let mut evidence = evidence(trial, None);
    for (second, counts) in (0..).zip(&trial.watch) {
        evidence.count(at(trial, 1000 * second + 500), "requests", requests(*counts));
        if evidence.is_bad() {
            return Some(second.cast_unsigned());
        }
    }
    evidence.finish();
    evidence.is_bad().then_some(trial.watch.len() as u64)
}

/// The verdict of a watch of at least `watch_min` seconds, and when it was reached.
pub(crate) fn watched(trial: &Trial, watch_min: u64) -> (Decision, u64) {
    judged(trial, &trial.watch, &[], watch_min)
}

/// The same with a control group, whose requests are observed at the same time.
pub(crate) fn compared(trial: &Trial, control: &Seconds) -> (Decision, u64) {
    judged(trial, &trial.watch, control, 60)
}

fn judged(trial: &Trial, watch: &Seconds, control: &Seconds, watch_min: u64) -> (Decision, u64) {
    let mut evidence = evidence(trial, Some(watch_min));
    let bucket_ms = Criteria::default().bucket.as_millis() as i64;
    let mut latest = None;
    let verdict = |evidence: &Evidence| decide(&POLICY, evidence, DateTime::UNIX_EPOCH).verdict;
    for (second, counts) in (0..).zip(watch) {
        let ts = at(trial, 1000 * second + 500);
        if counts.0 > 0 {
            evidence.count(ts, "requests", requests(*counts));
        }
        let control = control.get(second as usize).filter(|counts| counts.0 > 0);
        if let Some(control) = control {
            evidence.count_control(ts, "control", requests(*control));
        }
        if counts.0 == 0 && control.is_none() {
            continue;
        }
        // As the tool does it: when the first request of a new bucket arrives.
        let bucket = ts.timestamp_millis().div_euclid(bucket_ms);
        if latest.replace(bucket) != Some(bucket) && evidence.is_decisive() {
            return (verdict(&evidence), second.cast_unsigned());
        }
    }
    evidence.finish();
    (verdict(&evidence), watch.len() as u64)
}

/// When a rollback is verified, in seconds after it: first the fault is watched until it is proven, then the requests after
/// the rollback are. `None` if one of them is never proven.
pub(crate) fn verified(fault: &Trial, after: &Seconds) -> Option<u64> {
    let mut evidence = evidence(fault, None);
    for (second, counts) in (0..).zip(&fault.watch) {
        evidence.count(at(fault, 1000 * second + 500), "requests", requests(*counts));
        if evidence.is_bad() {
            break;
        }
    }
    let criteria = evidence.criteria_to_restore()?;
    let mut restored = Evidence::new(criteria);
    for (second, counts) in (0..).zip(after) {
        if counts.0 > 0 {
            restored.count(at(fault, 1000 * second + 500), "requests", requests(*counts));
        }
        if restored.is_decisive() {
            return Some(second.cast_unsigned());
        }
    }
    restored.finish();
    restored.is_decisive().then_some(after.len() as u64)
}
