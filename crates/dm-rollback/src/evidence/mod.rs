//! The evidence for a verdict, counted while it is read: memory use does not depend on its length.

mod activity;
mod by_target;
mod comparison;
mod criteria;
mod curve;
pub(crate) mod error_counts;
mod health;
mod intake;
mod line;
mod observation;
mod scan;
mod share;
mod stream;
#[cfg(test)]
pub(crate) mod tests;
mod timeline;
pub(crate) mod versions;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::DateTime;
use common::duration::format_duration;
use common::event::{Condition, SourceCount, WatchCurve, WatchPoint};
use common::http::parse_url;
use common::label::{Label, MASK};
use common::records::Verdict;
use url::Url;

#[cfg(test)]
pub(crate) use criteria::BUCKET;
pub use criteria::Criteria;
pub(crate) use criteria::DEFAULT_LIMIT;
pub(crate) use criteria::Latency;
use curve::Point;
pub(crate) use error_counts::ErrorCounts;
use health::Health;
pub use observation::Requests;
pub(crate) use observation::{Bad, Observation};
pub(crate) use stream::{MAX_AGE, Subject};
use timeline::Timeline;
use versions::Versions;

use crate::decision::rate_test::RateTest;

/// The maximum length of a line: no record of the tools is longer.
pub(crate) const MAX_LINE_BYTES: usize = 1024 * 1024;

/// Everything that a verdict is based on.
#[derive(Debug, Clone, PartialEq)]
pub struct Evidence {
    /// The deployment's id, as the producer states it.
    pub deployment: Option<String>,
    /// The tool that writes the stream.
    pub producer: Option<String>,
    /// The producer's exit code, from its `end` line.
    pub exit: Option<u8>,
    /// Why the evidence cannot be trusted; `None` if it can.
    pub damage: Option<String>,
    /// Smoke tests that passed.
    pub(crate) passed_tests: u64,
    /// Smoke tests that neither passed nor were skipped.
    pub failed_tests: u64,
    /// The first of them: the name, and why each failed.
    pub(crate) failures: Vec<String>,
    /// The first smoke tests that passed only when they were repeated.
    pub(crate) flaky: Vec<String>,
    /// The state of the alerts, if Alertmanager was queried.
    pub alert: Option<Alert>,
    /// The versions that answered.
    pub(crate) versions: Versions,
    criteria: Criteria,
    observations: BTreeMap<String, Observation>,
    targets: BTreeSet<String>,
    health: Health,
    timeline: Timeline,
    /// Whether the producer expects more of a response than a good status.
    has_expectations: bool,
    /// Whether it is a stream: other sources know themselves when they fall silent.
    is_stream: bool,
    /// The sources that have to be observed, because a rollback was due to them.
    required: BTreeSet<String>,
    /// Whether the deployed version answered in the name of the control group.
    is_control_ours: bool,
}

/// The state of the requested alerts in Alertmanager, as a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Alert {
    /// An alert of this service fires, and began after the deployment.
    Firing(String),
    /// An alert of this service fires, and began before the deployment.
    FiredBefore(String),
    /// Alerts fire, but only those of other services.
    Elsewhere(String),
    /// No alert fires.
    Quiet,
    /// The state could not be determined, for this reason.
    Unknown(String),
}

impl Evidence {
    /// Empty evidence.
    pub fn new(criteria: Criteria) -> Self {
        Self {
            deployment: None,
            producer: None,
            exit: None,
            damage: None,
            passed_tests: 0,
            failed_tests: 0,
            failures: Vec::new(),
            flaky: Vec::new(),
            alert: None,
            versions: Versions::default(),
            criteria,
            observations: BTreeMap::new(),
            targets: BTreeSet::new(),
            health: Health::default(),
            timeline: Timeline::new(criteria.bucket),
            has_expectations: false,
            is_stream: false,
            required: BTreeSet::new(),
            is_control_ours: false,
        }
    }

    /// The sources that prove a bad version: a rollback has to improve what they observe.
    pub(crate) fn bad_sources(&self) -> BTreeSet<String> {
        let bad = self.observations.iter().filter(|(_, observation)| observation.is_bad(&self.criteria));
        bad.map(|(name, _)| name.clone()).collect()
    }

    /// Whether probing the targets again observes the same as these sources did.
    pub(crate) fn are_probes(&self, sources: &BTreeSet<String>) -> bool {
        sources.iter().all(|name| self.observations.get(name).is_some_and(Observation::is_probing))
    }

