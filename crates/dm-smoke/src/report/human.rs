//! Human-readable output: a line for each test, and a summary.

use std::time::Duration;

use common::duration::format_duration;
use common::event::TestResult;
use common::records::Test;
use common::term::style::Palette;
use common::term::text::one_line;

use crate::verdict::Verdict;

/// The line of a test, and below it the message.
pub(super) fn test(test: &Test, palette: Palette) -> String {
    let result = match test.result {
        TestResult::Pass => palette.good("ok   "),
        TestResult::Fail => palette.bad("FAIL "),
        TestResult::Error => palette.bad("ERROR"),
        TestResult::Skip => palette.warning("skip "),
        TestResult::Flaky => palette.warning("flaky"),
    };
    let message =
        test.message.as_ref().map(|message| format!("\n      {}", harmless(message))).unwrap_or_default();
    let duration = format_duration(Duration::from_millis(test.duration_ms));
    let timing = match test.attempts {
        // The test did not start or did not finish.
        0 => String::new(),
        1 => format!(" ({duration})"),
        attempts => format!(" ({duration}, attempt {attempts})"),
    };
    format!("{result} {}{timing}{message}\n", harmless(&test.name))
}

/// A text that no log viewer takes for a command: GitHub Actions looks for `::` at the beginning of a line.
fn harmless(text: &str) -> String {
    let line = one_line(text);
    match line.trim_start().strip_prefix("::") {
        Some(rest) => format!(": :{rest}"),
        None => line,
    }
}

/// The last line.
pub(super) fn summary(verdict: &Verdict) -> String {
    let counts: Vec<String> = TestResult::ALL
        .iter()
        .map(|&result| (verdict.count(result), word(result)))
        .filter(|(tests, _)| *tests > 0)
        .map(|(tests, word)| format!("{tests} {word}"))
        .collect();
    // Imported results may have no durations.
    let duration = verdict
        .duration
        .filter(|duration| !duration.is_zero())
        .map(|duration| format!(" in {}", format_duration(duration)));
    let results = if counts.is_empty() {
        "no test was run".to_owned()
    } else {
        counts.join(", ") + &duration.unwrap_or_default()
    };
    let early = verdict.end.early_reason().map(|why| format!("; {why}")).unwrap_or_default();
    format!("{results}{early}\n")
}

fn word(result: TestResult) -> &'static str {
    match result {
        TestResult::Pass => "passed",
        TestResult::Fail => "failed",
        TestResult::Error => "could not run",
        TestResult::Skip => "skipped",
        TestResult::Flaky => "flaky",
    }
}
