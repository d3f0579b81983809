//! Observes a URL without any output: for use after a rollback.

use std::future::pending;
use std::ops::ControlFlow;
use std::time::Duration;

use anyhow::{Context, Result};
use chrono::{DateTime, Utc};
use common::clock::SystemClock;
use common::label::Label;
use common::runtime;
use common::secrets::Redactor;
use url::Url;

use crate::expectations::Expectations;
use crate::policy::{Policy, PollRules, ProbeResult, Step, Verdict};
use crate::poll_loop::{Schedule, poll};
use crate::probe::{ProbeOptions, ProbeOutcome, Prober, Target};
use crate::run_outcome::RunOutcome;
use crate::version::{VersionDetector, VersionLocation};

/// How to observe a URL.
#[derive(Debug, Clone)]
pub struct Observation<'a> {
    /// The URL.
    pub url: &'a Url,
    /// The time between two probes.
    pub interval: Duration,
    /// The time limit of a probe.
    pub timeout: Duration,
    /// How long to observe at most.
    pub deadline: Duration,
    /// Where a response contains its version, if versions are to be detected.
    pub version_at: Option<VersionLocation>,
}

/// A probe that was sent.
#[derive(Debug)]
pub struct Observed {
    /// When it was sent.
    pub ts: DateTime<Utc>,
    /// Whether the response had a 2xx status.
    pub ok: bool,
    /// The version that answered, if it was detected.
    pub version: Option<Label>,
}

/// Probes a URL until the deadline, or until `on_probe` breaks. Blocks, so it must not be called on a tokio runtime. Prints
/// and records nothing.
///
/// # Errors
/// The URL cannot be probed at all.
pub fn observe(
    observation: Observation<'_>,
    mut on_probe: impl FnMut(Observed) -> ControlFlow<()>,
) -> Result<()> {
    let Observation { url, interval, timeout, deadline, version_at } = observation;
    let clock = SystemClock;
    let secrets = Redactor::default().with_environment();
    let detector = version_at.map(|location| VersionDetector { location, secrets, deployed: None });
    let expected = Expectations { detector, ..Expectations::default() };
    let targets = [Target::from_url(url)?];
    let options = ProbeOptions { timeout, reuse: false };
    let probers = Prober::for_targets(&targets, options, &clock)?;
    // Only the deadline and the caller end it.
    let rules = PollRules {
        max_fail: u32::MAX,
        waits_for_success: false,
        fail_rate: None,
        min_success: u32::MAX,
        grace: deadline,
        deadline: Some(deadline),
        watch: None,
        through_failures: None,
    };
    let interval = interval.max(Duration::from_millis(1));
    let schedule = Schedule { interval, watch_interval: interval, jitter: Duration::ZERO };
    let mut policy = Policy::new(rules, targets.len());
    let on_outcome = |_, outcome: &ProbeOutcome, _: Step| {
        if outcome.result() == ProbeResult::NotProbed {
            return ControlFlow::Continue(());
        }
        let version = outcome.version.clone();
        match on_probe(Observed { ts: outcome.sent_at, ok: outcome.is_ok(), version }) {
            ControlFlow::Continue(()) => ControlFlow::Continue(()),
            ControlFlow::Break(()) => ControlFlow::Break(RunOutcome::Verdict(Verdict::Healthy)),
        }
    };
    let expected = [expected];
    let polling = poll(probers, &expected, &mut policy, schedule, &clock, pending(), on_outcome);
    runtime::block_on(polling).context("cannot set up the event loop")?;
    Ok(())
}
