//! Sequential tests of an error rate against a limit: whether it is above, or below. Pure.
//!
//! A test may be evaluated after every bucket, for any length of time. `docs/observability/rollback-decision.md` has the
//! proof and the simulation.

use super::bucket::{Bucket, MANY, log_binomial};
use super::mixture::{ALPHA, Mixture, float};

/// The highest and the lowest rate that is tested: even a broken version answers sometimes.
const RATES: std::ops::RangeInclusive<f64> = 1e-9..=0.97;

/// The alternative that most requests fail.
const MOST_FAIL: f64 = 0.6;

/// The alternatives of a rate above the limit, as multiples of it, with their weights. [`MOST_FAIL`] is one more.
const WORSE: [(f64, f64); 3] = [(1.8, 0.45), (3.0, 0.25), (6.0, 0.15)];

/// The alternatives of a rate below the limit.
const BETTER: [(f64, f64); 4] = [(0.02, 0.4), (0.12, 0.3), (0.3, 0.2), (0.5, 0.1)];

/// The alternatives of a rate that a rollback restored.
const RESTORED: [(f64, f64); 3] = [(0.02, 0.45), (0.125, 0.35), (0.4, 0.2)];

/// The evidence of one source that its error rate is above, or below, a limit.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct RateTest {
    limit: f64,
    /// The rates that are tested against the limit: all above it, or all below it.
    alternatives: Vec<f64>,
    mixture: Mixture,
    /// The last bucket: its requests and errors.
    last: (u64, u64),
    total: u64,
    errors: u64,
    is_proven: bool,
    was_proven: bool,
}

impl RateTest {
    /// Tests whether more than this percentage of the requests fails. A burst in up to four buckets proves nothing.
    pub(crate) fn worse_than(percent: f64) -> Self {
        let limit = limit(percent);
        Self::new(limit, &worse_rates(limit), 0.7, 5)
    }

    /// Tests whether less than this percentage of the requests fails.
    pub(crate) fn better_than(percent: f64) -> Self {
        let limit = limit(percent);
        Self::new(limit, &BETTER.map(|(times, weight)| (times * limit, weight)), 0.8, 4)
    }

    /// Tests whether a rollback has brought the error rate below this percentage. Failures while the target starts are a
    /// late start, nothing more.
    pub(crate) fn restored_below(percent: f64) -> Self {
        let limit = limit(percent);
        Self::new(limit, &RESTORED.map(|(times, weight)| (times * limit, weight)), 0.7, 4)
    }

    fn new(limit: f64, alternatives: &[(f64, f64)], first_share: f64, persistence: u32) -> Self {
        let weights: Vec<f64> = alternatives.iter().map(|(_, weight)| *weight).collect();
        Self {
            limit,
            alternatives: alternatives.iter().map(|(rate, _)| *rate).collect(),
            mixture: Mixture::new(&weights, first_share, persistence),
            last: (0, 0),
            total: 0,
            errors: 0,
            is_proven: false,
            was_proven: false,
        }
    }

    /// The evidence at which the test is decided.
    pub(crate) fn needed() -> f64 {
        -ALPHA.ln()
    }

    /// Adds a bucket with this number of requests, and the number of errors among them.
    pub(crate) fn add(&mut self, total: u64, errors: u64) {
        if total == 0 {
            return;
        }
        let errors = errors.min(total);
        self.last = (total, errors);
        let before = (self.total, self.errors);
        self.total = self.total.saturating_add(total);
        self.errors = self.errors.saturating_add(errors);
        let buckets: Vec<Bucket> =
            self.alternatives.iter().map(|rate| Bucket::new(total, self.limit, *rate)).collect();
        self.mixture.add(before, |alternative, cap| buckets[alternative].evidence(errors, cap));
        self.is_proven = self.mixture.excess() >= 0.0;
        self.was_proven |= self.is_proven;
    }

    /// Whether the buckets prove it now. Later buckets may weaken a proof.
    pub(crate) fn is_proven(&self) -> bool {
        self.is_proven
    }

    /// Whether they prove it from the first or the second bucket on.
    pub(crate) fn is_proven_from_the_beginning(&self) -> bool {
        self.mixture.is_proven_from_the_beginning()
    }

    /// Whether the buckets so far have proven it at any time.
    pub(crate) fn was_proven(&self) -> bool {
        self.was_proven
    }

    /// The evidence from all buckets, as a natural logarithm; never below 0. It is that of the start that is nearest
    /// to a proof.
    pub(crate) fn evidence(&self) -> f64 {
        (self.mixture.excess() + Self::needed()).max(0.0)
    }

    /// Whether an outage is more likely in the last bucket than the limit.
    pub(crate) fn ends_with_an_outage(&self) -> bool {
        let (total, errors) = self.last;
        self.limit < MOST_FAIL && Bucket::new(total, self.limit, MOST_FAIL).ratio(errors) > 0.0
    }

