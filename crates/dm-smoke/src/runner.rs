//! Runs the tests, so many at once, and reports them in the suite's order whatever is finished first.

use std::collections::BTreeMap;
use std::io::{self, Write};
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
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::attempts::{Attempts, Done};
use crate::excerpt;
use crate::http_test::Clients;
use crate::report::Report;
use crate::schedule::Schedule;
use crate::secret::Hidden;
use crate::suite::model::{Suite, Test};
use crate::suite::template::Values;
use crate::verdict::Ended;

/// What every test is given.
#[derive(Debug)]
pub struct Surroundings {
    /// What must not be shown.
    pub secrets: Redactor,
    /// For the requests.
    pub clients: Clients,
    /// The variables of the commands.
    pub env: Vec<(&'static str, String)>,
}

/// How a suite is run.
#[derive(Debug, Clone)]
pub struct Limits {
    /// So many tests run at once.
    pub jobs: usize,
    /// How often a test that says nothing of it is tried again.
    pub retries: u32,
    /// The time before that.
    pub retry_delay: Duration,
    /// No test is begun once so many did not pass.
    pub max_fail: Option<u64>,
    /// The time limit of the whole.
    pub deadline: Option<Duration>,
}

/// Runs the suite. Whatever ends it early, what was finished by then is reported and returned.
pub async fn run<W: Write>(
    suite: &Suite,
    limits: &Limits,
    surroundings: Surroundings,
    report: &mut Report<W>,
) -> Result<(Vec<records::Test>, Ended)> {
    let clock = SystemClock;
    let mut signals = ShutdownSignals::watch()?;
    let surroundings = Arc::new(surroundings);
    // Dropped or set, it tells the running tests to stop.
    let (stop, stopped) = watch::channel(false);
    let mut running = JoinSet::new();
    let links: Vec<_> = suite.tests.iter().map(|test| test.depends_on.clone()).collect();
    let mut schedule = Schedule::new(&links);
    let mut values = Arc::new(Values::new());
    let mut finished = Finished::new(report);
    let mut too_late = pin!(sleep(limits.deadline.unwrap_or(Duration::MAX)));
    let ended = loop {
        while running.len() < limits.jobs
            && let Some(at) = schedule.begin()
            && let Some(test) = suite.tests.get(at)
        {
            let attempts = Attempts {
                test: Arc::clone(test),
                surroundings: Arc::clone(&surroundings),
                values: Arc::clone(&values),
                most: test.retries.unwrap_or(limits.retries).saturating_add(1),
                delay: limits.retry_delay,
                stopped: stopped.clone(),
            };
            running.spawn(attempts.carry_out(at));
        }
        tokio::select! {
            signal = signals.next() => break Ended::Stopped(signal),
            () = &mut too_late => break Ended::Deadline,
            joined = running.join_next() => match joined {
                None => break Ended::Whole,
                Some(Ok(None)) => {}
                Some(Ok(Some(done))) => {
                    let mut told = finished.take(conclude(done, suite, &mut schedule, &mut values));
                    if let Some(most) = limits.max_fail && finished.bad >= most {
                        let why = format!("not begun: {most} did not pass, which is --max-fail");
                        told = told.and(finished.take(skip(schedule.abandon(), suite, &clock, &why)));
                    }
                    if let Err(ended) = told { break ended }
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
    if let (Ended::Deadline, Some(deadline)) = (&ended, limits.deadline) {
        let left = (0..suite.tests.len()).filter(|&at| !finished.has(seq(at))).collect();
        let why = format!("not finished within the deadline of {}", duration::format_duration(deadline));
        let _ = finished.take(skip(left, suite, &clock, &why));
    }
    finished.flush();
    let ended = match ended {
        // All tests are done: that nobody reads of the last ones takes nothing from the verdict.
        Ended::Unread if finished.tests.len() == suite.tests.len() => Ended::Whole,
        ended => ended,
    };
    Ok((finished.tests, ended))
}

/// What follows from a test for the others; the results that are final by it.
fn conclude(
    done: Done,
    suite: &Suite,
    schedule: &mut Schedule,
    values: &mut Arc<Values>,
) -> Vec<records::Test> {
    let Done { at, mut test, values: captured } = done;
    // It may have been told what another captured while it ran.
    if let Some(message) = &mut test.message {
        *message = Hidden::new(&Redactor::default(), values).masked(message);
    }
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

fn is_bad(test: &records::Test) -> bool {
    matches!(test.result, TestResult::Fail | TestResult::Error)
}

fn skip(places: Vec<usize>, suite: &Suite, clock: &dyn Clock, why: &str) -> Vec<records::Test> {
    let ts = clock.now();
    let tests = places.into_iter().filter_map(|at| Some((suite.tests.get(at)?, at)));
    tests.map(|(test, at)| skipped(test, at, ts, why.to_owned())).collect()
}

fn skipped(test: &Test, at: usize, ts: DateTime<Utc>, why: String) -> records::Test {
    records::Test {
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
pub fn seq(at: usize) -> u64 {
    u64::try_from(at).unwrap_or(u64::MAX).saturating_add(1)
}

/// The tests that are final: those before the first that is not are reported, the others wait.
struct Finished<'a, W> {
    report: &'a mut Report<W>,
    tests: Vec<records::Test>,
    waiting: BTreeMap<u64, records::Test>,
    next: u64,
    /// How many did not pass.
    bad: u64,
}

impl<'a, W: Write> Finished<'a, W> {
    fn new(report: &'a mut Report<W>) -> Self {
        Self { report, tests: Vec::new(), waiting: BTreeMap::new(), next: 1, bad: 0 }
    }

    /// Takes tests and reports what can be reported. The error is a reason to end the run.
    fn take(&mut self, tests: Vec<records::Test>) -> Result<(), Ended> {
        self.bad += tests.iter().map(|test| u64::from(is_bad(test))).sum::<u64>();
        self.waiting.extend(tests.into_iter().map(|test| (test.seq, test)));
        while let Some(test) = self.waiting.remove(&self.next) {
            self.next += 1;
            self.report(test).map_err(|error| Ended::Broken(format!("cannot write to stdout: {error}")))?;
        }
        if self.report.is_closed() { Err(Ended::Unread) } else { Ok(()) }
    }

    fn has(&self, seq: u64) -> bool {
        seq < self.next || self.waiting.contains_key(&seq)
    }

    /// After a stop: what is final but waits for a test that never will be.
    fn flush(&mut self) {
        for test in std::mem::take(&mut self.waiting).into_values() {
            // A run that is broken off has a greater problem.
            let _ = self.report(test);
        }
    }

    fn report(&mut self, test: records::Test) -> io::Result<()> {
        let told = self.report.test(&test);
        self.tests.push(test);
        told
    }
}
