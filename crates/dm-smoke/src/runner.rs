//! Runs the tests, so many at once, and reports them in the suite's order whatever is finished first.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::Arc;

use anyhow::Result;
use chrono::{DateTime, Utc};
use common::clock::{Clock, Stopwatch, SystemClock};
use common::event::TestResult;
use common::stop::StopSignals;
use common::stream;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::excerpt::{self, Secrets};
use crate::http_test::Clients;
use crate::report::Report;
use crate::schedule::Schedule;
use crate::suite::{Kind, Suite, Test};
use crate::template::Values;
use crate::verdict::{Ended, Verdict};
use crate::{command_test, http_test};

/// What every test is given.
#[derive(Debug)]
pub struct Surroundings {
    /// What must not be shown.
    pub secrets: Secrets,
    /// For the requests.
    pub clients: Clients,
    /// The variables of the commands.
    pub env: Vec<(&'static str, String)>,
}

/// Runs the suite. Whatever ends it early, what was finished by then is reported and in the verdict.
pub async fn run<W: Write>(
    suite: &Suite,
    jobs: usize,
    surroundings: Surroundings,
    report: &mut Report<W>,
) -> Result<Verdict> {
    let mut signals = StopSignals::watch()?;
    let surroundings = Arc::new(surroundings);
    // Dropped or set, it tells the running tests to stop.
    let (stop, stopped) = watch::channel(false);
    let mut running = JoinSet::new();
    let links: Vec<_> = suite.tests.iter().map(|test| test.depends_on.clone()).collect();
    let mut schedule = Schedule::new(&links);
    let mut values = Arc::new(Values::new());
    let mut finished = Finished::new(report);
    let ended = loop {
        while running.len() < jobs
            && let Some(at) = schedule.begin()
            && let Some(test) = suite.tests.get(at)
        {
            let values = Arc::clone(&values);
            running.spawn(carry_out(
                Arc::clone(test),
                at,
                Arc::clone(&surroundings),
                values,
                stopped.clone(),
            ));
        }
        tokio::select! {
            signal = signals.next() => break Ended::Stopped(signal),
            joined = running.join_next() => match joined {
                None => break Ended::Whole,
                Some(Ok(None)) => {}
                Some(Ok(Some(done))) => {
                    let told = conclude(done, suite, &mut schedule, &mut values);
                    if let Err(ended) = finished.take(told) { break ended }
                }
                Some(Err(error)) => break Ended::Broken(format!("a test broke off: {error}")),
            },
        }
    };
    stop.send_replace(true);
    while let Some(joined) = running.join_next().await {
        // The run has a reason for its end already.
        let done = joined.ok().flatten().map(|done| done.test);
        let _ = finished.take(done.into_iter().collect());
    }
    finished.flush();
    let ended = match ended {
        // All tests are done: that nobody reads of the last ones takes nothing from the verdict.
        Ended::Unread if finished.tests.len() == suite.tests.len() => Ended::Whole,
        ended => ended,
    };
    Ok(Verdict { tests: finished.tests, ended })
}

/// A test that was carried out.
struct Done {
    at: usize,
    test: stream::Test,
    values: Values,
}

/// What follows from a test for the others; the results that are final by it.
fn conclude(
    done: Done,
    suite: &Suite,
    schedule: &mut Schedule,
    values: &mut Arc<Values>,
) -> Vec<stream::Test> {
    let Done { at, test, values: captured } = done;
    if matches!(test.result, TestResult::Pass | TestResult::Flaky) {
        if !captured.is_empty() {
            Arc::make_mut(values).extend(captured);
        }
        schedule.passed(at);
        return vec![test];
    }
    let ts = test.ts;
    let skipped = schedule.failed(at).into_iter().filter_map(|(lost, before)| {
        let cause = suite.tests.get(before)?.name.as_str();
        let why = format!("depends on {}, which did not pass", excerpt::quoted(cause));
        Some(skipped(suite.tests.get(lost)?, lost, ts, why))
    });
    let skipped: Vec<_> = skipped.collect();
    [test].into_iter().chain(skipped).collect()
}

fn skipped(test: &Test, at: usize, ts: DateTime<Utc>, why: String) -> stream::Test {
    stream::Test {
        seq: seq(at),
        ts,
        name: test.name.clone(),
        result: TestResult::Skip,
        attempts: 0,
        duration_ms: 0,
        reason: None,
        message: Some(why),
    }
}

/// Places count from 0, records from 1.
fn seq(at: usize) -> u64 {
    u64::try_from(at).unwrap_or(u64::MAX).saturating_add(1)
}

/// One test, from its start to its final result; `None` when it was stopped.
async fn carry_out(
    test: Arc<Test>,
    at: usize,
    surroundings: Arc<Surroundings>,
    values: Arc<Values>,
    mut stopped: watch::Receiver<bool>,
) -> Option<Done> {
    let clock = SystemClock;
    let stopwatch = Stopwatch::start(&clock);
    let stop = async move {
        // An error is a sender that is gone: then there is no run any more.
        let _ = stopped.wait_for(|stop| *stop).await;
    };
    let mut secrets = surroundings.secrets.clone();
    secrets.add(Secrets::of(values.values().cloned()));
    let outcome = match &test.kind {
        Kind::Http(http) => {
            let clients = &surroundings.clients;
            tokio::select! {
                outcome = http_test::run(http, test.limit, &secrets, clients, &values, &clock) => outcome,
                () = stop => return None,
            }
        }
        Kind::Command(command) => {
            let env = &surroundings.env;
            let outcome = command_test::run(command, test.limit, &secrets, env, &values, stop).await?;
            outcome.map(|()| Values::new())
        }
    };
    let (values, failure) = match outcome {
        Ok(values) => (values, None),
        Err(failure) => (Values::new(), Some(failure)),
    };
    let test = stream::Test {
        seq: seq(at),
        ts: clock.now(),
        name: test.name.clone(),
        result: failure.as_ref().map_or(TestResult::Pass, |failure| failure.result),
        attempts: 1,
        duration_ms: u64::try_from(stopwatch.elapsed(&clock).as_millis()).unwrap_or(u64::MAX),
        reason: failure.as_ref().map(|failure| failure.reason),
        message: failure.map(|failure| failure.message),
    };
    Some(Done { at, test, values })
}

/// The tests that are final: those before the first that is not are reported, the others wait.
struct Finished<'a, W> {
    report: &'a mut Report<W>,
    tests: Vec<stream::Test>,
    waiting: BTreeMap<u64, stream::Test>,
    next: u64,
}

impl<'a, W: Write> Finished<'a, W> {
    fn new(report: &'a mut Report<W>) -> Self {
        Self { report, tests: Vec::new(), waiting: BTreeMap::new(), next: 1 }
    }

    /// Takes tests and reports what can be reported. The error is a reason to end the run.
    fn take(&mut self, tests: Vec<stream::Test>) -> Result<(), Ended> {
        self.waiting.extend(tests.into_iter().map(|test| (test.seq, test)));
        while let Some(test) = self.waiting.remove(&self.next) {
            self.next += 1;
            self.report(test).map_err(|error| Ended::Broken(format!("cannot write to stdout: {error}")))?;
        }
        if self.report.is_closed() { Err(Ended::Unread) } else { Ok(()) }
    }

    /// After a stop: what is final but waits for a test that never will be.
    fn flush(&mut self) {
        for test in std::mem::take(&mut self.waiting).into_values() {
            // A run that is broken off has a greater problem.
            let _ = self.report(test);
        }
    }

    fn report(&mut self, test: stream::Test) -> io::Result<()> {
        let told = self.report.test(&test);
        self.tests.push(test);
        told
    }
}
