//! The sequential test: when the errors so far prove that a version is worse than allowed. Pure.
//!
//! For every bucket in which a fault may have begun, it computes a mixture of likelihood ratios against several worse
//! error rates, and limits the evidence of a single bucket. Each start has its own share of the error probability.
//! `docs/observability/rollback-decision.md` has the proof.

use std::collections::VecDeque;

/// The maximum probability that a good version is rolled back in a watch of any length.
const ALPHA: f64 = 0.01;

/// The minimum number of buckets that prove a fault, so that a blip is none.
const PERSISTENCE: f64 = 4.0;

/// The maximum number of starts kept: the first, and the latest of the others.
const STARTS: usize = 60;

/// The minimum number of requests for a rollback.
pub(crate) const MIN_REQUESTS: u64 = 10;

/// The minimum number of errors for a rollback.
pub(crate) const MIN_ERRORS: u64 = 3;

/// The alternatives, as multiples of the allowed error rate. [`MOST_FAIL`] is one more.
const TIMES_WORSE: [f64; 3] = [1.5, 2.5, 5.0];

/// The alternative that most requests fail.
const MOST_FAIL: f64 = 0.6;

/// The highest alternative: even a broken version answers sometimes.
const WORST: f64 = 0.97;

/// The evidence of one source, bucket by bucket.
#[derive(Debug, Clone, PartialEq)]
pub struct SequentialTest {
    threshold: f64,
    /// The alternatives: the worse error rates that are tested.
    worse: Vec<f64>,
    starts: VecDeque<Start>,
    /// The bucket that is being filled, its requests and its errors.
    open: (i64, u64, u64),
    buckets: u64,
    total: u64,
    errors: u64,
    proven: bool,
}

/// The evidence of all buckets from the one in which a fault may have begun.
#[derive(Debug, Clone, PartialEq)]
struct Start {
    /// The evidence that proves a fault from this start: the logarithm of 1 / (its share of ALPHA).
    needed: f64,
    /// The evidence for each alternative.
    sums: Vec<f64>,
}

impl Start {
    /// A start at this bucket, counted from 0. The shares 1/((n+1)(n+2)) of all starts add up to 1, for a watch of any
    /// length. The first start has the largest: most bad versions are bad from the beginning.
    fn at(bucket: u64, alternatives: usize) -> Self {
        let n = float(bucket);
        Self { needed: ((n + 1.0) * (n + 2.0) / ALPHA).ln(), sums: vec![0.0; alternatives] }
    }

    /// The maximum evidence of a single bucket.
    fn most(&self) -> f64 {
        self.needed / PERSISTENCE
    }

    /// The logarithm of the mean ratio.
    fn evidence(&self) -> f64 {
        log_mean_exp(&self.sums)
    }

    /// The sum of four quarters may fall short of the whole by a rounding error. The mean never exceeds the largest sum,
    /// so a cheap comparison comes first.
    fn is_decisive(&self) -> bool {
        let enough = self.needed - 1e-9;
        self.sums.iter().any(|sum| *sum >= enough) && self.evidence() >= enough
    }
}

impl SequentialTest {
    /// A test that allows this share of errors, in percent, above 0 and below 100.
    pub fn new(percent: f64) -> Self {
        let threshold = (percent / 100.0).clamp(1e-9, 0.999);
        let mut worse: Vec<f64> = TIMES_WORSE
            .into_iter()
            .map(|times| times * threshold)
            .chain([MOST_FAIL])
            .filter(|rate| *rate > threshold && *rate < WORST)
            .collect();
        if worse.is_empty() {
            worse.push(f64::midpoint(threshold, 1.0));
        }
        let starts = VecDeque::new();
        let open = (i64::MIN, 0, 0);
        Self { threshold, worse, starts, open, buckets: 0, total: 0, errors: 0, proven: false }
    }

    /// The evidence at which a version is rolled back.
    pub fn needed() -> f64 {
        -ALPHA.ln()
    }

    /// Adds requests and the number of errors among them. Late requests count in the open bucket: closed buckets do not
    /// change.
    pub fn add(&mut self, bucket: i64, total: u64, errors: u64) {
        if bucket > self.open.0 {
            self.close();
            self.open.0 = bucket;
        }
        self.open.1 = self.open.1.saturating_add(total);
        self.open.2 = self.open.2.saturating_add(errors);
    }

