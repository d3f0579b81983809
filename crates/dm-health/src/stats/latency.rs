//! Latency quantiles of a run of any length, in bounded memory.

use std::collections::BTreeMap;
use std::time::Duration;

use common::event::Quantiles;

use crate::probe::milliseconds;

/// A histogram of latencies with four significant digits. A quantile is wrong by at most 0.05 %, and there are at most 9000
/// different values per power of ten.
#[derive(Debug, Clone, Default)]
pub(crate) struct Latencies {
    /// The number of latencies by microseconds.
    counts: BTreeMap<u64, u64>,
    count: u64,
    max: Duration,
}

impl Latencies {
    /// Adds a latency.
    pub(crate) fn add(&mut self, latency: Duration) {
        let micros = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        *self.counts.entry(to_four_digits(micros)).or_default() += 1;
        self.count += 1;
        self.max = self.max.max(latency);
    }

    /// The quantiles by nearest rank; `None` without latencies. The maximum is exact.
    pub(crate) fn quantiles(&self) -> Option<Quantiles> {
        let max = milliseconds(self.max);
        Some(Quantiles { p50: self.percentile(50)?.min(max), p95: self.percentile(95)?.min(max), max })
    }

    fn percentile(&self, percent: u64) -> Option<f64> {
        let rank = self.count.saturating_mul(percent).div_ceil(100);
        let mut below = 0;
        let (micros, _) = self.counts.iter().find(|(_, times)| {
            below += **times;
            below >= rank
        })?;
        Some(milliseconds(Duration::from_micros(*micros)))
    }
}

fn to_four_digits(value: u64) -> u64 {
    let mut unit = 1;
    while value / unit >= 10_000 {
        unit *= 10;
    }
    value.saturating_add(unit / 2) / unit * unit
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn quantiles_are_observed_latencies() {
        let mut latencies = Latencies::default();
        assert_eq!(latencies.quantiles(), None);
        (1..=20).for_each(|ms| latencies.add(Duration::from_millis(ms)));
        assert_eq!(latencies.quantiles(), Some(Quantiles { p50: 10.0, p95: 19.0, max: 20.0 }));
    }

    #[test]
    fn four_digits_are_kept() {
        assert_eq!(
            [0, 9_999, 10_004, 10_005, 99_999].map(to_four_digits),
            [0, 9_999, 10_000, 10_010, 100_000]
        );
        assert!(to_four_digits(u64::MAX) > u64::MAX / 10 * 9);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn quantiles_are_near_those_of_a_sorted_list(mut micros in proptest::collection::vec(0..20_000_000_u64, 1..200)) {
            let mut latencies = Latencies::default();
            for micros in &micros {
                latencies.add(Duration::from_micros(*micros));
            }
            micros.sort_unstable();
            let exact = |percent: usize| {
                milliseconds(Duration::from_micros(micros[(micros.len() * percent).div_ceil(100) - 1]))
            };
            let result = latencies.quantiles().unwrap();
            for (result, exact) in [(result.p50, exact(50)), (result.p95, exact(95)), (result.max, exact(100))] {
                prop_assert!((result - exact).abs() <= exact * 0.000_51, "{} for {}", result, exact);
            }
        }
    }
}
