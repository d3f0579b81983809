//! Runs the tests of a suite, several at once, and reports them in the suite's order.

mod attempts;
mod clients;
mod command;
mod context;
mod exchange;
mod http;
mod jar;
mod kept;
mod ordered_results;
mod payload;
mod redirect;
mod route;
mod schedule;
mod stream;
mod transport;
mod websocket;

use std::io::Write;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use child_process::ShutdownSignals;
use chrono::{DateTime, Utc};
use common::clock::{Clock, SystemClock};
use common::duration;
use common::event::TestResult;
use common::records;
use common::secrets::Redactor;
use http_expect::excerpt;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::redact::SuiteRedactor;
use crate::report::Report;
use crate::suite::model::{Section, Suite, Test};
use crate::suite::template::Values;
use crate::verdict::RunEnd;
use attempts::{FinishedTest, TestWithRetries};
use jar::Cookies;
use ordered_results::{OrderedResults, seq};
use schedule::Schedule;

pub(crate) use clients::Clients;
pub(crate) use context::{Limits, RunContext};

/// Runs the suite. If the run ends early, the tests that have finished by then are still reported and returned. What cleans
/// up runs in any case, except after a signal: then nobody waits for it.
pub(crate) async fn run_suite<W: Write>(
    suite: &Suite,
    limits: &Limits,
    context: RunContext,
    report: &mut Report<W>,
) -> Result<(Vec<records::Test>, RunEnd)> {
    let mut signals = ShutdownSignals::watch()?;
    let dependencies: Vec<_> = suite.tests.iter().map(|test| test.depends_on.clone()).collect();
    let is_teardown: Vec<bool> = suite.tests.iter().map(|test| test.section == Section::Teardown).collect();
    let mut run = Run {
        suite,
        limits,
        context: Arc::new(context),
        schedule: Schedule::new(&dependencies, is_teardown.clone()),
        dependencies,
        values: Arc::default(),
        cookies: Cookies::default(),
        results: OrderedResults::new(report),
    };
    let mut end = run.phase(&mut signals, limits.deadline).await;
    if let (RunEnd::Deadline, Some(deadline)) = (&end, limits.deadline) {
        let why = format!("not finished within the deadline of {}", duration::format_duration(deadline));
        run.skip_unfinished(&why, |index| is_teardown.get(index) == Some(&false));
    }
    if matches!(end, RunEnd::Completed | RunEnd::Deadline) && is_teardown.contains(&true) {
        run.schedule.release();
        let end_of_teardown = run.phase(&mut signals, None).await;
        run.skip_unfinished("a test that it depends on did not end", |_| {
            end_of_teardown == RunEnd::Completed
        });
        if end_of_teardown != RunEnd::Completed {
            end = end_of_teardown;
        }
    }
    let tests = run.results.finish();
    let end = match end {
        // All tests have finished: the verdict stands, although nobody reads the last results.
        RunEnd::OutputClosed if tests.len() == suite.tests.len() => RunEnd::Completed,
        end => end,
    };
    Ok((tests, end))
}

/// The state of a run.
struct Run<'a, W> {
    suite: &'a Suite,
    limits: &'a Limits,
    context: Arc<RunContext>,
    dependencies: Vec<Vec<usize>>,
    schedule: Schedule,
    values: Arc<Values>,
    cookies: Cookies,
    results: OrderedResults<'a, W>,
}

