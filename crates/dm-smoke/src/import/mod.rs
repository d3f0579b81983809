//! Imports the results of other test runners.

pub mod junit;
pub mod tap;

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::{DateTime, Utc};
use common::event::{Reason, TestResult};
use common::records;
use http_expect::excerpt;

/// The largest report, in bytes.
const MAX_BYTES: u64 = 64 * 1024 * 1024;

/// A report to import.
#[derive(Debug, Clone)]
pub struct ReportSource {
    /// The format of the report.
    pub format: Format,
    /// The file; `-` is stdin.
    pub path: PathBuf,
}

/// The supported formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// JUnit XML.
    Junit,
    /// TAP, versions 12 to 14.
    Tap,
}

/// The content of a report.
#[derive(Debug, Default, PartialEq)]
pub struct ImportedReport {
    /// The tests in the report.
    pub tests: Vec<ImportedTest>,
    /// Why the report may lack tests: the runner did not finish, or the file cannot be read.
    pub incomplete: Option<String>,
}

/// One test of another runner.
#[derive(Debug, Clone, PartialEq)]
pub struct ImportedTest {
    /// The name of the test.
    pub name: String,
    /// The result.
    pub result: TestResult,
    /// The duration; zero if the report has none.
    pub duration: Duration,
    /// Why the test failed or was skipped.
    pub message: Option<String>,
}

/// Reads a report. One that cannot be read is incomplete.
pub fn read(source: &ReportSource) -> ImportedReport {
    let name =
        if source.path == Path::new("-") { "stdin".to_owned() } else { source.path.display().to_string() };
    let bytes = match read_bounded(&source.path) {
        Ok(bytes) => bytes,
        Err(error) => return unreadable(format!("cannot read {name}: {error}")),
    };
    if bytes.len() as u64 > MAX_BYTES {
        return unreadable(format!("{name} is larger than {} MiB", MAX_BYTES >> 20));
    }
    let text = String::from_utf8_lossy(&bytes);
    let text = text.trim_start_matches('\u{feff}');
    let report = match source.format {
        Format::Junit => junit::parse(text),
        Format::Tap => tap::parse(text),
    };
    ImportedReport { incomplete: report.incomplete.map(|reason| format!("{name}: {reason}")), ..report }
}

fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    let input: Box<dyn Read> =
        if path == Path::new("-") { Box::new(io::stdin()) } else { Box::new(File::open(path)?) };
    let mut bytes = Vec::new();
    input.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn unreadable(reason: String) -> ImportedReport {
    ImportedReport { tests: Vec::new(), incomplete: Some(reason) }
}

/// Converts the tests to records. Their names and messages are from outside, so each is cut to one short line.
pub fn to_records(tests: Vec<ImportedTest>, ts: DateTime<Utc>) -> Vec<records::Test> {
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
            .map(|message| excerpt::bounded(&excerpt::one_line(&message)))
            .filter(|message| !message.is_empty()),
    };
    tests.into_iter().zip(1..).map(record).collect()
}

/// Parses a duration; `unit` is its unit in seconds. Returns zero if it is no number.
fn duration(text: &str, unit: f64) -> Duration {
    let seconds = text.trim().parse::<f64>().unwrap_or_default() * unit;
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}
