//! Verifies a rollback: the condition that triggered it is measured again, from the same source.

use std::ops::ControlFlow;
use std::time::Duration;

use anyhow::{Result, bail};
use chrono::{DateTime, TimeDelta, Utc};
use common::clock::{Clock, Stopwatch};
use common::duration::format_duration;
use common::event::Condition;
use common::label::{Label, redact_url};
use common::records::Verdict;
use common::runtime::block_on;
use dm_health::VersionLocation;
use url::Url;

use crate::evidence::versions::Versions;
use crate::evidence::{Criteria, Evidence, Subject};
use crate::execute::run_command::Ended;
use crate::report::note;
use crate::source::Sources;
use crate::trigger::Trigger;

/// The number of buckets in which an alert must not fire.
const QUIET_BUCKETS: u32 = 4;

/// The successes in a row of a URL that the operator named.
const REQUIRED_SUCCESSES: u32 = 3;

/// How long that URL may take to succeed, after the condition is proven to be gone.
const URL_DEADLINE: Duration = Duration::from_mins(1);

/// The share of failures at that URL, in percent, that is proven to be gone while the versions are observed there.
const URL_ERRORS: f64 = 50.0;

/// The longest time between two probes.
const INTERVAL: Duration = Duration::from_secs(1);

/// The probes in a bucket of time, at least.
const PROBES_PER_BUCKET: u32 = 10;

/// The time limit of one probe.
const TIMEOUT: Duration = Duration::from_secs(5);

/// How to verify a rollback.
#[derive(Debug, Clone)]
pub struct VerifySettings {
    /// A URL that the operator named: it has to work too.
    pub url: Option<Url>,
    /// Where a response contains its version, if targets are probed again.
    pub version_at: Option<VersionLocation>,
    /// The time limit of the verification.
    pub deadline: Duration,
}

/// What is measured again.
#[derive(Debug)]
enum Measure {
    /// The requests.
    Requests(Criteria),
    /// The alerts.
    Alerts,
    /// The URL that the operator named: another source cannot be measured again. The versions that answer decide.
    Versions(Criteria),
    /// Nothing, for this reason.
    Nothing(&'static str),
}

/// The verification of one rollback.
#[derive(Debug)]
pub(crate) struct Verification {
    settings: VerifySettings,
    sources: Sources,
    trigger: Option<Trigger>,
    subject: Subject,
    measure: Measure,
    /// The URLs that were probed, to be probed again if the stream ends; empty if that would not measure the same.
    targets: Vec<Url>,
    /// Whether the versions that answered were detected.
    detects_versions: bool,
    /// When the rollback was decided.
    decided_at: DateTime<Utc>,
}

/// How long an Alertmanager that was restarted may know nothing of an alert that fires: Prometheus sends it again after a
/// minute (`--rules.alert.resend-delay`), and a group waits for its evaluation.
const RESENT: TimeDelta = TimeDelta::seconds(90);

impl Verification {
    /// Plans the verification of a rollback with this verdict.
    pub(crate) fn new(
        settings: VerifySettings,
        (sources, trigger): (Sources, Option<Trigger>),
        subject: Subject,
        evidence: Option<&Evidence>,
        verdict: &Verdict,
    ) -> Self {
        let measure = match (verdict.condition, evidence) {
            (Some(Condition::Alert), _) => Measure::Alerts,
            (Some(Condition::ErrorRate | Condition::Latency | Condition::HealthFails), Some(evidence)) => {
                evidence
                    .criteria_to_restore()
                    .map_or(Measure::Nothing("no requests were observed"), Measure::Requests)
            }
            (Some(Condition::SmokeFails | Condition::Reported), _)
                if settings.url.is_some() && settings.version_at.is_some() =>
            {
                Measure::Versions(Criteria::to_restore(sources.criteria.bucket))
            }
            (Some(Condition::SmokeFails), _) => Measure::Nothing(
                "smoke tests cannot be measured again; give --verify-url and --version-at, and the version that answers \
                 is checked instead",
            ),
            (Some(Condition::Reported), _) => Measure::Nothing(
                "the reported fault cannot be measured again; give --verify-url and --version-at, and the version that \
                 answers is checked instead",
            ),
            _ => Measure::Nothing("the condition cannot be measured again"),
        };
        let detects_versions = evidence.is_some_and(|evidence| evidence.versions.are_detected());
        let bad_sources = evidence.map(Evidence::bad_sources).unwrap_or_default();
        let is_repeatable =
            |evidence: &&Evidence| evidence.is_repeatable() && evidence.are_probes(&bad_sources);
        let targets = evidence.filter(is_repeatable).map(Evidence::targets).unwrap_or_default();
        let subject = Subject { required_sources: bad_sources, ..subject };
        let decided_at = verdict.ts;
        Self { settings, sources, trigger, subject, measure, targets, detects_versions, decided_at }
    }

