//! What one source observed: its requests, and how many of them failed or were slow. Pure.

use super::criteria::Criteria;
use super::error_counts::ErrorCounts;
use crate::decision::control_test::Group;

/// Everything that one source observed.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Observation {
    /// Requests that failed, among all.
    pub errors: ErrorCounts,
    /// Requests that were slow, among those with a known duration.
    pub slow: ErrorCounts,
    /// Failures before the first success, while the service may still be starting.
    starting: ErrorCounts,
    /// Whether the source probes the service, and so may begin before the service has started.
    probes: bool,
    succeeded: bool,
    /// The first and the last bucket since the last success, if a probe failed since.
    failing: Option<(i64, i64)>,
}

/// The number of buckets that an outage lasts at least: a burst of 25 s touches four.
const OUTAGE: i64 = 5;

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
    pub(crate) fn add(&mut self, bucket: Option<i64>, requests: Requests, criteria: &Criteria) {
        let Requests { total, errors, timed, slow } = requests;
        self.succeeded |= total > errors;
        if bucket.is_some() || criteria.baseline.is_none() {
            self.errors.add(bucket, Group { total, errors }, criteria.error_limit());
        }
        if let Some(latency) = criteria.latency
            && timed > 0
        {
            self.slow.add(bucket, Group { total: timed, errors: slow }, criteria.limit(Some(latency.share)));
        }
    }

    /// Adds a probe. Failures before the first success may be those of a service that is starting.
    pub(crate) fn probe(&mut self, bucket: Option<i64>, probe: Requests, criteria: &Criteria) {
        self.probes = true;
        self.failing = match (bucket, self.failing) {
            (Some(bucket), Some((first, _))) if probe.errors > 0 => Some((first, bucket)),
            (Some(bucket), None) if probe.errors > 0 => Some((bucket, bucket)),
            _ => None,
        };
        if self.succeeded || probe.errors == 0 || bucket.is_none() || criteria.restored {
            self.starting = ErrorCounts::default();
            self.add(bucket, probe, criteria);
        } else {
            self.starting.baseline = self.errors.baseline;
            let failed = Group { total: probe.total, errors: probe.errors };
            self.starting.add(bucket, failed, criteria.error_limit());
        }
    }

    /// Adds requests of the control group in a bucket.
    pub(crate) fn control(&mut self, bucket: i64, requests: Requests, criteria: &Criteria) {
        let Requests { total, errors, timed, slow } = requests;
        self.errors.add_control(bucket, Group { total, errors }, criteria.control_tolerance);
        if criteria.latency.is_some() && timed > 0 {
            self.slow.add_control(bucket, Group { total: timed, errors: slow }, criteria.control_tolerance);
        }
    }

    /// Ends the observation. A service that never answered was not starting: its failures count.
    pub(crate) fn finish(&mut self) {
        if !self.succeeded && self.starting.total > 0 {
            self.errors = std::mem::take(&mut self.starting);
        }
        self.errors.close();
        self.slow.close();
    }

    /// Whether the observation proves a bad version. A service that never answered a probe may still be starting.
    pub(crate) fn is_bad(&self, criteria: &Criteria) -> bool {
        !criteria.restored && (self.succeeded || !self.probes) && (self.errors.is_bad() || self.slow.is_bad())
    }

    /// Whether the observation proves a good version, by every limit that there is.
    pub(crate) fn is_good(&self, criteria: &Criteria) -> bool {
        (criteria.error_rate.is_none() || self.errors.is_good())
            && (criteria.latency.is_none() || self.slow.is_good())
    }

    /// Whether the service worked, and since then has failed every probe for long enough.
    pub(crate) fn is_outage(&self) -> bool {
        self.succeeded && self.failing.is_some_and(|(first, last)| last - first >= OUTAGE - 1)
    }

    /// Whether any request succeeded.
    pub(crate) fn has_succeeded(&self) -> bool {
        self.succeeded
    }
}
