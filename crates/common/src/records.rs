//! The JSON Lines that one tool writes to a pipe and another reads: `start`, records, `end`.
//!
//! Readers require only the fields that a verdict depends on; all others have a default.

use std::io::{self, Write};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::event::{Condition, Reason, SourceCount, TestResult};
use crate::output::LineWriter;
use crate::term::text::short_line;

/// The version of the format of these streams, the member `v` of each line.
pub const FORMAT: u32 = 1;

/// One line of a stream. Missing values are `null`, never NaN; the names contain the units.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Record {
    /// The first line of a stream.
    Start(Start),
    /// One probe of a service.
    Probe(Probe),
    /// The requests that another system counted in a window of time.
    Count {
        /// The end of the window.
        ts: DateTime<Utc>,
        /// The length of the window, in milliseconds.
        #[serde(default)]
        window_ms: u64,
        /// The name of the system that counted.
        src: String,
        /// All requests in the window.
        total: u64,
        /// Failed requests in the window.
        errors: u64,
    },
    /// One smoke test with its final result.
    Test(Test),
    /// A verdict on a version.
    Verdict(Verdict),
    /// The last line. Without it, the producer of the stream died.
    End {
        /// When the producer ended.
        #[serde(default)]
        ts: DateTime<Utc>,
        /// The producer's exit code.
        exit: u8,
        /// The number of lines between `start` and this one.
        records: u64,
    },
    /// A type that this version does not know. Readers ignore it.
    #[serde(other)]
    Unknown,
}

/// The producer of a stream, and the deployment that it observes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Start {
    /// The name of the tool that writes the stream.
    pub tool: String,
    /// The id of this run of the tool.
    #[serde(default)]
    pub run: String,
    /// The service that is deployed.
    #[serde(default)]
    pub service: String,
    /// The environment that it is deployed to.
    #[serde(default)]
    pub environment: String,
    /// The id of the deployment.
    pub deployment: String,
    /// When the run began.
    #[serde(default)]
    pub ts: DateTime<Utc>,
    /// The time between two probes, in milliseconds; `None` for a tool that does not probe.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval_ms: Option<u64>,
    /// The minimum duration of the watch, in milliseconds: a consumer may end it after that, as soon as the version is
    /// proven good. `None` if the producer does not watch, or only for a fixed time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watch_min_ms: Option<u64>,
    /// Whether the producer expects more of a response than a status of success, such as a text in the body.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub expectations: bool,
    /// The maximum duration of the watch, in milliseconds; `None` if the producer does not watch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watch_max_ms: Option<u64>,
}

/// One probe of a service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Probe {
    /// The number of the probe, from 1.
    #[serde(default)]
    pub seq: u64,
    /// When the probe was sent.
    pub ts: DateTime<Utc>,
    /// The short name of the target.
    #[serde(default)]
    pub name: String,
    /// The URL or address of the target, without secrets.
    pub target: String,
    /// The source: `probe`, or `probe:` and the name of one of several targets. Each is evaluated separately.
    pub src: String,
    /// Whether the response met every expectation.
    pub ok: bool,
    /// Whether a problem on the prober's own machine prevented the probe, so that it says nothing about the service.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub local: bool,
    /// The HTTP status; `None` without a response.
    #[serde(default)]
    pub status: Option<u16>,
    /// The time from the start to the last byte, in milliseconds; `None` without a complete response.
    #[serde(default)]
    pub latency_ms: Option<f64>,
    /// The duration of each phase, in milliseconds.
    #[serde(default)]
    pub phase_ms: Phases,
    /// The number of intervals that passed without a probe while this one was running.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub skipped: u64,
    /// The IP address and port that the probe connected to.
    #[serde(default)]
    pub address: Option<String>,
    /// Why the probe failed; `None` if it succeeded.
    #[serde(default)]
    pub reason: Option<Reason>,
    /// The same in a sentence: what was observed, and what was expected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The version that answered, as the response names it; `None` if it was not looked for, or not found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Whether the probe observed the control group, for example the previous version, instead of the new version.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub control: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// The phases of a request in milliseconds; `None` for one that was not reached or not needed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Phases {
    /// Resolving the host name.
    pub resolve: Option<f64>,
    /// The TCP handshake.
    pub connect: Option<f64>,
    /// The TLS handshake.
    pub tls: Option<f64>,
    /// From sending the request to the first bytes of the response.
    pub wait: Option<f64>,
    /// Reading the body.
    pub transfer: Option<f64>,
}