    /// Measures until the rollback is proven, or until the deadline. `target` is the version that was restored, if it is
    /// known; `ended` is how the command ended. The error is a message for the operator.
    pub(crate) fn verify(
        &mut self,
        target: Option<&Label>,
        ended: Ended,
        clock: &dyn Clock,
    ) -> Result<(), String> {
        let replaced = self.subject.versions.deployed().cloned();
        self.subject.versions = Versions::after_rollback(target.cloned(), replaced);
        let stopwatch = Stopwatch::start(clock);
        let from_now = |criteria: Criteria| Criteria { since: Some(clock.now()), ..criteria };
        match self.measure {
            Measure::Nothing(why) => return Err(format!("rolled back, NOT verified: {why}")),
            Measure::Alerts => block_on(self.wait_for_quiet(clock)).map_err(anyhow::Error::from).flatten(),
            Measure::Requests(criteria) => self.measure(from_now(criteria), ended, &stopwatch, clock),
            Measure::Versions(criteria) => self.probe_versions(from_now(criteria)),
        }
        .and_then(|()| self.check_version_at_url(&stopwatch, clock))
        .map_err(|error| format!("rolled back, NOT verified: {error:#}: act now"))?;
        match &self.settings.url {
            Some(url) if !matches!(self.measure, Measure::Versions(_)) => self.check_url(url),
            _ => Ok(()),
        }
    }

    /// Checks that the replaced version is gone from the URL that the operator named too, if its responses name versions.
    fn check_version_at_url(&self, stopwatch: &Stopwatch, clock: &dyn Clock) -> Result<()> {
        let is_done = matches!(self.measure, Measure::Versions(_)) || !self.subject.versions.are_known();
        let Some(url) = self.settings.url.as_ref().filter(|_| self.settings.version_at.is_some() && !is_done)
        else {
            return Ok(());
        };
        let remaining = self.settings.deadline.saturating_sub(stopwatch.elapsed(clock));
        // The rate has been measured already: this takes as few buckets as the versions do.
        let criteria = Criteria::to_restore(self.sources.criteria.bucket);
        let criteria = Criteria { error_rate: Some(URL_ERRORS), ..criteria };
        let evidence = self.probe(url, criteria, remaining.max(URL_DEADLINE))?;
        let why = evidence.versions.why_ours_is_missing().or_else(|| evidence.why_replaced_is_live());
        why.map_or(Ok(()), |why| bail!("{}: {why}", redact_url(url)))
    }

    /// Measures the same source again. If a stream has ended, its targets are probed instead.
    fn measure(
        &mut self,
        criteria: Criteria,
        ended: Ended,
        stopwatch: &Stopwatch,
        clock: &dyn Clock,
    ) -> Result<()> {
        let remaining = || self.settings.deadline.saturating_sub(stopwatch.elapsed(clock));
        let mut evidence = self.sources.measure(criteria, remaining(), &self.subject, clock)?;
        // If the time is up instead, the stream may go on: what it said so far is the answer.
        if !evidence.is_decisive() && self.sources.is_stream() && !remaining().is_zero() {
            let Some(url) = self.targets.first().filter(|_| self.targets.len() == 1) else {
                bail!("the stream ended before the rollback was proven: give dm-health a longer --watch");
            };
            note("the stream has ended: its target is probed again to verify the rollback");
            evidence = self.probe(url, criteria, remaining())?;
        }
        self.check(&evidence)?;
        if ended.goes_on && !evidence.is_good_from_the_beginning() {
            bail!(
                "its command left processes running in the background, and the fault went on after the command had ended"
            );
        }
        Ok(())
    }

