//! Verifies that a URL is healthy, without any output: for use after a rollback.

use std::future::pending;
use std::ops::ControlFlow;
use std::time::Duration;

use anyhow::{Context, Result};
use common::clock::SystemClock;
use common::runtime;
use url::Url;

use crate::expectations::Expectations;
use crate::policy::{Policy, PollRules, Step, Verdict};
use crate::poll_loop::{Schedule, poll};
use crate::probe::{ProbeOptions, ProbeOutcome, Prober, Target};
use crate::run_outcome::RunOutcome;

/// Whether `url` responds with a 2xx status `in_a_row` times in a row before `deadline`. Sends a probe every `interval`,
/// each of which takes at most `timeout`. Blocks, so it must not be called on a tokio runtime. Prints and records nothing.
///
/// # Errors
/// The URL cannot be probed at all.
pub fn verify(
    url: &Url,
    in_a_row: u32,
    interval: Duration,
    timeout: Duration,
    deadline: Duration,
) -> Result<bool> {
    let clock = SystemClock;
    let expected = Expectations::default();
    let targets = [Target::from_url(url)?];
    let options = ProbeOptions { timeout, reuse: false };
    let probers = Prober::for_targets(&targets, options, &clock)?;
    // A service may fail for a while after a rollback. Only the deadline proves that it does not recover.
    let rules = PollRules {
        max_fail: u32::MAX,
        fail_rate: None,
        min_success: in_a_row,
        grace: deadline,
        deadline: Some(deadline),
        watch: None,
        through_failures: None,
    };
    let interval = interval.max(Duration::from_millis(1));
    let schedule = Schedule { interval, watch_interval: interval, jitter: Duration::ZERO };
    let mut policy = Policy::new(rules, targets.len());
    let ignore = |_, _: &ProbeOutcome, _: Step| ControlFlow::Continue(());
    let polling = poll(probers, &expected, &mut policy, schedule, &clock, pending(), ignore);
    let outcome = runtime::block_on(polling).context("cannot set up the event loop")?;
    Ok(matches!(outcome, RunOutcome::Verdict(Verdict::Healthy)))
}
