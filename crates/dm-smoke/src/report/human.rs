//! A line a test, and a summary.

use std::time::Duration;

use common::duration::show;
use common::event::TestResult;
use common::stream::Test;

use crate::verdict::{Ended, Verdict};

/// One test.
pub fn test(test: &Test) -> String {
    let result = match test.result {
        TestResult::Pass => "ok",
        TestResult::Fail => "FAIL",
        TestResult::Error => "ERROR",
        TestResult::Skip => "skip",
        TestResult::Flaky => "flaky",
    };
    let message = test.message.as_ref().map(|message| format!("\n      {message}")).unwrap_or_default();
    let attempts = if test.attempts > 1 { format!(", attempt {}", test.attempts) } else { String::new() };
    let took = show(Duration::from_millis(test.duration_ms));
    format!("{result:<5} {} ({took}{attempts}){message}\n", test.name)
}

/// The summary.
pub fn end(verdict: &Verdict) -> String {
    let counts: Vec<String> = TestResult::ALL
        .iter()
        .map(|&result| (verdict.count(result), word(result)))
        .filter(|(tests, _)| *tests > 0)
        .map(|(tests, word)| format!("{tests} {word}"))
        .collect();
    let counts = if counts.is_empty() { "no test was run".to_owned() } else { counts.join(", ") };
    let early = match &verdict.ended {
        Ended::Whole | Ended::Unread => String::new(),
        Ended::Deadline => "; the deadline came first".to_owned(),
        Ended::Stopped(signal) => format!("; stopped by signal {signal}"),
        Ended::Broken(why) => format!("; {why}"),
    };
    format!("{counts}{early}\n")
}

fn word(result: TestResult) -> &'static str {
    match result {
        TestResult::Pass => "passed",
        TestResult::Fail => "failed",
        TestResult::Error => "could not be carried out",
        TestResult::Skip => "skipped",
        TestResult::Flaky => "flaky",
    }
}