/// One smoke test.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Test {
    /// The position of the test in its suite, from 1.
    #[serde(default)]
    pub seq: u64,
    /// When the test ended.
    #[serde(default)]
    pub ts: DateTime<Utc>,
    /// The name of the test.
    #[serde(default)]
    pub name: String,
    /// The final result.
    pub result: TestResult,
    /// The number of attempts.
    #[serde(default)]
    pub attempts: u32,
    /// The duration of the last attempt, in milliseconds.
    #[serde(default)]
    pub duration_ms: u64,
    /// Why the test did not pass; `None` if it did.
    #[serde(default)]
    pub reason: Option<Reason>,
    /// The reason as a sentence: the expected and the actual result.
    #[serde(default)]
    pub message: Option<String>,
}

/// The three answers to "is the new version good?".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// The version is bad: undo the deployment.
    Rollback,
    /// The version is good, and there is enough data to prove it.
    Keep,
    /// The data does not prove either.
    Inconclusive,
}

/// The longest reason of a verdict, in bytes.
const MAX_WHY_BYTES: usize = 2000;

impl Verdict {
    /// The reason as it is recorded and shown: it quotes text from outside, so it is one line, and not long.
    pub fn reason(text: &str) -> String {
        short_line(text, MAX_WHY_BYTES)
    }
}

impl Decision {
    /// The name in records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rollback => "rollback",
            Self::Keep => "keep",
            Self::Inconclusive => "inconclusive",
        }
    }
}

/// A verdict, with the numbers that it is based on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// When the verdict was reached.
    #[serde(default)]
    pub ts: DateTime<Utc>,
    /// The decision.
    pub verdict: Decision,
    /// The condition that decided; `null` if none did.
    #[serde(default)]
    pub condition: Option<Condition>,
    /// The number of requests observed by the source that decided.
    #[serde(default)]
    pub total: u64,
    /// The number of failed requests; of slow requests if the condition is `latency`.
    #[serde(default)]
    pub errors: u64,
    /// Errors ÷ requests, in percent; `null` without requests.
    #[serde(default)]
    pub rate_percent: Option<f64>,
    /// The requested limit: the error rate above which a version is bad, in percent.
    #[serde(default)]
    pub threshold_percent: Option<f64>,
    /// The limit that was used, in percent: the requested one, or the error rate of the baseline if that is higher.
    #[serde(default)]
    pub threshold_used_percent: Option<f64>,
    /// The requests before the deployment; `null` if none were observed.
    #[serde(default)]
    pub baseline: Option<Baseline>,
    /// The evidence that the version is worse than the limit, as a natural logarithm; `null` if requests do not decide.
    #[serde(default)]
    pub evidence: Option<f64>,
    /// The evidence that is needed for a rollback, as a natural logarithm.
    #[serde(default)]
    pub needed: Option<f64>,
    /// The smallest error rate that this number of requests is expected to prove, in percent; `null` if there are too few.
    #[serde(default)]
    pub detectable_percent: Option<f64>,
    /// The counts of each source.
    #[serde(default)]
    pub sources: Vec<SourceCount>,
    /// The reason for the decision, in a sentence.
    #[serde(default)]
    pub why: String,
}

/// The requests before the deployment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Baseline {
    /// All requests.
    pub total: u64,
    /// Failed requests.
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

/// Reads one line. An unknown type gives [`Record::Unknown`]; another format version is an error.
pub fn parse(line: &str) -> Result<Record, String> {
    match serde_json::from_str::<Versioned>(line) {
        Ok(versioned) if versioned.v == FORMAT => Ok(versioned.record),
        Ok(versioned) => Err(other_version(versioned.v)),
        // A newer version may have a different structure: its number explains the error better.
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

/// Writes a stream, flushes each line, and counts the records.
#[derive(Debug)]
pub struct RecordWriter<W> {
    out: LineWriter<W>,
    records: u64,
}

impl<W: Write> RecordWriter<W> {
    /// Begins a stream on `out` with its `start` line.
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

    /// Whether the reader has closed the pipe. Later records are dropped silently: a closed pipe is not an error.
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
mod tests;
