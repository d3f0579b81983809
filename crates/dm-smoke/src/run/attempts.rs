//! One test with its retries.

use std::sync::Arc;
use std::time::Duration;

use common::clock::{Clock, Stopwatch, SystemClock};
use common::event::TestResult;
use common::records;
use tokio::sync::watch;
use tokio::time::sleep;

use super::context::RunContext;
use super::ordered_results::seq;
use super::{command, http};
use crate::failure::Failure;
use crate::redact::SuiteRedactor;
use crate::suite::model::{Test, TestKind};
use crate::suite::template::Values;

/// A test that is tried until it passes, at most `max_attempts` times.
#[derive(Debug)]
pub(super) struct TestWithRetries {
    pub(super) test: Arc<Test>,
    pub(super) context: Arc<RunContext>,
    /// The values that earlier tests captured.
    pub(super) values: Arc<Values>,
    pub(super) max_attempts: u32,
    pub(super) retry_delay: Duration,
    /// The test stops if this becomes true or loses its sender.
    pub(super) stop_requested: watch::Receiver<bool>,
}

/// A test with its final result.
#[derive(Debug)]
pub(super) struct FinishedTest {
    /// The index in the suite.
    pub(super) index: usize,
    pub(super) test: records::Test,
    /// The values that the test captured.
    pub(super) captured: Values,
}

impl TestWithRetries {
    /// Runs the test and its retries. `None` if it was stopped before an attempt finished.
    pub(super) async fn run(self, index: usize) -> Option<FinishedTest> {
        let clock = SystemClock;
        let mut attempts = 1;
        let mut earlier_failure = None;
        loop {
            let stopwatch = Stopwatch::start(&clock);
            let (outcome, is_last) = match self.attempt(&clock).await {
                Some(outcome) => (outcome, attempts >= self.max_attempts),
                // A stopped retry leaves the failure of the attempt before it.
                None => (Err(earlier_failure.take()?), true),
            };
            let elapsed = stopwatch.elapsed(&clock);
            let (captured, result, failure) = match outcome {
                // A flaky test reports why the attempt before failed.
                Ok(captured) if earlier_failure.is_some() => {
                    (captured, TestResult::Flaky, earlier_failure.take())
                }
                Ok(captured) => (captured, TestResult::Pass, None),
                Err(failure) if !is_last && self.wait_for_retry().await => {
                    attempts += 1;
                    earlier_failure = Some(failure);
                    continue;
                }
                Err(failure) => (Values::new(), failure.result, Some(failure)),
            };
            let test = records::Test {
                seq: seq(index),
                ts: clock.now(),
                name: self.test.name.clone(),
                result,
                attempts,
                duration_ms: u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX),
                reason: failure.as_ref().map(|failure| failure.reason),
                message: failure.map(|failure| failure.message),
            };
            return Some(FinishedTest { index, test, captured });
        }
    }

    async fn attempt(&self, clock: &SystemClock) -> Option<Result<Values, Failure>> {
        let (test, context) = (&self.test, &self.context);
        let redactor = SuiteRedactor::new(&context.redactor, &self.values);
        match &test.kind {
            TestKind::Http(http) => tokio::select! {
                result = http::run(http, test.timeout, redactor, context, clock) => Some(result),
                () = self.stopped() => None,
            },
            TestKind::Command(command) => {
                let stopped = self.stopped();
                let result = command::run(command, test.timeout, &redactor, &context.env, stopped).await?;
                Some(result.map(|()| Values::new()))
            }
        }
    }

    /// Waits for the retry delay. False if the run was stopped meanwhile.
    async fn wait_for_retry(&self) -> bool {
        tokio::select! {
            () = sleep(self.retry_delay) => true,
            () = self.stopped() => false,
        }
    }

    async fn stopped(&self) {
        // An error means that the sender is gone, and with it the run.
        let _ = self.stop_requested.clone().wait_for(|stop| *stop).await;
    }
}