    /// Probes a URL until the criteria are proven, or for this long.
    fn probe(&self, url: &Url, criteria: Criteria, deadline: Duration) -> Result<Evidence> {
        let mut evidence = Evidence::new(criteria);
        evidence.versions = self.subject.versions.clone();
        let version_at = self.settings.version_at.clone();
        let observation =
            dm_health::Observation { url, interval: self.interval(), timeout: TIMEOUT, deadline, version_at };
        dm_health::observe(observation, |probe| {
            evidence.probe(
                probe.ts,
                redact_url(url).as_ref(),
                probe.ok,
                probe.version.as_ref().map(Label::as_str),
            );
            if evidence.is_decisive() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        evidence.finish();
        Ok(evidence)
    }

    /// The time between two probes.
    fn interval(&self) -> Duration {
        INTERVAL.min(self.sources.criteria.bucket / PROBES_PER_BUCKET)
    }

    /// Whether the measurement proves the rollback.
    fn check(&self, evidence: &Evidence) -> Result<()> {
        if let Some(why) = &evidence.damage {
            bail!("{why}");
        }
        if let Some(why) = evidence.versions.why_ours_is_missing() {
            bail!("{why}");
        }
        if self.detects_versions && !evidence.versions.are_detected() {
            bail!("the responses do not name their version any more");
        }
        if let Some(why) = evidence.why_replaced_is_live().or_else(|| evidence.why_source_is_silent()) {
            bail!("{why}");
        }
        if evidence.is_decisive() {
            return Ok(());
        }
        let counts = evidence.sources().into_iter().map(|source| {
            format!("{} of {} requests failed ({})", source.errors, source.total, source.source)
        });
        let counts = counts.collect::<Vec<_>>().join(", ");
        let after = format_duration(self.settings.deadline);
        if counts.is_empty() {
            bail!("no requests were observed in {after}");
        }
        bail!("the fault is not proven to be gone after {after}: {counts}");
    }

    /// Checks that the restored version answers at the URL that the operator named.
    fn probe_versions(&self, criteria: Criteria) -> Result<()> {
        let Some(url) = &self.settings.url else { bail!("no --verify-url was given") };
        if !self.subject.versions.are_known() {
            bail!(
                "neither the version that failed nor the one to restore is known, so that no answer proves anything: set \
                 DM_VERSION, or give --target"
            );
        }
        let evidence = self.probe(url, criteria, self.settings.deadline)?;
        if !evidence.versions.are_detected() {
            bail!("the responses of {} do not name their version", redact_url(url));
        }
        self.check(&evidence)
    }

    /// Waits until no alert fires in several buckets of time in a row.
    async fn wait_for_quiet(&self, clock: &dyn Clock) -> Result<()> {
        let bucket = self.sources.criteria.bucket;
        let (stopwatch, mut quiet) = (Stopwatch::start(clock), 0);
        loop {
            // An alert that somebody has silenced is not gone.
            let is_firing = match &self.trigger {
                Some(trigger) => trigger.is_firing().await?,
                None => self.sources.is_alert_firing(clock).await?,
            };
            quiet = if is_firing || self.was_alertmanager_restarted(clock).await? { 0 } else { quiet + 1 };
            if quiet > QUIET_BUCKETS {
                return Ok(());
            }
            let remaining = self.settings.deadline.saturating_sub(stopwatch.elapsed(clock));
            if remaining.is_zero() {
                bail!("the alert still fires after {}", format_duration(self.settings.deadline));
            }
            tokio::time::sleep(bucket.min(remaining)).await;
        }
    }

    /// Whether Alertmanager was started after it had confirmed the alert, and may not know yet which alerts fire.
    async fn was_alertmanager_restarted(&self, clock: &dyn Clock) -> Result<bool> {
        let alertmanager = self.trigger.as_ref().map(|trigger| &trigger.alertmanager);
        let Some(alertmanager) = alertmanager.or_else(|| self.sources.alertmanager()) else {
            return Ok(false);
        };
        let started_at = alertmanager.started_at().await?;
        Ok(started_at > self.decided_at && clock.now() - started_at < RESENT)
    }

    /// Checks that the URL that the operator named works.
    fn check_url(&self, url: &Url) -> Result<(), String> {
        let mut in_a_row = 0;
        let (deadline, version_at) = (URL_DEADLINE, None);
        let observation =
            dm_health::Observation { url, interval: self.interval(), timeout: TIMEOUT, deadline, version_at };
        let observed = dm_health::observe(observation, |probe| {
            in_a_row = if probe.ok { in_a_row + 1 } else { 0 };
            if in_a_row >= REQUIRED_SUCCESSES { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        let url = redact_url(url);
        match observed {
            Ok(()) if in_a_row >= REQUIRED_SUCCESSES => Ok(()),
            Ok(()) => Err(format!("rolled back, but {url} does NOT work: act now")),
            Err(error) => Err(format!("rolled back, NOT verified: {url} could not be probed: {error:#}")),
        }
    }
}