impl<W: Write> Run<'_, W> {
    /// Runs the tests that can start, until none is left or the run ends early. Tests that run then are stopped.
    async fn phase(&mut self, signals: &mut ShutdownSignals, deadline: Option<Duration>) -> RunEnd {
        let clock = SystemClock;
        // Running tests stop if it is set or its sender is dropped.
        let (stop, stop_requested) = watch::channel(false);
        let mut running = JoinSet::new();
        let mut deadline = pin!(sleep(deadline.unwrap_or(Duration::MAX)));
        let end = loop {
            while running.len() < self.limits.jobs
                && let Some(index) = self.schedule.start_next()
                && let Some(test) = self.suite.tests.get(index)
            {
                running.spawn(self.attempts(index, test, stop_requested.clone()).run(index));
            }
            tokio::select! {
                signal = signals.next() => break RunEnd::Signal(signal),
                () = &mut deadline => break RunEnd::Deadline,
                joined = running.join_next() => match joined {
                    None => break RunEnd::Completed,
                    Some(Ok(None)) => {}
                    Some(Ok(Some(finished))) => {
                        let final_results =
                            conclude(finished, self.suite, &mut self.schedule, &mut self.values, &mut self.cookies);
                        let mut added = self.results.add(final_results);
                        if let Some(max_fail) = self.limits.max_fail && self.results.failed() >= max_fail {
                            let why = format!("not started: {max_fail} failed, the limit of --max-fail");
                            let skipped = skip(self.schedule.abandon(), self.suite, &clock, &why);
                            added = added.and(self.results.add(skipped));
                        }
                        if let Err(end) = added { break end }
                    }
                    Some(Err(error)) => break RunEnd::Error(format!("a test ended unexpectedly: {error}")),
                },
            }
        };
        stop.send_replace(true);
        while let Some(joined) = running.join_next().await {
            let test = joined.ok().flatten().map(|finished| finished.test);
            // An error would be a second reason for the end of a run that already has one.
            let _ = self.results.add(test.into_iter().collect());
        }
        end
    }

    fn attempts(
        &self,
        index: usize,
        test: &Arc<Test>,
        stop_requested: watch::Receiver<bool>,
    ) -> TestWithRetries {
        // A test that is repeated until it holds is not retried as well.
        let retries = if test.polling.is_some() { 0 } else { test.retries.unwrap_or(self.limits.retries) };
        TestWithRetries {
            test: Arc::clone(test),
            context: Arc::clone(&self.context),
            values: Arc::clone(&self.values),
            cookies: self.cookies.of_dependencies(index, &self.dependencies),
            max_attempts: retries.saturating_add(1),
            retry_delay: self.limits.retry_delay,
            stop_requested,
        }
    }

    /// Skips the tests of a kind that have no result, and what depends on them.
    fn skip_unfinished(&mut self, why: &str, is_meant: impl Fn(usize) -> bool) {
        let unfinished = |index: &usize| is_meant(*index) && !self.results.contains(seq(*index));
        let unfinished: Vec<usize> = (0..self.suite.tests.len()).filter(unfinished).collect();
        let mut dependents: Vec<usize> = Vec::new();
        for &index in &unfinished {
            dependents.extend(self.schedule.mark_failed(index).into_iter().map(|(dependent, _)| dependent));
        }
        dependents.retain(|index| !unfinished.contains(index));
        let all = [unfinished, dependents].concat();
        let _ = self.results.add(skip(all, self.suite, &SystemClock, why));
    }
}

/// Releases or skips the tests that depend on a finished one. Returns the results that are now final.
fn conclude(
    finished: FinishedTest,
    suite: &Suite,
    schedule: &mut Schedule,
    values: &mut Arc<Values>,
    cookies: &mut Cookies,
) -> Vec<records::Test> {
    let FinishedTest { index, mut test, kept } = finished;
    // The service may have repeated a value that another test captured while this one ran.
    if let Some(message) = &mut test.message {
        *message = SuiteRedactor::new(&Redactor::default(), values).redact(message);
    }
    if matches!(test.result, TestResult::Pass | TestResult::Flaky) {
        if !kept.values.is_empty() {
            Arc::make_mut(values).extend(kept.values);
        }
        cookies.add(index, kept.cookies);
        schedule.mark_passed(index);
        return vec![test];
    }
    let ts = test.ts;
    let skipped = schedule.mark_failed(index).into_iter().filter_map(|(dependent, dependency)| {
        let name = excerpt::quoted(suite.tests.get(dependency)?.name.as_str());
        let why = format!("depends on {name}, which did not pass");
        Some(skipped(suite.tests.get(dependent)?, dependent, ts, why))
    });
    let skipped: Vec<_> = skipped.collect();
    [test].into_iter().chain(skipped).collect()
}

fn skip(indexes: Vec<usize>, suite: &Suite, clock: &dyn Clock, why: &str) -> Vec<records::Test> {
    let ts = clock.now();
    let tests = indexes.into_iter().filter_map(|index| Some((suite.tests.get(index)?, index)));
    tests.map(|(test, index)| skipped(test, index, ts, why.to_owned())).collect()
}

fn skipped(test: &Test, index: usize, ts: DateTime<Utc>, why: String) -> records::Test {
    records::Test {
        seq: seq(index),
        ts,
        name: test.name.clone(),
        result: TestResult::Skip,
        attempts: 0,
        duration_ms: 0,
        reason: None,
        message: Some(why),
    }
}
