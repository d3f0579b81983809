//! One test, from its first attempt to its final result.

use std::sync::Arc;
use std::time::Duration;

use common::clock::{Clock, Stopwatch, SystemClock};
use common::event::TestResult;
use common::records;
use tokio::sync::watch;
use tokio::time::sleep;

use crate::outcome::Failure;
use crate::runner::{Surroundings, seq};
use crate::secret::Hidden;
use crate::suite::model::{Test, TestKind};
use crate::suite::template::Values;
use crate::{command_test, http_test};

/// A test to be tried.
#[derive(Debug)]
pub struct Attempts {
    /// The test.
    pub test: Arc<Test>,
    /// What all are given.
    pub surroundings: Arc<Surroundings>,
    /// What was captured before.
    pub values: Arc<Values>,
    /// How often it is tried at most.
    pub most: u32,
    /// The time between two attempts.
    pub delay: Duration,
    /// Set, or without a sender: stop.
    pub stopped: watch::Receiver<bool>,
}

/// A test that was carried out.
#[derive(Debug)]
pub struct Done {
    /// Its place in the suite.
    pub at: usize,
    /// Its result.
    pub test: records::Test,
    /// What it captured.
    pub values: Values,
}

impl Attempts {
    /// Tries until the test passes, or was tried often enough; `None` when it was stopped before anything was known.
    pub async fn carry_out(self, at: usize) -> Option<Done> {
        let clock = SystemClock;
        let mut attempts = 1;
        let mut before = None;
        loop {
            let stopwatch = Stopwatch::start(&clock);
            // What was wrong before it was stopped is known, and is what there is to say of it.
            let (outcome, is_last) = match self.attempt(&clock).await {
                Some(outcome) => (outcome, attempts >= self.most),
                None => (Err(before.take()?), true),
            };
            let took = stopwatch.elapsed(&clock);
            let (values, result, failure) = match outcome {
                // What was wrong before is what there is to say of a flaky test.
                Ok(values) if before.is_some() => (values, TestResult::Flaky, before.take()),
                Ok(values) => (values, TestResult::Pass, None),
                Err(failure) if !is_last && self.wait().await => {
                    attempts += 1;
                    before = Some(failure);
                    continue;
                }
                Err(failure) => (Values::new(), failure.result, Some(failure)),
            };
            let test = records::Test {
                seq: seq(at),
                ts: clock.now(),
                name: self.test.name.clone(),
                result,
                attempts,
                duration_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
                reason: failure.as_ref().map(|failure| failure.reason),
                message: failure.map(|failure| failure.message),
            };
            return Some(Done { at, test, values });
        }
    }

    async fn attempt(&self, clock: &SystemClock) -> Option<Result<Values, Failure>> {
        let (test, given) = (&self.test, &self.surroundings);
        let hidden = Hidden::new(&given.secrets, &self.values);
        match &test.kind {
            TestKind::Http(http) => tokio::select! {
                told = http_test::run(http, test.timeout, hidden, &given.clients, clock) => Some(told),
                () = self.stop() => None,
            },
            TestKind::Command(command) => {
                let stop = self.stop();
                let told = command_test::run(command, test.timeout, &hidden, &given.env, stop).await?;
                Some(told.map(|()| Values::new()))
            }
        }
    }

    /// Waits for the time of the next attempt; false when it was stopped meanwhile.
    async fn wait(&self) -> bool {
        tokio::select! {
            () = sleep(self.delay) => true,
            () = self.stop() => false,
        }
    }

    async fn stop(&self) {
        // An error is a sender that is gone: then there is no run any more.
        let _ = self.stopped.clone().wait_for(|stop| *stop).await;
    }
}