    /// The limit, in percent, that a rollback has to restore: half of what the error rate is at least, with a confidence of
    /// 99 %, since the fault began; but not below the limit.
    pub(crate) fn limit_to_restore(&self) -> f64 {
        let (total, errors) = self.mixture.before_nearest();
        let least = lower_limit(self.total.saturating_sub(total), self.errors.saturating_sub(errors));
        100.0 * self.limit.max(least / 2.0)
    }

    /// The smallest error rate, in percent, that the observed number of buckets and requests is expected to prove if it is
    /// present from the beginning; `None` if no rate would be proven.
    pub(crate) fn detectable_percent(&self) -> Option<f64> {
        let buckets = self.mixture.buckets();
        if buckets == 0 {
            return None;
        }
        let (mean, cap) = (self.total / buckets, self.mixture.first_cap());
        let proves = |rate: f64| {
            let sum = |alternative: &f64| float(buckets) * self.expected(rate, *alternative, mean, cap);
            let sums: Vec<f64> = self.alternatives.iter().map(sum).collect();
            self.mixture.mean(&sums) >= self.mixture.needed(0) - 1e-9
        };
        // Bisection: the evidence grows with the rate.
        let (mut low, mut high) = (self.limit, 1.0);
        if !proves(high) {
            return None;
        }
        while high - low > 5e-4 {
            let middle = f64::midpoint(low, high);
            if proves(middle) { high = middle } else { low = middle }
        }
        Some((1000.0 * high).round() / 10.0)
    }

    /// The expected evidence for an alternative of a bucket of `requests` that fail at `rate`.
    fn expected(&self, rate: f64, alternative: f64, requests: u64, cap: f64) -> f64 {
        let bucket = Bucket::new(requests, self.limit, alternative);
        if rate >= 1.0 {
            return bucket.evidence(requests, cap);
        }
        if requests > MANY {
            // Random variation is small compared with the limit.
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a share of a count"
            )]
            return bucket.evidence((rate * float(requests)).round() as u64, cap);
        }
        let chances = log_binomial(requests, rate);
        (0..).zip(chances).map(|(errors, chance)| chance.exp() * bucket.evidence(errors, cap)).sum()
    }
}

/// The lower limit of Clopper and Pearson's one-sided 99 % interval for a share (1934, Biometrika 26:404).
fn lower_limit(total: u64, errors: u64) -> f64 {
    // A part of many requests has a wider interval, so a lower limit.
    let (total, errors) = if total > MANY { (MANY, part(errors, total)) } else { (total, errors) };
    if errors == 0 {
        return 0.0;
    }
    let is_below = |rate: f64| {
        let at_least =
            log_binomial(total, rate).into_iter().skip(usize::try_from(errors).unwrap_or(usize::MAX));
        at_least.map(f64::exp).sum::<f64>() < ALPHA
    };
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..30 {
        let middle = f64::midpoint(low, high);
        if is_below(middle) { low = middle } else { high = middle }
    }
    low
}

/// How many of [`MANY`] requests are errors if `errors` of `total` are. The product may be larger than any number of requests.
fn part(errors: u64, total: u64) -> u64 {
    u64::try_from(u128::from(errors) * u128::from(MANY) / u128::from(total)).unwrap_or(MANY)
}

/// The rates above the limit that are tested, and their weights.
pub(super) fn worse_rates(limit: f64) -> Vec<(f64, f64)> {
    let worse = WORSE.into_iter().map(|(times, weight)| (times * limit, weight));
    let mut worse: Vec<(f64, f64)> = worse.chain([(MOST_FAIL, 0.15)]).collect();
    worse.retain(|(rate, _)| *rate > limit && RATES.contains(rate));
    if worse.is_empty() {
        worse.push((f64::midpoint(limit, 1.0), 1.0));
    }
    worse
}

