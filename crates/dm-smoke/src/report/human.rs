//! A line a test, and a summary.

use std::time::Duration;

use common::duration::format_duration;
use common::event::TestResult;
use common::records::Test;
use common::term::style::Palette;

use crate::verdict::{Ended, Verdict};

/// One test.
pub fn test(test: &Test, paint: Palette) -> String {
    let result = match test.result {
        TestResult::Pass => paint.good("ok   "),
        TestResult::Fail => paint.bad("FAIL "),
        TestResult::Error => paint.bad("ERROR"),
        TestResult::Skip => paint.warning("skip "),
        TestResult::Flaky => paint.warning("flaky"),
    };
    let message = test.message.as_ref().map(|message| format!("\n      {message}")).unwrap_or_default();
    let took = format_duration(Duration::from_millis(test.duration_ms));
    let how = match test.attempts {
        // Not begun, or not finished.
        0 => String::new(),
        1 => format!(" ({took})"),
        attempts => format!(" ({took}, attempt {attempts})"),
    };
    format!("{result} {}{how}{message}\n", test.name)
}

/// The summary.
pub fn end(verdict: &Verdict) -> String {
    let counts: Vec<String> = TestResult::ALL
        .iter()
        .map(|&result| (verdict.count(result), word(result)))
        .filter(|(tests, _)| *tests > 0)
        .map(|(tests, word)| format!("{tests} {word}"))
        .collect();
    let took = verdict.took.map(|took| format!(" in {}", format_duration(took))).unwrap_or_default();
    let told = if counts.is_empty() { "no test was run".to_owned() } else { counts.join(", ") + &took };
    let early = match &verdict.ended {
        Ended::Whole | Ended::Unread => String::new(),
        Ended::Deadline => "; the deadline came first".to_owned(),
        Ended::Stopped(signal) => format!("; stopped by signal {signal}"),
        Ended::Broken(why) => format!("; {why}"),
    };
    format!("{told}{early}\n")
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