    /// Why a source does not show how the version is now: it is missing, or has been silent for much longer than before.
    /// `None` if each does.
    pub(crate) fn why_source_is_silent(&self) -> Option<String> {
        if let Some(name) = self.required.iter().find(|name| !self.observations.contains_key(*name)) {
            let name = source_label(name);
            return Some(format!("the source {name}, whose requests failed, was not observed again"));
        }
        let now = self.timeline.last_bucket().filter(|_| self.is_stream)?;
        let (name, _) = self.observations.iter().find(|(_, observation)| observation.is_silent(now))?;
        Some(format!(
            "the source {} has had no requests lately, so that nobody knows how it is now",
            source_label(name)
        ))
    }

    /// Why the watch was too short to keep the version: the requests that count, such as those since it first answered, are
    /// from a shorter time than a fault may take to show. `None` if it was long enough. At both ends a pause may be missing.
    pub(crate) fn why_watch_was_short(&self) -> Option<String> {
        let watch_min = self.criteria.watch_min.filter(|_| !self.observations.is_empty())?;
        let pauses = self.observations.values().map(Observation::longest_pause);
        let pause = self.criteria.bucket.saturating_mul(pauses.max().unwrap_or(0).max(1));
        (self.length().saturating_add(pause) < watch_min).then(|| {
            format!(
                "the requests that count are those of {}, and the watch has to last for at least {}: give it a longer maximum",
                format_duration(self.length()),
                format_duration(watch_min)
            )
        })
    }

    /// How the watch went, by the source that the verdict is based on; `None` if no requests were counted.
    pub(crate) fn watch_curve(&self, verdict: &Verdict) -> Option<WatchCurve> {
        let bad = if verdict.condition == Some(Condition::Latency) { Bad::Slow } else { Bad::Failed };
        let counts = self.observations.values().map(|observation| observation.counts(bad));
        let counts = counts.into_iter().find(|it| (it.total, it.bad) == (verdict.total, verdict.errors))?;
        let bucket_ms = i64::try_from(self.criteria.bucket.as_millis()).ok()?;
        let ms = |bucket: i64| bucket.saturating_mul(bucket_ms);
        let first = ms(counts.curve().first()?.buckets.0);
        #[expect(clippy::cast_precision_loss, reason = "a watch is short")]
        let after_s = |bucket: i64| ms(bucket.saturating_add(1)).saturating_sub(first) as f64 / 1000.0;
        let point = |point: &Point| WatchPoint {
            after_s: after_s(point.buckets.1),
            total: point.requests.total,
            errors: point.requests.errors,
            // JSON has no infinity; more digits than these say nothing.
            evidence: (point.evidence.clamp(-999.0, 999.0) * 100.0).round() / 100.0,
        };
        let points = counts.curve().iter().map(point).collect();
        Some(WatchCurve {
            began: DateTime::from_timestamp_millis(first)?,
            needed: RateTest::needed(),
            points,
        })
    }

    /// Ends the evidence: evaluates the open buckets.
    pub fn finish(&mut self) {
        self.observations.values_mut().for_each(Observation::finish);
    }

    /// Whether the evidence proves a bad version already, so that the watch can end.
    pub fn is_bad(&self) -> bool {
        matches!(self.alert, Some(Alert::Firing(_)))
            || self.observations.values().any(|observation| observation.is_bad(&self.criteria))
            || (self.criteria.outage && self.has_outage())
    }

    /// What a rollback has to restore: limits that are tested after it. `None` without requests.
    pub fn criteria_to_restore(&self) -> Option<Criteria> {
        let strictest = |bad: Bad| {
            let counts = self.observations.values().map(|observation| observation.favourable_counts(bad));
            let bad = counts.filter(|counts| counts.is_bad());
            bad.filter_map(ErrorCounts::limit_to_restore).min_by(f64::total_cmp)
        };
        let criteria = Criteria::to_restore(self.criteria.bucket);
        let errors = strictest(Bad::Failed);
        let slow = self.criteria.latency.zip(strictest(Bad::Slow));
        match (errors, slow) {
            (Some(percent), _) => Some(Criteria { error_rate: Some(percent), ..criteria }),
            (None, Some((latency, share))) => {
                Some(Criteria { error_rate: None, latency: Some(Latency { share, ..latency }), ..criteria })
            }
            (None, None) => (!self.observations.is_empty()).then_some(criteria),
        }
    }

