//! The baseline: failures that were there before the deployment are not the new version's fault. Pure.

use common::records::Baseline;

use super::mixture::float;

/// The minimum number of requests in a usable baseline.
pub(crate) const MIN_BASELINE: u64 = 100;

/// The 95 % one-sided quantile of the normal distribution.
const Z: f64 = 1.645;

/// How far a baseline may raise the limit to keep a version.
const MOST_RAISED: f64 = 2.0;

/// The limits of an error rate, in percent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Limits {
    /// The limit that the user requested. A version is known good only below it.
    pub requested: f64,
    /// A version is kept only below this limit: the requested one, or twice that if the baseline raises it. That a version is
    /// no worse than before cannot be proven against the rate before.
    pub keep: f64,
    /// A version is rolled back only above this limit: the requested one, raised by the baseline.
    pub roll_back: f64,
}

impl Limits {
    /// The limits with this baseline.
    pub(crate) fn new(requested: f64, baseline: Baseline) -> Self {
        if baseline.total < MIN_BASELINE {
            return Self { requested, keep: requested, roll_back: requested };
        }
        // Of few requests, the upper limit is high even if none failed: that would excuse what never happened before.
        let is_worse = rate(baseline) > requested;
        // A baseline in which all requests failed would allow everything; the test needs a limit below 100 %.
        let before = (100.0 * wilson_upper(baseline)).min(99.9);
        let roll_back = if is_worse { requested.max(before) } else { requested };
        let keep = if roll_back > requested { (MOST_RAISED * requested).min(99.9) } else { requested };
        Self { requested, keep, roll_back }
    }

    /// Whether the baseline was so bad that a version that is no worse is not kept.
    pub(crate) fn was_bad_before(&self) -> bool {
        self.roll_back > self.keep
    }

    /// Whether the baseline raised the limit.
    pub(crate) fn is_raised(&self) -> bool {
        self.roll_back > self.requested
    }
}

/// The share of errors, in percent; 0 without requests.
pub(crate) fn rate(Baseline { total, errors }: Baseline) -> f64 {
    100.0 * float(errors) / float(total.max(1))
}

/// The upper limit of Wilson's one-sided 95 % interval for the share of errors (Wilson 1927, J. Am. Stat. Assoc.
/// 22:209).
fn wilson_upper(Baseline { total, errors }: Baseline) -> f64 {
    let (n, x) = (float(total), float(errors.min(total)));
    let share = x / n;
    let half = Z * (share * (1.0 - share) / n + Z * Z / (4.0 * n * n)).sqrt();
    ((share + Z * Z / (2.0 * n) + half) / (1.0 + Z * Z / n)).min(1.0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn limits(total: u64, errors: u64) -> Limits {
        Limits::new(5.0, Baseline { total, errors })
    }

    #[test]
    fn a_baseline_worse_than_the_limit_raises_it() {
        assert!(!limits(900, 4).is_raised(), "it was better");
        assert!(!limits(99, 50).is_raised(), "too few requests");
        assert!(!limits(100, 0).is_raised() && !limits(100, 5).is_raised(), "not worse than the limit");
        let small = Limits::new(1.0, Baseline { total: 150, errors: 0 });
        assert!(!small.is_raised(), "{small:?}");
        // R: prop.test(70, 1000, correct = FALSE, conf.level = 0.9)$conf.int[2] is 0.0845.
        let seven = limits(1000, 70);
        assert!((seven.roll_back - 8.45).abs() < 0.01 && (seven.keep - 10.0).abs() < 1e-9, "{seven:?}");
        assert!(seven.is_raised() && !seven.was_bad_before());
    }

    #[test]
    fn a_bad_baseline_at_most_doubles_the_limit_for_a_keep() {
        let outage = limits(1000, 1000);
        assert!(
            outage.roll_back < 100.0 && (outage.keep - 10.0).abs() < 1e-9 && outage.was_bad_before(),
            "{outage:?}"
        );
    }

    proptest! {
        #[test]
        fn the_limits_can_be_tested(total: u64, errors: u64, percent in 0.001..99.9_f64) {
            let limits = Limits::new(percent, Baseline { total, errors });
            prop_assert!(percent <= limits.keep && percent <= limits.roll_back);
            prop_assert!(limits.keep < 100.0 && limits.roll_back < 100.0);
        }
    }
}
