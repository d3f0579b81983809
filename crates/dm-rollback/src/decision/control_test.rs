//! A sequential test of the new version against a control group: the previous version, or the rest of the fleet, at the
//! same time. Pure.
//!
//! Given the sum of the errors in a bucket, the errors of the new version have a hypergeometric distribution under *any*
//! common error rate. So an outage of a dependency that both share is no evidence, and a bucket without errors says
//! nothing (Lindon and Malek 2020, arXiv 2011.03567; Turner, Ly and Grünwald 2021, arXiv 2106.02693).

use super::bucket::{Bucket, MANY};
use super::capped_ratio::{Outcomes, log_add};
use super::mixture::{ALPHA, Mixture, float};
use super::rate_test::{limit, worse_rates};

/// The odds ratios that are tested, and their weights.
const ODDS: [(f64, f64); 3] = [(3.0, 0.4), (8.0, 0.35), (30.0, 0.25)];

/// The evidence for a rate above the limit that a rollback needs besides: odds of 3 to 1.
const ABOVE_LIMIT: f64 = 1.098_612_288_668_109_8;

/// The minimum number of buckets of a proof. More would need a cap below ln 2, with which the refund turns an average bucket
/// into evidence.
const BUCKETS: u32 = 7;

/// The minimum number of buckets of a proof if the control group fails too. A dependency that fails for 60 s touches seven
/// buckets, and may hit one group harder.
const OUTAGE_BUCKETS: u32 = 12;

/// A bucket of the control group with at least this number of errors, and a rate above the limit, is an outage.
const OUTAGE_ERRORS: u64 = 2;

/// The requests of a group in one bucket.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Group {
    /// All requests.
    pub total: u64,
    /// The failed ones.
    pub errors: u64,
}

impl Group {
    /// Adds the requests of another group.
    pub(crate) fn add(&mut self, other: Self) {
        self.total = self.total.saturating_add(other.total);
        self.errors = self.errors.saturating_add(other.errors);
    }
}

/// The evidence that the new version fails more often than the control group, and more often than the limit.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ControlTest {
    /// The odds ratio that is tolerated: 1 tolerates no difference.
    tolerance: f64,
    limit: f64,
    worse: Mixture,
    above: Mixture,
    above_rates: Vec<f64>,
    was_proven: bool,
}

impl ControlTest {
    /// Tests against a control group, with this limit in percent and this tolerated odds ratio.
    pub(crate) fn new(percent: f64, tolerance: f64) -> Self {
        let limit = limit(percent);
        let rates = worse_rates(limit);
        let weights: Vec<f64> = rates.iter().map(|(_, weight)| *weight).collect();
        Self {
            tolerance,
            limit,
            worse: Mixture::new(&ODDS.map(|(_, weight)| weight), 0.7, BUCKETS),
            above: Mixture::new(&weights, 0.7, 5),
            above_rates: rates.into_iter().map(|(rate, _)| rate).collect(),
            was_proven: false,
        }
    }

    /// Adds a bucket with requests of both groups.
    pub(crate) fn add(&mut self, new: Group, control: Group) {
        let errors = new.errors.saturating_add(control.errors);
        let steps: Vec<Step> =
            ODDS.iter().map(|(odds, _)| Step::new(new, control, errors, self.tolerance, *odds)).collect();
        // Less evidence than the step is valid, whatever the reason.
        let share =
            if self.is_outage(control) { f64::from(BUCKETS) / f64::from(OUTAGE_BUCKETS) } else { 1.0 };
        self.worse.add((0, 0), |alternative, cap| steps[alternative].evidence(cap).min(share * cap));
        let buckets: Vec<Bucket> =
            self.above_rates.iter().map(|rate| Bucket::new(new.total, self.limit, *rate)).collect();
        self.above.add((0, 0), |alternative, cap| buckets[alternative].evidence(new.errors, cap));
        let starts = self.worse.starts().zip(self.above.starts());
        self.was_proven |= starts
            .into_iter()
            .any(|((worse, needed), (above, _))| worse >= needed - 1e-9 && above >= ABOVE_LIMIT);
    }

    /// Whether the control group fails itself.
    pub(crate) fn is_outage(&self, control: Group) -> bool {
        control.errors >= OUTAGE_ERRORS && float(control.errors) > self.limit * float(control.total)
    }

    /// Whether the buckets so far have proven a fault of the new version at any time.
    pub(crate) fn was_proven(&self) -> bool {
        self.was_proven
    }

    /// The evidence against the new version as a natural logarithm; never below 0.
    pub(crate) fn evidence(&self) -> f64 {
        (self.worse.excess() - ALPHA.ln()).max(0.0)
    }
}

/// What one bucket says for one odds ratio.
enum Step {
    Exact(Outcomes, usize),
    /// Only the ratio: too many requests for a refund.
    Ratio(f64),
}

