//! The sequential rule: when the errors seen so far are proof of a version that is worse than allowed. Pure.
//!
//! A likelihood ratio against several worse error rates, restarted whenever it speaks for the version (Page 1954),
//! with an upper limit on what one bucket of time may say. `docs/observability/rollback-decision.md` has the proof.

/// How often a good version may be rolled back in a watch of [`BUCKETS`] buckets, at most.
const ALPHA: f64 = 0.05;

/// The buckets of a watch: ten minutes of ten seconds.
const BUCKETS: f64 = 60.0;

/// At least so many buckets have to take part: a blip is none of them.
const PERSISTENCE: f64 = 4.0;

/// Below so many requests nothing is rolled back for their errors.
pub const MIN_REQUESTS: u64 = 10;

/// Below so many errors nothing is rolled back for them.
pub const MIN_ERRORS: u64 = 3;

/// No error rate above this is an alternative: a version that always fails sometimes answers.
const WORST: f64 = 0.97;

/// The evidence of one source, bucket by bucket.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    threshold: f64,
    /// Worse error rates, and the evidence for each since it last spoke for the version.
    worse: Vec<(f64, f64)>,
    /// The bucket that is being filled, its requests and its errors.
    open: (i64, u64, u64),
    total: u64,
    errors: u64,
}

impl Rule {
    /// A rule that allows this share of errors, in percent, above 0 and below 100.
    pub fn new(percent: f64) -> Self {
        let threshold = (percent / 100.0).clamp(1e-9, 0.999);
        let mut worse: Vec<f64> = [1.5 * threshold, 2.0 * threshold, 4.0 * threshold, 0.5, 0.9]
            .into_iter()
            .filter(|rate| *rate > threshold && *rate < WORST)
            .collect();
        if worse.is_empty() {
            worse.push(f64::midpoint(threshold, 1.0));
        }
        let worse = worse.into_iter().map(|rate| (rate, 0.0)).collect();
        Self { threshold, worse, open: (i64::MIN, 0, 0), total: 0, errors: 0 }
    }

    /// The evidence at which a version is rolled back.
    pub fn needed() -> f64 {
        (BUCKETS / ALPHA).ln()
    }

    /// Adds requests, of which so many are errors. One that comes late belongs to the bucket that is open: what was
    /// weighed stays weighed.
    pub fn add(&mut self, bucket: i64, total: u64, errors: u64) {
        if bucket > self.open.0 {
            self.close();
            self.open.0 = bucket;
        }
        self.open.1 = self.open.1.saturating_add(total);
        self.open.2 = self.open.2.saturating_add(errors);
    }

    /// Weighs what is in the open bucket. What is proven stays proven.
    pub fn close(&mut self) {
        let (_, total, errors) = self.open;
        (self.open.1, self.open.2) = (0, 0);
        if total == 0 || self.is_decisive() {
            return;
        }
        self.total = self.total.saturating_add(total);
        self.errors = self.errors.saturating_add(errors);
        let (failed, answered) = (float(errors), float(total.saturating_sub(errors)));
        for (rate, sum) in &mut self.worse {
            let step = failed * (*rate / self.threshold).ln()
                + answered * ((1.0 - *rate) / (1.0 - self.threshold)).ln();
            *sum = sum.max(0.0) + step.min(Self::needed() / PERSISTENCE);
        }
    }

    /// The evidence against the version in natural logarithms, from the buckets that are closed; never below 0.
    pub fn evidence(&self) -> f64 {
        let most = self.worse.iter().map(|(_, sum)| *sum).fold(0.0, f64::max);
        let mean = self.worse.iter().map(|(_, sum)| (sum - most).exp()).sum::<f64>()
            / float(self.worse.len() as u64);
        (most + mean.ln()).max(0.0)
    }

    /// Whether the evidence is enough to roll back.
    pub fn is_decisive(&self) -> bool {
        // The sum of four quarters may fall short of the whole by a rounding.
        self.evidence() >= Self::needed() - 1e-9 && self.total >= MIN_REQUESTS && self.errors >= MIN_ERRORS
    }
}

