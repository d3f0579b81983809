//! What one source observed: its requests, and how many of them failed or were slow. Pure.

use common::records::Baseline;

use super::criteria::Criteria;
use crate::decision::baseline::threshold_used;
use crate::decision::sequential_test::SequentialTest;

/// The requests of one source, and how many of them were bad in one way: failed, or slow.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ErrorCounts {
    /// Requests after the deployment.
    pub total: u64,
    /// Bad requests after the deployment.
    pub bad: u64,
    /// The same counts before the deployment.
    pub baseline: Baseline,
    /// The evidence since the first request after the deployment; `None` if there is no limit or no request.
    pub test: Option<SequentialTest>,
    /// The share of bad requests that the test allows, in percent: the limit, adjusted to the baseline.
    pub allowed: Option<f64>,
}

impl ErrorCounts {
    /// Adds `total` requests, `bad` of them bad, to a bucket of time. The bucket `None` is the time before the deployment.
    fn add(&mut self, bucket: Option<i64>, total: u64, bad: u64, limit_percent: Option<f64>) {
        let Some(bucket) = bucket else {
            self.baseline.total = self.baseline.total.saturating_add(total);
            self.baseline.errors = self.baseline.errors.saturating_add(bad);
            return;
        };
        self.total = self.total.saturating_add(total);
        self.bad = self.bad.saturating_add(bad);
        if let Some(percent) = limit_percent {
            let baseline = self.baseline;
            let threshold = *self.allowed.get_or_insert_with(|| threshold_used(percent, baseline));
            self.test.get_or_insert_with(|| SequentialTest::new(threshold)).add(bucket, total, bad);
        }
    }

    /// Evaluates the open bucket.
    pub fn close(&mut self) {
        if let Some(test) = &mut self.test {
            test.close();
        }
    }

    /// Whether the evidence proves that too many requests are bad.
    pub fn is_decisive(&self) -> bool {
        self.test.as_ref().is_some_and(SequentialTest::is_decisive)
    }

    /// The share of bad requests, in percent; `None` without requests.
    #[expect(clippy::cast_precision_loss, reason = "exact up to 2^53 requests")]
    pub fn percent(&self) -> Option<f64> {
        (self.total > 0).then(|| 100.0 * self.bad as f64 / self.total as f64)
    }
}

/// Everything that one source observed.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Observation {
    /// Requests that failed, among all.
    pub errors: ErrorCounts,
    /// Requests that were slow, among those with a known duration.
    pub slow: ErrorCounts,
    /// Failures before the first success, while the service may still be starting.
    starting: ErrorCounts,
    succeeded: bool,
}

/// Requests in one bucket of time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Requests {
    /// All requests.
    pub total: u64,
    /// Failed requests.
    pub errors: u64,
    /// Requests with a known duration.
    pub timed: u64,
    /// Slow requests among those with a known duration.
    pub slow: u64,
}

impl Observation {
    /// Adds the requests of a bucket. The bucket `None` is the time before the deployment.
    pub fn add(&mut self, bucket: Option<i64>, requests: Requests, criteria: &Criteria) {
        let Requests { total, errors, timed, slow } = requests;
        self.succeeded |= total > errors;
        if bucket.is_some() || criteria.baseline.is_none() {
            self.errors.add(bucket, total, errors, criteria.error_rate);
        }
        if let Some(latency) = criteria.latency
            && timed > 0
        {
            self.slow.add(bucket, timed, slow, Some(latency.share));
        }
    }

    /// Adds a probe. Failures before the first success may be those of a service that is starting.
    pub fn probe(&mut self, bucket: Option<i64>, probe: Requests, criteria: &Criteria) {
        if self.succeeded || probe.errors == 0 || bucket.is_none() {
            self.starting = ErrorCounts::default();
            self.add(bucket, probe, criteria);
        } else {
            self.starting.baseline = self.errors.baseline;
            self.starting.add(bucket, probe.total, probe.errors, criteria.error_rate);
        }
    }

    /// Ends the observation. A service that never answered was not starting: its failures count.
    pub fn finish(&mut self) {
        if !self.succeeded && self.starting.total > 0 {
            self.errors = std::mem::take(&mut self.starting);
        }
        self.errors.close();
        self.slow.close();
    }

    /// Whether the observation proves a bad version. A service that never answered may still be starting.
    pub fn is_decisive(&self) -> bool {
        self.succeeded && (self.errors.is_decisive() || self.slow.is_decisive())
    }
}