/// A percentage as a share that can be tested.
pub(super) fn limit(percent: f64) -> f64 {
    (percent / 100.0).clamp(*RATES.start(), 0.999)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn after(mut test: RateTest, buckets: &[(u64, u64)]) -> RateTest {
        for (good, bad) in buckets {
            test.add(good + bad, *bad);
        }
        test
    }

    fn worse(buckets: &[(u64, u64)]) -> RateTest {
        after(RateTest::worse_than(5.0), buckets)
    }

    fn better(buckets: &[(u64, u64)]) -> RateTest {
        after(RateTest::better_than(5.0), buckets)
    }

    #[test]
    fn an_outage_is_proven_by_five_buckets_and_not_by_four() {
        assert!(worse(&[(0, 10); 5]).was_proven());
        for before in [0, 1, 10, 50] {
            for requests in [10, 100, 1_000_000] {
                let mut buckets = vec![(requests, 0); before];
                buckets.extend([(0, requests); 4]);
                assert!(!worse(&buckets).was_proven(), "four of {requests} after {before}");
                buckets.push((0, requests));
                assert!(worse(&buckets).was_proven(), "five of {requests} after {before}");
            }
        }
    }

    #[test]
    fn a_proof_of_a_fault_stays_one_and_a_proof_of_a_good_version_does_not() {
        let mut buckets = vec![(0, 10); 5];
        buckets.extend([(500, 0); 3]);
        assert!(worse(&buckets).was_proven());
        let mut buckets = vec![(10, 0); 12];
        assert!(better(&buckets).is_proven());
        buckets.extend([(0, 10); 2]);
        assert!(!better(&buckets).is_proven() && better(&buckets).was_proven());
    }

    #[test]
    fn a_good_version_is_proven_by_110_requests_and_never_by_fewer_than_90() {
        assert!(better(&[(10, 0); 11]).is_proven());
        assert!(!better(&[(10, 0); 10]).is_proven());
        assert!(!better(&[(22, 0), (22, 0), (22, 0), (23, 0)]).is_proven());
        assert!(!better(&[(1_000_000, 0); 3]).is_proven(), "three buckets");
    }

    #[test]
    fn a_rollback_of_a_large_fault_is_proven_sooner() {
        let restored = |percent, buckets| after(RateTest::restored_below(percent), &vec![(10, 0); buckets]);
        assert!(restored(43.0, 4).is_proven() && !restored(43.0, 3).is_proven());
        assert!(restored(8.0, 8).is_proven() && !restored(5.0, 8).is_proven());
    }

    #[test]
    fn the_limit_to_restore_is_half_of_what_the_rate_is_at_least() {
        // At this rate, 15 or more of 50 requests fail with a probability of 1 %.
        assert!((lower_limit(50, 15) - 0.160_697).abs() < 1e-5, "{}", lower_limit(50, 15));
        assert!((lower_limit(50, 50) - 0.01_f64.powf(0.02)).abs() < 1e-6);
        assert!(lower_limit(u64::MAX / 4096, u64::MAX / 8192) > 0.46);
        let outage = worse(&[(100, 0), (100, 0), (0, 10), (0, 10), (0, 10), (0, 10), (0, 10)]);
        assert!((outage.limit_to_restore() - 45.6).abs() < 0.1, "{}", outage.limit_to_restore());
        assert!((worse(&[(90, 10); 9]).limit_to_restore() - 5.0).abs() < 0.1);
    }

    #[test]
    fn good_buckets_do_not_dilute_late_errors() {
        let mut buckets = vec![(100, 0); 50];
        buckets.extend([(70, 30); 6]);
        assert!(worse(&buckets).was_proven());
    }

    #[test]
    fn a_watch_that_ends_in_an_outage_is_recognized() {
        let ends = |last| worse(&[(10, 0), last]).ends_with_an_outage();
        assert!(ends((0, 1)) && ends((5, 5)));
        assert!(!ends((9, 1)) && !ends((10, 0)));
    }

    #[test]
    fn more_requests_prove_smaller_faults() {
        let detectable = |buckets: usize, good| worse(&vec![(good, 0); buckets]).detectable_percent();
        assert_eq!(detectable(4, 1000), None, "four buckets");
        let slow = detectable(9, 10).unwrap();
        assert!((15.0..22.0).contains(&slow), "{slow}");
        let many = detectable(60, 1000).unwrap();
        assert!((5.2..7.0).contains(&many), "{many}");
    }

    proptest! {
        #[test]
        fn more_errors_never_weaken_the_case(
            buckets in proptest::collection::vec((0..50_u64, 0..20_u64), 1..40), at in 0..40_usize,
        ) {
            let at = at % buckets.len();
            let mut more = buckets.clone();
            more[at] = (buckets[at].0.saturating_sub(1), buckets[at].1 + u64::from(buckets[at].0 > 0));
            prop_assert!(worse(&more).evidence() >= worse(&buckets).evidence() - 1e-6);
            prop_assert!(better(&more).evidence() <= better(&buckets).evidence() + 1e-6);
        }

        #[test]
        fn no_input_gives_nan(
            percent in prop_oneof![Just(f64::MIN_POSITIVE), Just(99.999_999_999_999), 0.001..100.0_f64],
            buckets in proptest::collection::vec((any::<u64>(), any::<u64>()), 0..20),
        ) {
            for make in [RateTest::worse_than, RateTest::better_than, RateTest::restored_below] {
                let mut test = make(percent);
                for (total, errors) in &buckets {
                    test.add(*total, *errors);
                    prop_assert!(test.evidence().is_finite());
                }
                prop_assert!(test.evidence().is_finite());
                prop_assert!(test.detectable_percent().is_none_or(f64::is_finite));
            }
        }
    }
}
