//! Adding probes and counted requests to the evidence.

use chrono::{DateTime, Utc};

use super::Evidence;
use super::criteria::MAX_NAMES;
use super::observation::{Observation, Requests};
use super::versions::Answered;

/// Whether an answer was the first of its target that names a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Detection {
    Unchanged,
    Began,
}

impl Evidence {
    /// Adds a probe that this tool made.
    pub(crate) fn probe(&mut self, ts: DateTime<Utc>, src: &str, ok: bool, version: Option<&str>) {
        let requests = Requests { total: 1, errors: u64::from(!ok), ..Requests::default() };
        let bucket = self.bucket(ts);
        self.add_probe(bucket, (src, src), requests, version);
    }

    /// Adds a probe of a source and a target to a bucket.
    pub(super) fn add_probe(
        &mut self,
        bucket: Option<i64>,
        (src, target): (&str, &str),
        requests: Requests,
        version: Option<&str>,
    ) -> Detection {
        let ok = requests.errors == 0;
        let (mut answered, mut detection) = (Answered::Ours, Detection::Unchanged);
        if let Some(bucket) = bucket {
            let were_detected = self.versions.are_detected_at(target);
            answered = self.versions.count(target, bucket, version, ok);
            if !were_detected && self.versions.are_known() && self.versions.are_detected_at(target) {
                // What was answered before that may have been by any version.
                self.observations.get_mut(src).into_iter().for_each(Observation::forget);
                self.health.forget(target);
                detection = Detection::Began;
            }
            let is_ours = !matches!(answered, Answered::Other | Answered::Unnamed);
            self.health.probe(target, bucket, ok, is_ours);
        } else if self.versions.is_deployed(version) {
            // The baseline is what other versions answered, whether they name themselves or not.
            return detection;
        }
        let criteria = self.criteria;
        // A source that only another version has answered is none of this deployment.
        if answered == Answered::Other && !self.observations.contains_key(src) {
            return detection;
        }
        if let Some(observation) = self.source(src) {
            observation.probe(bucket, requests, answered, &criteria);
        }
        detection
    }

    /// Adds a probe of the control group. One that the deployed version answered is none.
    pub(super) fn add_control_probe(
        &mut self,
        ts: DateTime<Utc>,
        src: &str,
        requests: Requests,
        version: Option<&str>,
    ) {
        if self.versions.is_deployed(version) {
            self.is_control_ours = true;
            self.expect_control();
        } else {
            self.count_control(ts, src, requests);
        }
    }

    /// Decides nothing without requests of the control group.
    pub(super) fn expect_control(&mut self) {
        if !std::mem::replace(&mut self.criteria.has_control, true) {
            let tolerance = self.criteria.control_tolerance;
            self.observations.values_mut().for_each(|observation| observation.expect_control(tolerance));
        }
    }

    /// Adds requests that a source counted in a window that ends at `ts`.
    pub fn count(&mut self, ts: DateTime<Utc>, src: &str, requests: Requests) {
        if !self.is_possible(src, requests) {
            return;
        }
        let (bucket, criteria) = (self.bucket(ts), self.criteria);
        if let Some(observation) = self.source(src) {
            observation.add(bucket, requests, &criteria);
        }
    }

    /// Adds requests of the control group, which were counted at the same time as those of every source.
    pub fn count_control(&mut self, ts: DateTime<Utc>, src: &str, requests: Requests) {
        if !self.is_possible(src, requests) {
            return;
        }
        let Some(bucket) = self.bucket(ts) else { return };
        let criteria = self.criteria;
        for observation in self.observations.values_mut() {
            observation.control(bucket, requests, &criteria);
        }
    }

    /// Whether these counts are possible. Others damage the evidence.
    fn is_possible(&mut self, src: &str, Requests { total, errors, .. }: Requests) -> bool {
        if errors > total {
            self.damage = Some(format!("{src} counts {errors} errors in {total} requests"));
        }
        errors <= total
    }

    /// The bucket of a record's own time, so that a recorded stream gives the verdict that it gave live. `None` before the
    /// deployment.
    pub(super) fn bucket(&mut self, ts: DateTime<Utc>) -> Option<i64> {
        let is_before = self.criteria.since.is_some_and(|since| ts <= since);
        (!is_before).then(|| self.timeline.bucket(ts))
    }

    fn source(&mut self, src: &str) -> Option<&mut Observation> {
        if !self.observations.contains_key(src) {
            if self.observations.len() >= MAX_NAMES {
                self.damage = Some(format!("the evidence has more than {MAX_NAMES} sources"));
                return None;
            }
            let mut observation = Observation::default();
            observation.errors.baseline = self.criteria.baseline.unwrap_or_default();
            if self.criteria.has_control {
                observation.expect_control(self.criteria.control_tolerance);
            }
            self.observations.insert(src.to_owned(), observation);
        }
        self.observations.get_mut(src)
    }
}
