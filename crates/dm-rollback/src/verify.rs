//! Verifies a rollback: the condition that triggered it is measured again, from the same source.

use std::time::Duration;

use chrono::{DateTime, Utc};
use common::clock::{Clock, Stopwatch};
use common::duration::format_duration;
use common::event::Condition;
use common::label::{Label, redact_url};
use common::records::Verdict;
use url::Url;

use crate::decision::rate_test::RateTest;
use crate::evidence::versions::Versions;
use crate::evidence::{Criteria, ErrorCounts, Evidence, Latency, Observation, Subject};
use crate::report::note;
use crate::source::Sources;

/// The limit of the error rate that has to be restored if the user requested none, in percent.
const DEFAULT_LIMIT: f64 = 5.0;

/// The successes in a row of a URL that the operator named.
const REQUIRED_SUCCESSES: u32 = 3;

/// The time between two probes.
const INTERVAL: Duration = Duration::from_secs(1);

/// The time limit of one probe.
const TIMEOUT: Duration = Duration::from_secs(5);

/// How to verify a rollback.
#[derive(Debug)]
pub(crate) struct Verification {
    sources: Sources,
    subject: Subject,
    /// The version that was rolled back, if it is known.
    failed: Option<Label>,
    /// What the measurement has to prove; `None` if the condition cannot be measured again, for this reason.
    criteria: Result<Criteria, &'static str>,
    /// The URLs that were probed, to be probed again if the stream ends.
    targets: Vec<Url>,
    /// Whether the versions that answered were detected.
    detects_versions: bool,
    /// A URL that the operator named; it has to work too.
    verify_url: Option<Url>,
    deadline: Duration,
}

impl Verification {
    /// Plans the verification of a rollback with this verdict.
    pub(crate) fn new(
        sources: Sources,
        subject: Subject,
        evidence: Option<&Evidence>,
        verdict: &Verdict,
        (verify_url, deadline): (Option<Url>, Duration),
    ) -> Self {
        let criteria = criteria(evidence, verdict.condition, sources.criteria);
        let detects_versions = evidence.is_some_and(|evidence| evidence.versions.are_detected());
        let targets = evidence.map(Evidence::targets).unwrap_or_default();
        let failed = subject.versions.deployed().cloned();
        Self { sources, subject, failed, criteria, targets, detects_versions, verify_url, deadline }
    }

    /// Measures until the rollback is proven, or until the deadline. `target` is the version that was restored, if it is
    /// known. The error is a message for the operator.
    pub(crate) fn verify(&mut self, target: Option<&Label>, clock: &dyn Clock) -> Result<(), String> {
        let unverified = |why: String| format!("rolled back, NOT verified: {why}");
        let criteria = self.criteria.map_err(|why| unverified(why.to_owned()))?;
        let criteria = Criteria { since: Some(clock.now()), ..criteria };
        self.subject.versions = Versions::after_rollback(target.cloned(), self.failed.clone());
        let evidence = self.measure(criteria, clock).map_err(|error| unverified(format!("{error:#}")))?;
        self.check(&evidence)?;
        let Some(url) = &self.verify_url else { return Ok(()) };
        let works = dm_health::verify(url, REQUIRED_SUCCESSES, INTERVAL, TIMEOUT, self.deadline);
        match (redact_url(url), works) {
            (_, Ok(true)) => Ok(()),
            (url, Ok(false)) => Err(format!("rolled back, but {url} does NOT work: act now")),
            (url, Err(error)) => Err(unverified(format!("{url} could not be probed: {error:#}"))),
        }
    }

    /// Measures the same source again. If a stream has ended, its targets are probed instead.
    fn measure(&mut self, criteria: Criteria, clock: &dyn Clock) -> Result<Evidence> {
        let stopwatch = Stopwatch::start(clock);
        let evidence = self.sources.measure(criteria, self.deadline, &self.subject, clock)?;
        if evidence.is_decisive() || !self.sources.is_stream() || self.targets.is_empty() {
            return Ok(evidence);
        }
        note("the stream has ended: its targets are probed again to verify the rollback");
        let mut evidence = Evidence::new(criteria);
        let mut remaining = self.deadline.saturating_sub(stopwatch.elapsed(clock));
        for url in &self.targets {
            let src = redact_url(url);
            dm_health::observe(url, INTERVAL, TIMEOUT, remaining, |ts, ok| {
                evidence.probe_again(ts, &src, ok);
                if evidence.is_proven(&src) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            })?;
            remaining = self.deadline.saturating_sub(stopwatch.elapsed(clock));
        }
        evidence.finish();
        Ok(evidence)
    }
}