impl Step {
    fn new(new: Group, control: Group, errors: u64, tolerance: f64, odds: f64) -> Self {
        let (low, high) = (errors.saturating_sub(control.total), new.total.min(errors));
        let log_odds = odds.ln();
        if high - low > MANY {
            // The mean of a convex function of a hypergeometric number is at most that of a binomial one (Hoeffding 1963,
            // J. Am. Stat. Assoc. 58:13, theorem 4).
            let share = tolerance * float(new.total) / (tolerance * float(new.total) + float(control.total));
            let mean = float(errors) * (share * (odds - 1.0)).ln_1p();
            return Self::Ratio(float(new.errors) * log_odds - mean);
        }
        // Fisher's noncentral hypergeometric distribution, each probability from the one before.
        let mut log_null = Vec::new();
        let (mut term, mut null_sum, mut odds_sum) = (0.0, f64::NEG_INFINITY, f64::NEG_INFINITY);
        for failed in low..=high {
            log_null.push(term);
            null_sum = log_add(null_sum, term);
            odds_sum = log_add(odds_sum, term + float(failed) * log_odds);
            let ways = float(new.total - failed) * float(errors - failed);
            // Not below 0: `failed` is at least `low`.
            let fewer = float(failed + 1) * float(control.total + failed + 1 - errors);
            term += (ways / fewer * tolerance).ln();
        }
        for term in &mut log_null {
            *term -= null_sum;
        }
        let ratios = (low..=high).map(|failed| float(failed) * log_odds + null_sum - odds_sum).collect();
        let index = usize::try_from(new.errors - low).unwrap_or(usize::MAX);
        Self::Exact(Outcomes::new(&log_null, ratios), index)
    }

    fn evidence(&self, cap: f64) -> f64 {
        match self {
            Self::Exact(outcomes, index) => outcomes.evidence(*index, cap),
            Self::Ratio(ratio) => ratio.min(cap),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn after(buckets: &[(u64, u64)], size: u64) -> ControlTest {
        let mut test = ControlTest::new(5.0, 1.0);
        for (new, control) in buckets {
            test.add(Group { total: size, errors: *new }, Group { total: size, errors: *control });
        }
        test
    }

    #[test]
    fn a_fault_of_the_new_version_alone_is_proven_and_a_common_outage_is_not() {
        assert!(after(&[(10, 0); 7], 10).was_proven());
        assert!(!after(&[(10, 0); 6], 10).was_proven(), "six buckets");
        assert!(!after(&[(10, 4); 11], 10).was_proven(), "the control group fails too");
        assert!(!after(&[(10, 10); 100], 10).was_proven());
        assert!(!after(&[(40, 40); 100], 100).was_proven());
        assert!(!after(&[(0, 10); 100], 10).was_proven(), "the new version is better");
        assert!(after(&[(60, 20); 30], 100).was_proven(), "both are bad");
    }

    #[test]
    fn a_version_within_the_limit_is_not_worse() {
        assert!(!after(&[(3, 0); 100], 100).was_proven());
    }

    #[test]
    fn a_bucket_without_errors_says_nothing() {
        let mut test = after(&[(3, 0); 3], 10);
        let before = test.evidence();
        test.add(Group { total: 10, errors: 0 }, Group { total: 10, errors: 0 });
        assert!((test.evidence() - before).abs() < 1e-9);
    }

    #[test]
    fn the_mean_is_at_most_1_for_any_common_rate() {
        for (n, m, errors) in [(1, 1, 1), (10, 10, 4), (10, 90, 10), (50, 3, 20), (200, 200, 399)] {
            for (tolerance, odds) in [(1.0, 3.0), (1.0, 30.0), (1.25, 8.0)] {
                let (low, high): (u64, u64) = (u64::saturating_sub(errors, m), n.min(errors));
                let step = |failed| {
                    let (new, control) =
                        (Group { total: n, errors: failed }, Group { total: m, errors: errors - failed });
                    Step::new(new, control, errors, tolerance, odds)
                };
                let Step::Exact(outcomes, _) = step(low) else { unreachable!() };
                let nulls = (0..).zip(low..=high).map(|(at, failed)| (outcomes.log_null(at), failed));
                let mean: f64 = nulls.map(|(null, failed)| (null + step(failed).evidence(1.2)).exp()).sum();
                assert!(mean <= 1.0 + 1e-9, "{mean}");
            }
        }
    }

    proptest! {
        #[test]
        fn no_bucket_gives_nan(n in 0..5000_u64, m in 1..5000_u64, x: u64, y: u64, tolerance in 1.0..3.0_f64) {
            let mut test = ControlTest::new(5.0, tolerance);
            test.add(Group { total: n, errors: x % (n + 1) }, Group { total: m, errors: y % (m + 1) });
            prop_assert!(test.evidence().is_finite());
        }
    }
}
