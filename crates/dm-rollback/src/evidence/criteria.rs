//! The limits that the evidence is tested against.

use std::time::Duration;

use chrono::{DateTime, Utc};
use common::records::Baseline;

use super::error_counts::Limit;

/// The maximum number of sources, and of targets. A stream with more makes up names.
pub(crate) const MAX_NAMES: usize = 64;

/// The default length of a bucket. A fault has to last for five of them to be proven, so it is long.
pub(crate) const BUCKET: Duration = Duration::from_secs(10);

/// The limit of the error rate if none was requested, in percent.
pub(crate) const DEFAULT_LIMIT: f64 = 5.0;

/// The limits that the evidence is tested against.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Criteria {
    /// The share of failed requests that is allowed, in percent, above 0 and below 100.
    pub error_rate: Option<f64>,
    /// The share of slow requests that is allowed.
    pub latency: Option<Latency>,
    /// Whether an outage is a fault in itself: no probe succeeds in five buckets.
    pub outage: bool,
    /// When the deployment began: older requests are the baseline.
    pub since: Option<DateTime<Utc>>,
    /// The baseline of failed requests, if the caller states it.
    pub baseline: Option<Baseline>,
    /// How long the watch lasts at least, if it may end as soon as the version is proven good.
    pub watch_min: Option<Duration>,
    /// Whether to prove that a rollback has brought the rates below these limits, instead of judging a version.
    pub restored: bool,
    /// The length of a bucket of time. The number of requests in it does not matter.
    pub bucket: Duration,
    /// Whether failures are compared with those of a control group. Without requests of it, nothing is decided.
    pub has_control: bool,
    /// The odds ratio of failures to those of the control group that is tolerated; 1 tolerates no difference.
    pub control_tolerance: f64,
}

impl Default for Criteria {
    fn default() -> Self {
        let (error_rate, latency, since, baseline) = (None, None, None, None);
        let (outage, watch_min, restored, bucket) = (false, None, false, BUCKET);
        Self {
            error_rate,
            latency,
            outage,
            since,
            baseline,
            watch_min,
            restored,
            bucket,
            has_control: false,
            control_tolerance: 1.0,
        }
    }
}

impl Criteria {
    /// The criteria for a rollback whose requests before it are not known: fewer than the default limit must fail.
    pub(crate) fn to_restore(bucket: Duration) -> Self {
        Self {
            error_rate: Some(DEFAULT_LIMIT),
            watch_min: Some(Duration::ZERO),
            restored: true,
            bucket,
            ..Self::default()
        }
    }

    /// What the share of failed requests is tested against.
    pub(crate) fn error_limit(&self) -> Limit {
        self.limit(self.error_rate)
    }

    /// What a share of bad requests is tested against.
    pub(crate) fn limit(&self, percent: Option<f64>) -> Limit {
        match percent {
            None => Limit::None,
            Some(percent) if self.restored => Limit::Restore(percent),
            Some(percent) => Limit::Judge(percent),
        }
    }
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
