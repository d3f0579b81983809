//! Results in the suite's order, although tests finish in any order.

use std::collections::BTreeMap;
use std::io::{self, Write};

use common::event::TestResult;
use common::records::Test;

use crate::report::Report;
use crate::verdict::RunEnd;

/// Reports every result as soon as the results of all tests before it are reported.
pub(super) struct OrderedResults<'a, W> {
    report: &'a mut Report<W>,
    reported: Vec<Test>,
    waiting: BTreeMap<u64, Test>,
    next_seq: u64,
    failed: u64,
}

impl<'a, W: Write> OrderedResults<'a, W> {
    pub(super) fn new(report: &'a mut Report<W>) -> Self {
        Self { report, reported: Vec::new(), waiting: BTreeMap::new(), next_seq: 1, failed: 0 }
    }

    /// Adds results, and reports those whose turn it is. The error is a reason to end the run.
    pub(super) fn add(&mut self, tests: Vec<Test>) -> Result<(), RunEnd> {
        self.failed += tests.iter().map(|test| u64::from(is_failed(test))).sum::<u64>();
        self.waiting.extend(tests.into_iter().map(|test| (test.seq, test)));
        while let Some(test) = self.waiting.remove(&self.next_seq) {
            self.next_seq += 1;
            self.report(test).map_err(|error| RunEnd::Error(format!("cannot write to stdout: {error}")))?;
        }
        if self.report.is_closed() { Err(RunEnd::OutputClosed) } else { Ok(()) }
    }

    /// The number of tests that failed or could not run.
    pub(super) fn failed(&self) -> u64 {
        self.failed
    }

    pub(super) fn contains(&self, seq: u64) -> bool {
        seq < self.next_seq || self.waiting.contains_key(&seq)
    }

    /// Reports the results that wait for a test that will never finish. Returns all results, in order.
    pub(super) fn finish(mut self) -> Vec<Test> {
        for test in std::mem::take(&mut self.waiting).into_values() {
            // The run has ended early already: that is the greater problem.
            let _ = self.report(test);
        }
        self.reported
    }

    fn report(&mut self, test: Test) -> io::Result<()> {
        let result = self.report.test(&test);
        self.reported.push(test);
        result
    }
}

fn is_failed(test: &Test) -> bool {
    matches!(test.result, TestResult::Fail | TestResult::Error)
}

/// The number of a test in the records, which count from 1.
pub(super) fn seq(index: usize) -> u64 {
    u64::try_from(index).unwrap_or(u64::MAX).saturating_add(1)
}
