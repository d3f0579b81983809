//! The JSON Lines that the tools hand each other on a pipe: `start`, records, `end`.

use std::io::{self, Write};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::event::{Condition, Reason, SourceCount, TestResult};
use crate::output::LineWriter;

/// The version of the format of these streams, the member `v` of each line.
pub const FORMAT: u32 = 1;

/// One line of a stream. Missing data is `null`, never NaN; units are in the names.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Record {
    /// The first line.
    Start(Start),
    /// One probe.
    Probe(Probe),
    /// Requests counted elsewhere, over a window that ends at `ts`.
    Count {
        /// The end of the window.
        ts: DateTime<Utc>,
        /// The window's length.
        window_ms: u64,
        /// Who counted.
        src: String,
        /// Requests.
        total: u64,
        /// Those that failed.
        errors: u64,
    },
    /// One smoke test, when its result is final.
    Test(Test),
    /// A verdict on a version.
    Verdict(Verdict),
    /// The last line. A stream without it means that its producer died.
    End {
        /// When.
        ts: DateTime<Utc>,
        /// The producer's exit code.
        exit: u8,
        /// The number of lines between `start` and this one.
        records: u64,
    },
    /// A type that this version does not know: ignored.
    #[serde(other)]
    Unknown,
}

/// Who produces a stream, and for which deployment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Start {
    /// The tool.
    pub tool: String,
    /// An id of this run of the tool.
    pub run: String,
    /// What is deployed.
    pub service: String,
    /// Where to.
    pub environment: String,
    /// The deployment's id.
    pub deployment: String,
    /// When.
    pub ts: DateTime<Utc>,
    /// The time between two probes, where the tool probes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval_ms: Option<u64>,
}

/// One probe of a service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Probe {
    /// Counts from 1.
    pub seq: u64,
    /// When it was sent.
    pub ts: DateTime<Utc>,
    /// The target's short name.
    pub name: String,
    /// The target, without secrets.
    pub target: String,
    /// `probe`, or `probe:` and the name of one of several targets: kept apart from users' traffic, and from each
    /// other.
    pub src: String,
    /// Whether it met every expectation.
    pub ok: bool,
    /// Whether the prober's own machine kept it from being made, so that it says nothing about the service.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub local: bool,
    /// The HTTP status, where one came.
    pub status: Option<u16>,
    /// From the start to the last byte, where a whole answer came.
    pub latency_ms: Option<f64>,
    /// What took how long.
    pub phase_ms: Phases,
    /// Turns of the interval that passed while it was on its way, and had no probe of their own.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub skipped: u64,
    /// The address that was used.
    pub address: Option<String>,
    /// Why it failed.
    pub reason: Option<Reason>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// The phases of a request in milliseconds; `None` for one that was not reached or not needed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Phases {
    /// Resolving the name.
    pub resolve: Option<f64>,
    /// The TCP handshake.
    pub connect: Option<f64>,
    /// The TLS handshake.
    pub tls: Option<f64>,
    /// From sending the request to the first bytes of the answer.
    pub wait: Option<f64>,
    /// Reading the body.
    pub transfer: Option<f64>,
}

/// One smoke test.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Test {
    /// The test's place in its suite, from 1.
    pub seq: u64,
    /// When it ended.
    pub ts: DateTime<Utc>,
    /// Its name.
    pub name: String,
    /// Its final result.
    pub result: TestResult,
    /// How often it was tried.
    pub attempts: u32,
    /// The last attempt's duration.
    pub duration_ms: u64,
    /// Why it did not pass.
    pub reason: Option<Reason>,
    /// The same for people: what was expected and what came.
    #[serde(default)]
    pub message: Option<String>,
}

/// The three answers to "is the new version good?".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// It is bad: undo it.
    Rollback,
    /// It is good, with enough data to say so.
    Keep,
    /// It cannot be told.
    Inconclusive,
}

impl Decision {
    /// As it is written in records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rollback => "rollback",
            Self::Keep => "keep",
            Self::Inconclusive => "inconclusive",
        }
    }
}

/// A verdict, with the numbers that it rests on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// When.
    pub ts: DateTime<Utc>,
    /// The answer.
    pub verdict: Decision,
    /// What triggered a rollback, or what was being watched.
    pub condition: Option<Condition>,
    /// Requests seen by the source that decided.
    pub total: u64,
    /// Those that failed; where the condition is `latency`, those that were slow.
    pub errors: u64,
    /// Errors ÷ requests in percent; `null` without requests.
    pub rate_percent: Option<f64>,
    /// The error rate above which a version is bad, as it was asked for.
    pub threshold_percent: Option<f64>,
    /// The same as it was used: never below what the version before is known to have had.
    #[serde(default)]
    pub threshold_used_percent: Option<f64>,
    /// What was seen before the deployment; `null` where nothing was.
    #[serde(default)]
    pub baseline: Option<Baseline>,
    /// The evidence that the version is worse than that, a natural logarithm; `null` where requests do not decide.
    #[serde(default)]
    pub evidence: Option<f64>,
    /// The evidence that rolls back.
    #[serde(default)]
    pub needed: Option<f64>,
    /// The smallest error rate that so many requests are expected to prove; `null` where they are too few.
    #[serde(default)]
    pub detectable_percent: Option<f64>,
    /// Every source on its own.
    pub sources: Vec<SourceCount>,
    /// The answer in a sentence.
    pub why: String,
}

