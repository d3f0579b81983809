//! How a watch went, in a bounded number of points.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// The requests of a watch, and what they prove, as they grew. The source is the one that decided.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WatchCurve {
    /// The beginning of the first point.
    pub began: DateTime<Utc>,
    /// The evidence that is needed for a rollback, as a natural logarithm.
    pub needed: f64,
    /// Oldest first.
    pub points: Vec<WatchPoint>,
}

/// Some time of a watch.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct WatchPoint {
    /// Its end, in seconds since [`WatchCurve::began`].
    pub after_s: f64,
    /// The number of requests in this time.
    pub total: u64,
    /// The number of bad requests: failed, or slow if the condition is `latency`.
    pub errors: u64,
    /// The evidence at its end that the version is worse than the limit, as a natural logarithm.
    pub evidence: f64,
}