    /// Evaluates the open bucket. A proof stays a proof.
    pub fn close(&mut self) {
        let (_, total, errors) = self.open;
        (self.open.1, self.open.2) = (0, 0);
        if total == 0 || self.proven {
            return;
        }
        if self.starts.len() == STARTS {
            self.starts.remove(1);
        }
        self.starts.push_back(Start::at(self.buckets, self.worse.len()));
        self.buckets += 1;
        self.total = self.total.saturating_add(total);
        self.errors = self.errors.saturating_add(errors);
        let enough_data = self.total >= MIN_REQUESTS && self.errors >= MIN_ERRORS;
        let (failed, answered) = (float(errors), float(total.saturating_sub(errors)));
        let steps: Vec<f64> = self.worse.iter().map(|rate| self.step(*rate, failed, answered)).collect();
        for start in &mut self.starts {
            let most = start.most();
            for (sum, step) in start.sums.iter_mut().zip(&steps) {
                *sum += step.min(most);
            }
            self.proven |= enough_data && start.is_decisive();
        }
    }

    /// The logarithm of the likelihood ratio of these requests: this error rate against the allowed one.
    fn step(&self, rate: f64, failed: f64, answered: f64) -> f64 {
        failed * (rate / self.threshold).ln() + answered * ((1.0 - rate) / (1.0 - self.threshold)).ln()
    }

    /// The evidence against the version as a natural logarithm, from the closed buckets; never below 0. It is that of the
    /// start that is nearest to a proof.
    pub fn evidence(&self) -> f64 {
        let missing = |start: &Start| start.evidence() - start.needed;
        self.starts.iter().map(missing).fold(-Self::needed(), f64::max) + Self::needed()
    }

    /// Whether the evidence is enough to roll back.
    pub fn is_decisive(&self) -> bool {
        self.proven
    }

    /// The smallest error rate, in percent, that the observed number of buckets and requests is expected to prove if it is
    /// present from the beginning; `None` if no rate would be proven.
    pub fn detectable_percent(&self) -> Option<f64> {
        if self.total < MIN_REQUESTS {
            return None;
        }
        let start = Start::at(0, self.worse.len());
        let mean = self.total / self.buckets.max(1);
        let proves = |rate: f64| {
            let sum = |worse: &f64| float(self.buckets) * self.expected(rate, *worse, mean, start.most());
            let sums: Vec<f64> = self.worse.iter().map(sum).collect();
            log_mean_exp(&sums) >= start.needed - 1e-9
        };
        // Bisection: the evidence grows with the rate.
        let (mut low, mut high) = (self.threshold, 1.0);
        if !proves(high) {
            return None;
        }
        while high - low > 5e-4 {
            let middle = f64::midpoint(low, high);
            if proves(middle) { high = middle } else { low = middle }
        }
        Some((1000.0 * high).round() / 10.0)
    }

    /// The expected evidence for the alternative `worse` of a bucket of `requests` that fail at `rate`.
    fn expected(&self, rate: f64, worse: f64, requests: u64, most: f64) -> f64 {
        /// With more requests, random variation is small compared with the limit.
        const MANY: u64 = 2000;
        let n = float(requests);
        if rate >= 1.0 || requests > MANY {
            return self.step(worse, rate * n, (1.0 - rate) * n).min(most);
        }
        // The binomial distribution, each probability from the one before.
        let mut log_chance = n * (1.0 - rate).ln();
        let mut mean = 0.0;
        for failed in 0..=requests {
            let (x, remaining) = (float(failed), float(requests - failed));
            mean += log_chance.exp() * self.step(worse, x, remaining).min(most);
            log_chance += (remaining / (x + 1.0) * rate / (1.0 - rate)).ln();
        }
        mean
    }
}

fn log_mean_exp(values: &[f64]) -> f64 {
    let most = values.iter().copied().fold(f64::MIN, f64::max);
    let sum: f64 = values.iter().map(|value| (value - most).exp()).sum();
    most + (sum / float(values.len() as u64)).ln()
}

