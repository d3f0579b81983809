//! What a bucket of requests says about two error rates. Pure.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use super::capped_ratio::Outcomes;
use super::mixture::float;

/// The largest bucket for which the distribution of the errors is computed, which the refund needs. In a larger one the
/// refund is small.
pub(super) const MANY: u64 = 2000;

/// How many distributions are remembered: all that a few sources need. Each has at most 48 kB.
const REMEMBERED: usize = 32;

/// A number of requests, and the bits of the limit and of the alternative.
type Key = (u64, u64, u64);

thread_local! {
    /// The latest distributions, oldest first. At a steady rate, all buckets have the same number of requests, and
    /// computing the distribution takes longer than all the rest.
    static LATEST: RefCell<VecDeque<(Key, Rc<Outcomes>)>> = const { RefCell::new(VecDeque::new()) };
}

/// The evidence of a bucket with this number of requests, for one alternative to the limit.
pub(super) struct Bucket {
    total: u64,
    /// What one error, and one request without an error, add to the logarithm of the likelihood ratio.
    log_ratios: (f64, f64),
    /// The outcomes in ascending order of their ratio; `None` in a large bucket.
    outcomes: Option<Rc<Outcomes>>,
}

impl Bucket {
    pub(super) fn new(total: u64, limit: f64, alternative: f64) -> Self {
        let log_ratios = ((alternative / limit).ln(), ((1.0 - alternative) / (1.0 - limit)).ln());
        let mut bucket = Self { total, log_ratios, outcomes: None };
        if total <= MANY {
            let key = (total, limit.to_bits(), alternative.to_bits());
            bucket.outcomes = Some(remembered(key, || bucket.compute_outcomes(limit)));
        }
        bucket
    }

    fn compute_outcomes(&self, limit: f64) -> Outcomes {
        let mut log_null = log_binomial(self.total, limit);
        let mut ratios: Vec<f64> = (0..=self.total).map(|errors| self.ratio(errors)).collect();
        if self.is_reversed() {
            log_null.reverse();
            ratios.reverse();
        }
        Outcomes::new(&log_null, ratios)
    }

    /// The evidence of this number of errors, at most `cap`.
    pub(super) fn evidence(&self, errors: u64, cap: f64) -> f64 {
        let Some(outcomes) = &self.outcomes else { return self.ratio(errors).min(cap) };
        let rank = if self.is_reversed() { self.total - errors } else { errors };
        outcomes.evidence(usize::try_from(rank).unwrap_or(usize::MAX), cap)
    }

    /// The logarithm of the likelihood ratio of this number of errors.
    pub(super) fn ratio(&self, errors: u64) -> f64 {
        float(errors) * self.log_ratios.0 + float(self.total - errors) * self.log_ratios.1
    }

    /// Whether fewer errors are evidence for the alternative.
    fn is_reversed(&self) -> bool {
        self.log_ratios.0 < 0.0
    }
}

/// The distribution with this key, computed if it is not remembered.
fn remembered(key: Key, compute: impl FnOnce() -> Outcomes) -> Rc<Outcomes> {
    LATEST.with_borrow_mut(|latest| {
        if let Some((_, outcomes)) = latest.iter().find(|(known, _)| *known == key) {
            return Rc::clone(outcomes);
        }
        let outcomes = Rc::new(compute());
        if latest.len() >= REMEMBERED {
            latest.pop_front();
        }
        latest.push_back((key, Rc::clone(&outcomes)));
        outcomes
    })
}

/// The logarithm of the probability of 0, 1, …, `total` errors if each request fails with the probability `rate`, which is
/// above 0 and below 1.
pub(super) fn log_binomial(total: u64, rate: f64) -> Vec<f64> {
    let odds = (rate / (1.0 - rate)).ln();
    let mut log_chance = float(total) * (-rate).ln_1p();
    let next = |errors| {
        let this = log_chance;
        log_chance += (float(total - errors) / float(errors + 1)).ln() + odds;
        this
    };
    (0..=total).map(next).collect()
}
