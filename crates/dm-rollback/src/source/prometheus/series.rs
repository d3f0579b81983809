//! Series, as Prometheus returns them.

use std::collections::BTreeMap;

use serde::Deserialize;

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
}

#[derive(Deserialize)]
struct Matrix {
    metric: Labels,
    values: Vec<(f64, String)>,
}

impl From<Matrix> for Series {
    fn from(Matrix { metric, values }: Matrix) -> Self {
        #[expect(clippy::cast_possible_truncation, reason = "a float-to-integer cast saturates")]
        let sample = |(ts, value): &(f64, String)| Some(((ts * 1000.0).round() as i64, value.parse().ok()?));
        Self { labels: metric, samples: values.iter().filter_map(sample).collect() }
    }
}