/// Requests before the deployment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Baseline {
    /// Requests.
    pub total: u64,
    /// Those that failed.
    pub errors: u64,
}

#[derive(Serialize)]
struct Line<'a> {
    v: u32,
    #[serde(flatten)]
    record: &'a Record,
}

#[derive(Deserialize)]
struct Versioned {
    v: u32,
    #[serde(flatten)]
    record: Record,
}

/// Reads one line. A type that is not known gives [`Record::Unknown`]; another format version is an error.
pub fn parse(line: &str) -> Result<Record, String> {
    match serde_json::from_str::<Versioned>(line) {
        Ok(versioned) if versioned.v == FORMAT => Ok(versioned.record),
        Ok(versioned) => Err(other_version(versioned.v)),
        // A newer version may have another shape altogether: then its number is the better explanation.
        Err(error) => {
            match serde_json::from_str::<serde_json::Value>(line).ok().and_then(|value| value["v"].as_u64()) {
                Some(v) if v != u64::from(FORMAT) => Err(other_version(v)),
                _ => Err(error.to_string()),
            }
        }
    }
}

fn other_version(v: impl std::fmt::Display) -> String {
    format!("format version {v}; this tool reads version {FORMAT}")
}

/// Writes a stream, a flushed line a record, and counts what it writes.
#[derive(Debug)]
pub struct RecordWriter<W> {
    out: LineWriter<W>,
    records: u64,
}

impl<W: Write> RecordWriter<W> {
    /// A stream on `out`, begun with its `start` line.
    pub fn begin(out: W, start: Start) -> io::Result<Self> {
        let mut writer = Self { out: LineWriter::new(out), records: 0 };
        writer.line(&Record::Start(start))?;
        Ok(writer)
    }

    /// Writes one record.
    pub fn record(&mut self, record: &Record) -> io::Result<()> {
        self.records += 1;
        self.line(record)
    }

    /// Writes the `end` line.
    pub fn end(&mut self, ts: DateTime<Utc>, exit: u8) -> io::Result<()> {
        self.line(&Record::End { ts, exit, records: self.records })
    }

    /// Whether the reader has gone away. What is written after that is dropped quietly: a closed pipe is not
    /// an error.
    pub fn is_closed(&self) -> bool {
        self.out.is_closed()
    }

    fn line(&mut self, record: &Record) -> io::Result<()> {
        let mut line = serde_json::to_vec(&Line { v: FORMAT, record })?;
        line.push(b'\n');
        self.out.write(&line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_line_carries_the_exit_code_and_the_number_of_records() {
        let ts = DateTime::from_timestamp(1_767_225_600, 0).unwrap();
        let start = Start {
            tool: "dm-health".to_owned(),
            run: "r".to_owned(),
            service: "api".to_owned(),
            environment: "production".to_owned(),
            deployment: "d-42".to_owned(),
            ts,
            interval_ms: Some(1000),
        };
        let mut out = Vec::new();
        let mut writer = RecordWriter::begin(&mut out, start.clone()).unwrap();
        let count = Record::Count { ts, window_ms: 10_000, src: "nginx".to_owned(), total: 120, errors: 3 };
        writer.record(&count).unwrap();
        writer.end(ts, 1).unwrap();
        let text = String::from_utf8(out).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].starts_with(r#"{"v":1,"type":"start","tool":"dm-health""#), "{text}");
        assert_eq!(parse(lines[0]), Ok(Record::Start(start)));
        assert_eq!(parse(lines[1]), Ok(count));
        assert_eq!(parse(lines[2]), Ok(Record::End { ts, exit: 1, records: 1 }));
    }

    #[test]
    fn unknown_types_are_ignored_and_other_versions_are_errors() {
        assert_eq!(parse(r#"{"v":1,"type":"weather","sunny":true}"#), Ok(Record::Unknown));
        assert!(parse(r#"{"v":2,"type":"end","records":"many"}"#).unwrap_err().contains("format version 2"));
        assert!(parse(r#"{"v":1,"type":"end""#).is_err());
        assert!(parse("").is_err());
    }
}
