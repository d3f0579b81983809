//! Runs the tests of a suite, several at once, and reports them in the suite's order.

mod attempts;
mod clients;
mod command;
mod context;
mod http;
mod ordered_results;
mod redirect;
mod schedule;

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
use crate::suite::model::{Suite, Test};
use crate::suite::template::Values;
use crate::verdict::RunEnd;
use attempts::{FinishedTest, TestWithRetries};
use ordered_results::{OrderedResults, seq};
use schedule::Schedule;

pub(crate) use clients::Clients;
pub(crate) use context::{Limits, RunContext};

/// Runs the suite. If the run ends early, the tests that have finished by then are still reported and returned.
pub(crate) async fn run_suite<W: Write>(
    suite: &Suite,
    limits: &Limits,
    context: RunContext,
    report: &mut Report<W>,
) -> Result<(Vec<records::Test>, RunEnd)> {
    let clock = SystemClock;
    let mut signals = ShutdownSignals::watch()?;
    let context = Arc::new(context);
    // Running tests stop if it is set or its sender is dropped.
    let (stop, stop_requested) = watch::channel(false);
    let mut running = JoinSet::new();
    let dependencies: Vec<_> = suite.tests.iter().map(|test| test.depends_on.clone()).collect();
    let mut schedule = Schedule::new(&dependencies);
    let mut values = Arc::new(Values::new());
    let mut results = OrderedResults::new(report);
    let mut deadline = pin!(sleep(limits.deadline.unwrap_or(Duration::MAX)));
    let end = loop {
        while running.len() < limits.jobs
            && let Some(index) = schedule.start_next()
            && let Some(test) = suite.tests.get(index)
        {
            let attempts = TestWithRetries {
                test: Arc::clone(test),
                context: Arc::clone(&context),
                values: Arc::clone(&values),
                max_attempts: test.retries.unwrap_or(limits.retries).saturating_add(1),
                retry_delay: limits.retry_delay,
                stop_requested: stop_requested.clone(),
            };
            running.spawn(attempts.run(index));
        }
        tokio::select! {
            signal = signals.next() => break RunEnd::Signal(signal),
            () = &mut deadline => break RunEnd::Deadline,
            joined = running.join_next() => match joined {
                None => break RunEnd::Completed,
                Some(Ok(None)) => {}
                Some(Ok(Some(finished))) => {
                    let final_results = conclude(finished, suite, &mut schedule, &mut values);
                    let mut added = results.add(final_results);
                    if let Some(max_fail) = limits.max_fail && results.failed() >= max_fail {
                        let why = format!("not started: {max_fail} failed, the limit of --max-fail");
                        added = added.and(results.add(skip(schedule.abandon(), suite, &clock, &why)));
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
        let _ = results.add(test.into_iter().collect());
    }
    if let (RunEnd::Deadline, Some(deadline)) = (&end, limits.deadline) {
        let unfinished = (0..suite.tests.len()).filter(|&index| !results.contains(seq(index))).collect();
        let why = format!("not finished within the deadline of {}", duration::format_duration(deadline));
        let _ = results.add(skip(unfinished, suite, &clock, &why));
    }
    let tests = results.finish();
    let end = match end {
        // All tests have finished: the verdict stands, although nobody reads the last results.
        RunEnd::OutputClosed if tests.len() == suite.tests.len() => RunEnd::Completed,
        end => end,
    };
    Ok((tests, end))
}

/// Releases or skips the tests that depend on a finished one. Returns the results that are now final.
fn conclude(
    finished: FinishedTest,
    suite: &Suite,
    schedule: &mut Schedule,
    values: &mut Arc<Values>,
) -> Vec<records::Test> {
    let FinishedTest { index, mut test, captured } = finished;
    // The service may have repeated a value that another test captured while this one ran.
    if let Some(message) = &mut test.message {
        *message = SuiteRedactor::new(&Redactor::default(), values).redact(message);
    }
    if matches!(test.result, TestResult::Pass | TestResult::Flaky) {
        if !captured.is_empty() {
            Arc::make_mut(values).extend(captured);
        }
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
