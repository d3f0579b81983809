//! The rules that are compared. The rules of other tools follow their source code, not their documentation: Argo Rollouts'
//! analysis/analysis.go, Flagger's pkg/controller/scheduler.go, Kayenta's NetflixACAJudge.

use crate::kayenta;
use crate::tool;
use crate::traffic::{Seconds, Trial};

/// The share of errors that is allowed.
pub(crate) const THETA: f64 = 0.05;

pub(crate) struct Named {
    pub(crate) name: &'static str,
    /// When it rolls back, in seconds.
    pub(crate) decide: fn(&Trial) -> Option<u64>,
    /// The largest allowed share of errors with which it would still roll back in these seconds; `None` for rules without
    /// such a number.
    pub(crate) score: Option<fn(&Seconds) -> f64>,
}

pub(crate) const RULES: [Named; 6] = [
    Named { name: "naive", decide: |trial| naive(&trial.watch), score: Some(|s| nth_largest(s, 10, 0)) },
    Named {
        name: "Argo, fl=0",
        decide: |trial| argo(&trial.watch, 0),
        score: Some(|s| nth_largest(s, 60, 0)),
    },
    Named {
        name: "Argo, fl=3",
        decide: |trial| argo(&trial.watch, 3),
        score: Some(|s| nth_largest(s, 60, 3)),
    },
    Named {
        name: "Flagger, t=5",
        decide: |trial| flagger(&trial.watch),
        score: Some(|s| nth_largest(&s[..s.len().saturating_sub(60)], 60, 4)),
    },
    Named { name: "Kayenta", decide: kayenta::decide, score: None },
    Named { name: "dm-rollback", decide: tool::rolled_back, score: None },
];

/// The share of errors in the last minute; `None` without requests.
fn last_minute(seconds: &Seconds, now: u64) -> Option<f64> {
    let now = usize::try_from(now).unwrap_or(usize::MAX).min(seconds.len());
    share(&seconds[now.saturating_sub(60)..now])
}

/// The share of errors; `None` without requests.
pub(crate) fn share(seconds: &Seconds) -> Option<f64> {
    let (total, errors) = sum(seconds);
    (total > 0).then(|| errors as f64 / total as f64)
}

fn sum(seconds: &Seconds) -> (u64, u64) {
    seconds.iter().fold((0, 0), |sum, second| (sum.0 + second.0, sum.1 + second.1))
}

/// The n-th largest share of errors in a minute, measured every `every` seconds, counted from 0.
fn nth_largest(seconds: &Seconds, every: usize, n: usize) -> f64 {
    let times = (60..=seconds.len() as u64).step_by(every);
    let mut shares: Vec<f64> = times.filter_map(|now| last_minute(seconds, now)).collect();
    shares.sort_unstable_by(|one, other| other.total_cmp(one));
    shares.get(n).copied().unwrap_or(0.0)
}

/// More than θ in the last minute, measured every 10 s from the first full minute on.
fn naive(seconds: &Seconds) -> Option<u64> {
    let mut times = (60..=seconds.len() as u64).step_by(10);
    times.find(|now| last_minute(seconds, *now).is_some_and(|rate| rate > THETA))
}

/// A measurement a minute; the one after `limit` failed ones rolls back. No data is no failure.
fn argo(seconds: &Seconds, limit: usize) -> Option<u64> {
    let mut failed = (60..=seconds.len() as u64)
        .step_by(60)
        .filter(|now| last_minute(seconds, *now).is_some_and(|rate| rate > THETA));
    failed.nth(limit)
}

/// A check a minute; five failed ones roll back at the next. No data fails.
fn flagger(seconds: &Seconds) -> Option<u64> {
    let mut failed = (60..=seconds.len() as u64)
        .step_by(60)
        .filter(|now| last_minute(seconds, *now).is_none_or(|rate| rate > THETA));
    failed.nth(4).map(|now| now + 60).filter(|now| *now <= seconds.len() as u64)
}