#[expect(clippy::cast_precision_loss, reason = "exact up to 2^53 requests")]
fn float(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn after(percent: f64, buckets: &[(u64, u64)]) -> SequentialTest {
        let mut test = SequentialTest::new(percent);
        for (index, (good, bad)) in (0..).zip(buckets) {
            test.add(index, good + bad, *bad);
        }
        test.close();
        test
    }

    #[test]
    fn an_outage_is_proven_by_four_buckets_and_not_by_three() {
        assert!(after(5.0, &[(0, 10); 4]).is_decisive());
        assert!(!after(5.0, &[(0, 1_000_000); 3]).is_decisive());
    }

    #[test]
    fn a_proof_stays_a_proof() {
        assert!(after(5.0, &[(0, 10), (0, 10), (0, 10), (0, 10), (500, 0)]).is_decisive());
    }

    #[test]
    fn a_blip_in_a_good_version_proves_nothing() {
        let mut buckets = vec![(100, 0); 30];
        buckets.extend([(40, 60), (70, 30)]);
        assert!(!after(5.0, &buckets).is_decisive());
    }

    #[test]
    fn good_buckets_do_not_dilute_late_errors() {
        let mut buckets = vec![(100, 0); 50];
        buckets.extend([(70, 30); 5]);
        assert!(after(5.0, &buckets).is_decisive());
    }

    #[test]
    fn a_fault_that_begins_late_needs_four_buckets_too() {
        for before in [0, 1, 10, 50] {
            let mut buckets = vec![(10, 0); before];
            buckets.extend([(0, 10); 3]);
            assert!(!after(5.0, &buckets).is_decisive(), "three after {before}");
            buckets.push((0, 10));
            assert!(after(5.0, &buckets).is_decisive(), "four after {before}");
        }
    }

    #[test]
    fn more_requests_prove_smaller_faults() {
        let detectable = |buckets: usize, good| after(5.0, &vec![(good, 0); buckets]).detectable_percent();
        assert_eq!(detectable(1, 9), None, "9 requests");
        assert_eq!(detectable(3, 1000), None, "three buckets");
        // From the simulation: 20 % of one request a second is detected in ninety seconds at the median.
        let slow = detectable(9, 10).unwrap();
        assert!((17.0..22.0).contains(&slow), "{slow}");
        let many = detectable(60, 1000).unwrap();
        assert!((6.0..7.0).contains(&many), "{many}");
    }

    proptest! {
        #[test]
        fn more_errors_never_weaken(
            buckets in proptest::collection::vec((0..50_u64, 0..20_u64), 1..40), at in 0..40_usize,
        ) {
            let mut worse = buckets.clone();
            let at = at % buckets.len();
            worse[at].1 += 1;
            prop_assert!(after(5.0, &worse).evidence() >= after(5.0, &buckets).evidence().min(SequentialTest::needed()) - 1e-9);
            worse = buckets.clone();
            worse[at] = (0, buckets[at].0 + buckets[at].1);
            prop_assert!(after(5.0, &worse).evidence() >= after(5.0, &buckets).evidence().min(SequentialTest::needed()) - 1e-9);
        }

        #[test]
        fn split_and_order_within_a_bucket_never_matter(
            parts in proptest::collection::vec((0..5_i64, 0..20_u64, 0..20_u64), 1..40), turn in 0..40_usize,
        ) {
            let mut sorted = parts;
            sorted.sort_by_key(|part| part.0);
            let mut whole = SequentialTest::new(5.0);
            for bucket in 0..5 {
                let is_in_bucket = |part: &&(i64, u64, u64)| part.0 == bucket;
                let good: u64 = sorted.iter().filter(is_in_bucket).map(|part| part.1).sum();
                let bad: u64 = sorted.iter().filter(is_in_bucket).map(|part| part.2).sum();
                whole.add(bucket, good + bad, bad);
            }
            whole.close();
            let turn = turn % sorted.len();
            sorted.rotate_left(turn);
            sorted.sort_by_key(|part| part.0);
            let mut split = SequentialTest::new(5.0);
            for (bucket, good, bad) in sorted {
                split.add(bucket, good, 0);
                split.add(bucket, bad, bad);
            }
            split.close();
            prop_assert_eq!((split.starts, split.total, split.errors), (whole.starts, whole.total, whole.errors));
        }

        #[test]
        fn no_input_gives_nan(
            percent in prop_oneof![Just(f64::MIN_POSITIVE), Just(99.999_999_999_999), 0.001..100.0_f64],
            buckets in proptest::collection::vec((any::<i64>(), any::<u64>(), any::<u64>()), 0..20),
        ) {
            let mut test = SequentialTest::new(percent);
            for (bucket, total, errors) in buckets {
                test.add(bucket, total, errors);
                prop_assert!(test.evidence().is_finite());
            }
            test.close();
            prop_assert!(test.evidence().is_finite());
            prop_assert!(test.detectable_percent().is_none_or(f64::is_finite));
        }
    }
}
