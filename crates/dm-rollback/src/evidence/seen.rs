//! What one source showed: requests, those that failed, those that were slow. Pure.

use common::records::Baseline;

use super::Asked;
use crate::baseline::threshold_used;
use crate::rule::Rule;

/// Requests of one source, and those among them that were bad in one way.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Judged {
    /// Requests after the deployment.
    pub total: u64,
    /// Those that were bad.
    pub bad: u64,
    /// The same before the deployment.
    pub before: Baseline,
    /// The evidence, where it was asked for; from the first request after the deployment on.
    pub rule: Option<Rule>,
    /// The share that is allowed, in percent, as it was used.
    pub allowed: Option<f64>,
}

impl Judged {
    /// Adds requests of which so many are bad, in this bucket of time; `None` is before the deployment.
    fn add(&mut self, bucket: Option<i64>, total: u64, bad: u64, asked: Option<f64>) {
        let Some(bucket) = bucket else {
            self.before.total = self.before.total.saturating_add(total);
            self.before.errors = self.before.errors.saturating_add(bad);
            return;
        };
        self.total = self.total.saturating_add(total);
        self.bad = self.bad.saturating_add(bad);
        if let Some(percent) = asked {
            let before = self.before;
            let used = *self.allowed.get_or_insert_with(|| threshold_used(percent, before));
            self.rule.get_or_insert_with(|| Rule::new(used)).add(bucket, total, bad);
        }
    }

    /// Weighs the bucket that is open.
    pub fn close(&mut self) {
        if let Some(rule) = &mut self.rule {
            rule.close();
        }
    }

    /// Whether the evidence is proof.
    pub fn is_decisive(&self) -> bool {
        self.rule.as_ref().is_some_and(Rule::is_decisive)
    }

    /// The bad ones in percent of all; `None` without requests.
    #[expect(clippy::cast_precision_loss, reason = "exact up to 2^53 requests")]
    pub fn percent(&self) -> Option<f64> {
        (self.total > 0).then(|| 100.0 * self.bad as f64 / self.total as f64)
    }
}

/// Everything that one source showed.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Seen {
    /// By whether they failed.
    pub errors: Judged,
    /// By whether they were slow; of those whose duration is known.
    pub slow: Judged,
    /// Failures before the first success: the service was still starting.
    starting: Judged,
    succeeded: bool,
}

/// Requests in one bucket of time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Requests {
    /// Requests.
    pub total: u64,
    /// Those that failed.
    pub errors: u64,
    /// Those whose duration is known.
    pub timed: u64,
    /// Those of them that took too long.
    pub slow: u64,
}

impl Seen {
    /// Adds what was counted in a bucket; `None` is before the deployment.
    pub fn add(&mut self, bucket: Option<i64>, requests: Requests, asked: &Asked) {
        let Requests { total, errors, timed, slow } = requests;
        self.succeeded |= total > errors;
        if bucket.is_some() || asked.baseline.is_none() {
            self.errors.add(bucket, total, errors, asked.error_rate);
        }
        if let Some(latency) = asked.latency
            && timed > 0
        {
            self.slow.add(bucket, timed, slow, Some(latency.share));
        }
    }

    /// Adds a probe. Failures before the first success are those of a service that is starting.
    pub fn probe(&mut self, bucket: Option<i64>, probe: Requests, asked: &Asked) {
        if self.succeeded || probe.errors == 0 || bucket.is_none() {
            self.starting = Judged::default();
            self.add(bucket, probe, asked);
        } else {
            self.starting.before = self.errors.before;
            self.starting.add(bucket, probe.total, probe.errors, asked.error_rate);
        }
    }

    /// Nothing more comes: a service that never answered was not starting.
    pub fn finish(&mut self) {
        if !self.succeeded && self.starting.total > 0 {
            self.errors = std::mem::take(&mut self.starting);
        }
        self.errors.close();
        self.slow.close();
    }

    /// Whether it is proof already. A service that never answered may still be starting.
    pub fn is_decisive(&self) -> bool {
        self.succeeded && (self.errors.is_decisive() || self.slow.is_decisive())
    }
}
