//! Imported tests as records.

use chrono::{DateTime, Utc};
use common::event::{Reason, TestResult};
use common::records;
use http_expect::excerpt;

use super::report::ImportedTest;

/// Converts the tests to records. Their names and messages are from outside, so each is cut to one short line.
pub(crate) fn to_records(tests: Vec<ImportedTest>, ts: DateTime<Utc>) -> Vec<records::Test> {
    let record = |(test, seq): (ImportedTest, u64)| records::Test {
        seq,
        ts,
        name: excerpt::bounded(test.name.trim()),
        result: test.result,
        attempts: u32::from(test.result != TestResult::Skip),
        duration_ms: u64::try_from(test.duration.as_millis()).unwrap_or(u64::MAX),
        reason: match test.result {
            TestResult::Fail | TestResult::Flaky => Some(Reason::Assertion),
            TestResult::Error => Some(Reason::Other),
            TestResult::Pass | TestResult::Skip => None,
        },
        message: test
            .message
            .map(|message| excerpt::bounded(&excerpt::one_line(essence(&message))))
            .filter(|message| !message.is_empty()),
    };
    tests.into_iter().zip(1..).map(record).collect()
}

/// The part of a message that says most: the last line of Python's traceback.
fn essence(message: &str) -> &str {
    let is_traceback = message.trim_start().starts_with("Traceback (most recent call last)");
    let last = message.lines().rfind(|line| !line.trim().is_empty());
    last.filter(|_| is_traceback).unwrap_or(message)
}
