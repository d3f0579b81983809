//! Series, as Prometheus returns them.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;

/// A value at a time, in milliseconds since 1970.
pub(super) type Sample = (i64, f64);

/// The labels of a series.
pub(super) type Labels = BTreeMap<String, String>;

/// The raw samples of a series, in order.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(from = "Matrix")]
pub(super) struct Series {
    /// The labels, with the name as `__name__`.
    pub(super) labels: Labels,
    /// The samples.
    pub(super) samples: Vec<Sample>,
    /// Whether it is a native histogram, whose samples are no numbers.
    pub(super) is_native: bool,
}

/// Why a native histogram cannot be counted.
pub(super) const NATIVE: &str = "is a native histogram, which cannot be counted: give a counter, or let the service also \
export classic buckets";

#[derive(Deserialize)]
struct Matrix {
    metric: Labels,
    #[serde(default)]
    values: Vec<(f64, String)>,
    #[serde(default)]
    histograms: Vec<IgnoredAny>,
}

impl From<Matrix> for Series {
    fn from(Matrix { metric, values, histograms }: Matrix) -> Self {
        #[expect(clippy::cast_possible_truncation, reason = "a float-to-integer cast saturates")]
        let sample = |(ts, value): &(f64, String)| Some(((ts * 1000.0).round() as i64, value.parse().ok()?));
        let samples = values.iter().filter_map(sample).collect();
        Self { labels: metric, samples, is_native: !histograms.is_empty() }
    }
}
