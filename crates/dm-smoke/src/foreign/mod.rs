//! The results of other runners, as if the tests had been run here.

pub(crate) mod junit;
pub(crate) mod tap;

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::{DateTime, Utc};
use common::event::{Reason, TestResult};
use common::records::Test;

use http_expect::excerpt;

/// So much is read of a report.
const MAX_BYTES: u64 = 64 * 1024 * 1024;

/// Where a report is, and what it is.
#[derive(Debug, Clone)]
pub struct Source {
    /// Its format.
    pub(crate) format: Format,
    /// The file; `-` for stdin.
    pub(crate) path: PathBuf,
}

/// The formats that are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// JUnit XML.
    Junit,
    /// TAP, version 12 to 14.
    Tap,
}

/// What a report says.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Told {
    /// The tests, as far as they were told.
    pub(crate) tests: Vec<Case>,
    /// Why there may be more of them: the runner broke off.
    pub(crate) broken: Option<String>,
}

/// One test of another runner.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Case {
    /// Its name.
    pub(crate) name: String,
    /// Its result.
    pub(crate) result: TestResult,
    /// How long it took; zero where it is not said.
    pub(crate) duration: Duration,
    /// Why it did not pass, or was skipped.
    pub(crate) message: Option<String>,
}

/// Reads a report, to its end or to the most that is taken. A report that cannot be read is broken.
pub(crate) fn read(source: &Source) -> Told {
    let shown =
        if source.path == Path::new("-") { "stdin".to_owned() } else { source.path.display().to_string() };
    let bytes = match load(&source.path) {
        Ok(bytes) => bytes,
        Err(error) => return broken(format!("cannot read {shown}: {error}")),
    };
    if bytes.len() as u64 > MAX_BYTES {
        return broken(format!("{shown} is longer than {} MiB", MAX_BYTES >> 20));
    }
    let text = String::from_utf8_lossy(&bytes);
    let text = text.trim_start_matches('\u{feff}');
    let told = match source.format {
        Format::Junit => junit::parse(text),
        Format::Tap => tap::parse(text),
    };
    Told { broken: told.broken.map(|why| format!("{shown}: {why}")), ..told }
}

fn load(path: &Path) -> io::Result<Vec<u8>> {
    let input: Box<dyn Read> =
        if path == Path::new("-") { Box::new(io::stdin()) } else { Box::new(File::open(path)?) };
    let mut bytes = Vec::new();
    input.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn broken(why: String) -> Told {
    Told { tests: Vec::new(), broken: Some(why) }
}

/// The tests as records. Names and messages are other people's: in one line, and bounded.
pub(crate) fn records(cases: Vec<Case>, ts: DateTime<Utc>) -> Vec<Test> {
    let record = |(case, seq): (Case, u64)| Test {
        seq,
        ts,
        name: excerpt::bounded(case.name.trim()),
        result: case.result,
        attempts: u32::from(case.result != TestResult::Skip),
        duration_ms: u64::try_from(case.duration.as_millis()).unwrap_or(u64::MAX),
        reason: match case.result {
            TestResult::Fail | TestResult::Flaky => Some(Reason::Assertion),
            TestResult::Error => Some(Reason::Other),
            TestResult::Pass | TestResult::Skip => None,
        },
        message: case
            .message
            .map(|message| excerpt::bounded(&excerpt::one_line(&message)))
            .filter(|message| !message.is_empty()),
    };
    cases.into_iter().zip(1..).map(record).collect()
}

/// A number of seconds, or of milliseconds, as a runner wrote it.
fn duration(text: &str, unit: f64) -> Duration {
    let seconds = text.trim().parse::<f64>().unwrap_or_default() * unit;
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}
