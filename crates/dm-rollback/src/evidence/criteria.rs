//! The limits that the evidence is tested against.

use std::time::Duration;

use chrono::{DateTime, Utc};
use common::records::Baseline;

/// The limits that the evidence is tested against.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Criteria {
    /// The share of failed requests that is allowed, in percent, above 0 and below 100.
    pub error_rate: Option<f64>,
    /// The share of slow requests that is allowed.
    pub latency: Option<Latency>,
    /// When the deployment began: older requests are the baseline.
    pub since: Option<DateTime<Utc>>,
    /// The baseline of failed requests, if the caller states it.
    pub baseline: Option<Baseline>,
}

/// The limit for slow requests.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Latency {
    /// A request that takes longer than this is slow.
    pub limit: Duration,
    /// The share of slow requests that is allowed, in percent, above 0 and below 100.
    pub share: f64,
}

impl Latency {
    /// Whether a request of this duration is slow.
    pub fn is_slow(self, milliseconds: f64) -> bool {
        milliseconds > self.limit.as_secs_f64() * 1000.0
    }
}