    /// Why the control group is none, as a sentence.
    pub(crate) fn control_problem(&self) -> Option<String> {
        let has_control = self.observations.values().any(Observation::has_control_requests);
        let ours = self.versions.deployed().filter(|_| self.is_control_ours && !has_control)?;
        Some(format!(
            "the control group answers as version {ours}, which is the deployed one: it is no control group"
        ))
    }

    /// Whether the probes can be made again without their producer: it expects nothing of a response but a good status.
    pub(crate) fn is_repeatable(&self) -> bool {
        !self.has_expectations
    }

    /// Whether a probed target that worked has failed every probe for long enough.
    pub(crate) fn has_outage(&self) -> bool {
        self.health.has_outage()
    }

    /// Whether every probed target is proven healthy.
    pub(crate) fn is_steady(&self) -> bool {
        self.health.is_steady()
    }

    /// Why the version that was rolled back may still be live; `None` if it is gone, or if none was.
    pub(crate) fn why_replaced_is_live(&self) -> Option<String> {
        self.versions.why_replaced_is_live(self.timeline.latest_bucket()?)
    }

    /// Whether any request succeeded.
    pub(crate) fn has_succeeded(&self) -> bool {
        self.observations.values().any(Observation::has_succeeded)
    }

    /// The time between the first record and the latest.
    pub(crate) fn length(&self) -> Duration {
        self.timeline.length()
    }

    /// Whether the watch can end: the version is proven bad; or it is proven good, and the watch has lasted long enough to
    /// let a fault show.
    pub fn is_decisive(&self) -> bool {
        self.is_bad()
            || self.criteria.watch_min.is_some_and(|watch_min| self.length() >= watch_min && self.is_good())
    }

    /// Whether the requests of every source prove a good version now, by every limit that there is.
    pub(crate) fn is_good(&self) -> bool {
        !self.observations.is_empty()
            && self.criteria.error_rate.or(self.criteria.latency.map(|latency| latency.share)).is_some()
            && self.observations.values().all(|observation| observation.is_good(&self.criteria))
            && self.versions.why_ours_is_missing().is_none()
            && self.why_replaced_is_live().is_none()
            && self.why_source_is_silent().is_none()
            && self.clock_problem().is_none()
    }

    /// Whether the requests of every source were good from the beginning, by every limit that there is. One bucket may have
    /// been bad.
    pub(crate) fn is_good_from_the_beginning(&self) -> bool {
        self.observations.values().all(|observation| {
            (self.criteria.error_rate.is_none() || observation.errors.is_good_from_the_beginning())
                && (self.criteria.latency.is_none() || observation.slow.is_good_from_the_beginning())
        })
    }

    /// What is wrong with the producer's clock, as a sentence.
    pub(crate) fn clock_problem(&self) -> Option<String> {
        let is_raised = || {
            self.observations.values().filter_map(|it| it.errors.limits()).any(|limits| limits.is_raised())
        };
        self.timeline.problem().map(str::to_owned).or_else(|| {
            let lag = self.timeline.lag().filter(|_| is_raised())?;
            Some(format!(
                "the records arrive {lag} after their time, so that some that seem to be from before the deployment \
                 may be from after it: set the clock of their producer"
            ))
        })
    }

    /// The limits that the evidence is tested against.
    pub(crate) fn criteria(&self) -> &Criteria {
        &self.criteria
    }

    /// The observation of each source, by its name.
    pub(crate) fn observations(&self) -> impl Iterator<Item = (&str, &Observation)> {
        self.observations.iter().map(|(name, observation)| (name.as_str(), observation))
    }

    /// The number of requests and errors of each source.
    pub fn sources(&self) -> Vec<SourceCount> {
        let count = |(name, observation): (&str, &Observation)| SourceCount {
            source: source_label(name),
            total: observation.errors.total,
            errors: observation.errors.bad,
        };
        self.observations().map(count).collect()
    }

    /// The probed targets that can be probed again: a target with masked secrets cannot.
    pub fn targets(&self) -> Vec<Url> {
        self.targets
            .iter()
            .filter(|target| !target.contains(MASK))
            .filter_map(|target| parse_url(target).ok())
            .collect()
    }
}

/// A source's name as a label value. Streams choose these names, so they are bounded before they become series.
pub(crate) fn source_label(src: &str) -> Label {
    Label::sanitize(src).or_else(|| Label::sanitize("unknown")).expect("not empty")
}