/// The smallest error rate in percent that so many requests are expected to prove; `None` where none would.
pub fn detectable_percent(percent: f64, total: u64) -> Option<f64> {
    let rule = Rule::new(percent);
    let needed = Rule::needed() + float(rule.worse.len() as u64).ln();
    let threshold = rule.threshold;
    (1..1000_u32)
        .find(|permille| {
            let rate = f64::from(*permille) / 1000.0;
            let gain =
                rate * (rate / threshold).ln() + (1.0 - rate) * ((1.0 - rate) / (1.0 - threshold)).ln();
            rate > threshold && total >= MIN_REQUESTS && float(total) * gain >= needed
        })
        .map(|permille| f64::from(permille) / 10.0)
}

#[expect(clippy::cast_precision_loss, reason = "exact up to 2^53 requests")]
fn float(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn after(percent: f64, buckets: &[(u64, u64)]) -> Rule {
        let mut rule = Rule::new(percent);
        for (index, (good, bad)) in (0..).zip(buckets) {
            rule.add(index, good + bad, *bad);
        }
        rule.close();
        rule
    }

    #[test]
    fn an_outage_is_proven_by_four_buckets_and_not_by_three() {
        assert!(after(5.0, &[(0, 10); 4]).is_decisive());
        assert!(!after(5.0, &[(0, 1_000_000); 3]).is_decisive());
    }

    #[test]
    fn what_is_proven_stays_proven() {
        assert!(after(5.0, &[(0, 10), (0, 10), (0, 10), (0, 10), (500, 0)]).is_decisive());
    }

    #[test]
    fn a_blip_in_a_good_version_proves_nothing() {
        let mut buckets = vec![(100, 0); 30];
        buckets.extend([(40, 60), (70, 30)]);
        assert!(!after(5.0, &buckets).is_decisive());
    }

    #[test]
    fn errors_that_begin_late_are_not_diluted_by_what_was_good() {
        let mut buckets = vec![(100, 0); 50];
        buckets.extend([(70, 30); 5]);
        assert!(after(5.0, &buckets).is_decisive());
    }

    #[test]
    fn more_requests_prove_smaller_faults() {
        assert_eq!(detectable_percent(5.0, 9), None);
        let [few, many] = [50, 5000].map(|total| detectable_percent(5.0, total).unwrap());
        assert!(many < 8.0 && few > 15.0, "{few} {many}");
    }

    proptest! {
        #[test]
        fn more_errors_never_weaken(
            buckets in proptest::collection::vec((0..50_u64, 0..20_u64), 1..40), at in 0..40_usize,
        ) {
            let mut worse = buckets.clone();
            let at = at % buckets.len();
            worse[at].1 += 1;
            prop_assert!(after(5.0, &worse).evidence() >= after(5.0, &buckets).evidence().min(Rule::needed()) - 1e-9);
            worse = buckets.clone();
            worse[at] = (0, buckets[at].0 + buckets[at].1);
            prop_assert!(after(5.0, &worse).evidence() >= after(5.0, &buckets).evidence().min(Rule::needed()) - 1e-9);
        }

        #[test]
        fn how_a_bucket_s_counts_are_split_and_ordered_never_matters(
            parts in proptest::collection::vec((0..5_i64, 0..20_u64, 0..20_u64), 1..40), turn in 0..40_usize,
        ) {
            let mut sorted = parts;
            sorted.sort_by_key(|part| part.0);
            let mut whole = Rule::new(5.0);
            for bucket in 0..5 {
                let of = |part: &&(i64, u64, u64)| part.0 == bucket;
                let good: u64 = sorted.iter().filter(of).map(|part| part.1).sum();
                let bad: u64 = sorted.iter().filter(of).map(|part| part.2).sum();
                whole.add(bucket, good + bad, bad);
            }
            whole.close();
            let turn = turn % sorted.len();
            sorted.rotate_left(turn);
            sorted.sort_by_key(|part| part.0);
            let mut split = Rule::new(5.0);
            for (bucket, good, bad) in sorted {
                split.add(bucket, good, 0);
                split.add(bucket, bad, bad);
            }
            split.close();
            prop_assert_eq!(split.worse, whole.worse);
        }

        #[test]
        fn nothing_gives_nan(
            percent in prop_oneof![Just(f64::MIN_POSITIVE), Just(99.999_999_999_999), 0.001..100.0_f64],
            buckets in proptest::collection::vec((any::<i64>(), any::<u64>(), any::<u64>()), 0..20),
        ) {
            let mut rule = Rule::new(percent);
            for (bucket, total, errors) in buckets {
                rule.add(bucket, total, errors);
                prop_assert!(rule.evidence().is_finite());
            }
            rule.close();
            prop_assert!(rule.evidence().is_finite());
        }
    }
}
