//! Runs the tests, so many at once, and reports them in the suite's order whatever is finished first.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::Arc;

use anyhow::Result;
use common::clock::{Clock, Stopwatch, SystemClock};
use common::event::TestResult;
use common::stop::StopSignals;
use common::stream;
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};

use crate::http_test::Clients;
use crate::report::Report;
use crate::suite::{Kind, Suite, Test};
use crate::verdict::{Ended, Verdict};
use crate::{command_test, http_test};

/// What every test is given.
#[derive(Debug)]
pub struct Surroundings {
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
    let mut todo = suite.tests.iter().zip(1_u64..);
    let mut finished = Finished::new(report);
    let ended = loop {
        while running.len() < jobs
            && let Some((test, seq)) = todo.next()
        {
            running.spawn(carry_out(Arc::clone(test), seq, Arc::clone(&surroundings), stopped.clone()));
        }
        tokio::select! {
            signal = signals.next() => break Ended::Stopped(signal),
            joined = running.join_next() => match joined {
                None => break Ended::Whole,
                Some(joined) => if let Err(ended) = finished.take(joined) { break ended },
            },
        }
    };
    stop.send_replace(true);
    while let Some(joined) = running.join_next().await {
        // The run has a reason for its end already.
        let _ = finished.take(joined);
    }
    finished.flush();
    let ended = match ended {
        // All tests are done: that nobody reads of the last ones takes nothing from the verdict.
        Ended::Unread if finished.tests.len() == suite.tests.len() => Ended::Whole,
        ended => ended,
    };
    Ok(Verdict { tests: finished.tests, ended })
}

/// One test, from its start to its final result; `None` when it was stopped.
async fn carry_out(
    test: Arc<Test>,
    seq: u64,
    surroundings: Arc<Surroundings>,
    mut stopped: watch::Receiver<bool>,
) -> Option<stream::Test> {
    let clock = SystemClock;
    let stopwatch = Stopwatch::start(&clock);
    let stop = async move {
        // An error is a sender that is gone: then there is no run any more.
        let _ = stopped.wait_for(|stop| *stop).await;
    };
    let outcome = match &test.kind {
        Kind::Http(http) => tokio::select! {
            outcome = http_test::run(http, test.limit, &test.secrets, &surroundings.clients, &clock) => outcome,
            () = stop => return None,
        },
        Kind::Command(command) => {
            command_test::run(command, test.limit, &test.secrets, &surroundings.env, stop).await?
        }
    };
    let failure = outcome.err();
    Some(stream::Test {
        seq,
        ts: clock.now(),
        name: test.name.clone(),
        result: failure.as_ref().map_or(TestResult::Pass, |failure| failure.result),
        attempts: 1,
        duration_ms: u64::try_from(stopwatch.elapsed(&clock).as_millis()).unwrap_or(u64::MAX),
        reason: failure.as_ref().map(|failure| failure.reason),
        message: failure.map(|failure| failure.in_full(&test)),
    })
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

    /// Takes a test and reports what can be reported. The error is a reason to end the run.
    fn take(&mut self, joined: Result<Option<stream::Test>, JoinError>) -> Result<(), Ended> {
        match joined {
            Ok(Some(test)) => self.waiting.insert(test.seq, test),
            Ok(None) => None,
            Err(error) => return Err(Ended::Broken(format!("a test broke off: {error}"))),
        };
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
