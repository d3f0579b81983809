//! The baseline: failures that were there before the deployment are not the new version's fault. Pure.

use common::records::Baseline;

/// The minimum number of requests in a usable baseline.
const MIN_BASELINE: u64 = 100;

/// The 95 % one-sided quantile of the normal distribution.
const Z: f64 = 1.645;

/// Whether the baseline has enough requests to be used.
pub(crate) fn is_usable(baseline: Baseline) -> bool {
    baseline.total >= MIN_BASELINE
}

/// The share of bad requests that is allowed, in percent: the limit `percent`, but never less than the upper limit of
/// the baseline's interval.
pub fn threshold_used(percent: f64, baseline: Baseline) -> f64 {
    if !is_usable(baseline) {
        return percent;
    }
    // A baseline in which all requests failed would allow everything; the test needs a limit below 100 %.
    percent.max((100.0 * wilson_upper(baseline)).min(99.9))
}

/// The upper limit of Wilson's one-sided 95 % interval for the share of errors (Wilson 1927, J. Am. Stat. Assoc.
/// 22:209).
fn wilson_upper(Baseline { total, errors }: Baseline) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "exact up to 2^53 requests")]
    let (n, x) = (total as f64, errors.min(total) as f64);
    let share = x / n;
    let half = Z * (share * (1.0 - share) / n + Z * Z / (4.0 * n * n)).sqrt();
    ((share + Z * Z / (2.0 * n) + half) / (1.0 + Z * Z / n)).min(1.0)
}

/// The minimum number of requests that, all without an error, show the error rate to be below `percent` at 95 %: the upper limit
/// of the same interval for 0 of n is z²/(n + z²). 52 for 5 percent.
pub(crate) fn requests_to_keep(percent: f64) -> u64 {
    let share = percent / 100.0;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "positive; saturates")]
    let most_too_few = (Z * Z * (1.0 - share) / share).floor() as u64;
    most_too_few.saturating_add(1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_baseline_worse_than_the_limit_replaces_it() {
        let used = |total, errors| threshold_used(5.0, Baseline { total, errors });
        assert!((used(900, 4) - 5.0).abs() < 1e-9, "it was better");
        assert!((used(99, 50) - 5.0).abs() < 1e-9, "too few requests");
        // R: prop.test(70, 1000, correct = FALSE, conf.level = 0.9)$conf.int[2] is 0.0845.
        assert!((used(1000, 70) - 8.45).abs() < 0.01, "{}", used(1000, 70));
        assert!(used(1000, 1000) < 100.0);
    }

    #[test]
    fn fewer_percent_need_more_requests() {
        assert_eq!(requests_to_keep(5.0), 52);
        assert_eq!(requests_to_keep(1.0), 268);
        assert_eq!(requests_to_keep(f64::MIN_POSITIVE), u64::MAX);
    }

    proptest! {
        #[test]
        fn the_limit_is_a_percentage_that_can_be_judged(total: u64, errors: u64, percent in 0.001..99.9_f64) {
            let used = threshold_used(percent, Baseline { total, errors });
            prop_assert!(used >= percent && used < 100.0);
        }
    }
}
