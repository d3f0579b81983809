//! What happened: one finished piece of work, as the journal keeps it and the metrics are made from it.

mod closed_sets;

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::identity::{Identity, random_hex};
use crate::label::{Label, Stage};

pub use closed_sets::{Condition, Reason, RollbackResult, Status, TestResult};

/// The version of every record's format.
pub const FORMAT: u32 = 1;

/// The id of one event: 16 hexadecimal digits. It is also the span id of the work in its trace.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct EventId(String);

impl EventId {
    /// A new id, from the machine's entropy.
    pub fn random() -> Self {
        Self(random_hex(8))
    }

    /// The 16 digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// One finished piece of work.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// [`FORMAT`].
    pub v: u32,
    /// What kind of work, and what only that kind has to tell.
    #[serde(flatten)]
    pub detail: Detail,
    /// Names this event alone: whatever is repeated, it is counted once.
    pub id: EventId,
    /// When the work ended.
    pub ts: DateTime<Utc>,
    /// The tool that did it.
    pub tool: String,
    /// Which deployment it belongs to.
    #[serde(flatten)]
    pub identity: Identity,
    /// The stage.
    pub stage: Stage,
    /// The stage around it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<Stage>,
    /// How it ended.
    pub status: Status,
    /// Wall time by the monotonic clock, in seconds; `None` where the start is not known.
    pub duration_s: Option<f64>,
    /// Seconds from the commit to the end of the deployment that put it live.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lead_time_s: Option<f64>,
    /// Seconds for which the service was broken, of a deployment that finds that to be over. Like the next field it is
    /// known only beside the gateway's state, and so is never in the journal: see [`telemetry::metrics::Outage`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restored_s: Option<f64>,
    /// Since when deployments fail, in seconds since the epoch; 0 when they do not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failing_since_s: Option<f64>,
    /// What the machine cost meanwhile, in dollars.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_dollars: Option<f64>,
    /// Why it did not succeed.
    pub error_type: Option<Reason>,
}

impl Event {
    /// When the work ended, in seconds since the epoch.
    pub fn ts_s(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "milliseconds since the epoch fit 53 bits")]
        let milliseconds = self.ts.timestamp_millis() as f64;
        milliseconds / 1000.0
    }

    /// When the work began, by the wall clock.
    pub fn started_at(&self) -> Option<DateTime<Utc>> {
        let seconds = self.duration_s?;
        #[expect(clippy::cast_possible_truncation, reason = "a float-to-integer cast saturates")]
        Some(self.ts - TimeDelta::milliseconds((seconds * 1000.0) as i64))
    }
}

/// What only one kind of event has to tell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Detail {
    /// A command was run as a stage.
    Stage(ChildUse),
    /// A migration command was run.
    Migration {
        /// The schema's version before, where it could be read.
        before: Option<String>,
        /// The schema's version after.
        after: Option<String>,
        /// Whether the migration tool left the schema marked as half migrated.
        dirty: Option<bool>,
        /// Seconds spent waiting for locks.
        lock_wait_s: Option<f64>,
        /// The most sessions that waited behind the migration at once.
        blocked_max: Option<u64>,
        /// Other sessions that were ended because they blocked it, for people.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        terminated: Vec<String>,
        /// The command.
        #[serde(flatten)]
        child: ChildUse,
    },
    /// A service was polled.
    Health {
        /// What was polled, without secrets.
        target: String,
        /// Probes made.
        probes: u64,
        /// Probes that failed.
        failures: u64,
        /// Latency of the probes that succeeded, in milliseconds.
        latency_ms: Option<Quantiles>,
        /// Where there were several targets: each for itself.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        targets: Vec<TargetCount>,
    },
    /// A suite of smoke tests was run. The counts are of final results.
    Smoke {
        /// The suite.
        suite: Label,
        /// The results of the tests, by [`TestResult`].
        results: Vec<(TestResult, u64)>,
    },
    /// A version was judged, and rolled back where that was the verdict.
    Rollback {
        /// The verdict: `rollback`, `keep` or `inconclusive`.
        verdict: String,
        /// What triggered it.
        condition: Option<Condition>,
        /// Requests and errors seen, by source.
        evidence: Vec<SourceCount>,
        /// What the rollback came to; `None` where none was carried out.
        result: Option<RollbackResult>,
    },
}

/// How the child of a wrapper ended and what it used.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ChildUse {
    /// Its exit code.
    pub exit_code: Option<i32>,
    /// The signal that killed it.
    pub signal: Option<i32>,
    /// CPU seconds, user and system, of it and of the descendants it waited for.
    pub cpu_s: Option<f64>,
    /// Peak resident memory of the largest of these processes, in bytes.
    pub max_rss_bytes: Option<u64>,
    /// What came of each attempt, where there was more than one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attempts: Vec<Attempt>,
    /// The last lines of its stderr, where they were asked for; secrets are masked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stderr_tail: Vec<String>,
    /// Why it was not run at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skip_reason: Option<Label>,
}

/// One of several attempts at a command.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Attempt {
    /// Wall time in seconds.
    pub duration_s: f64,
    /// Its exit code.
    pub exit_code: Option<i32>,
    /// The signal that killed it.
    pub signal: Option<i32>,
    /// Why it did not succeed.
    pub error_type: Option<Reason>,
}

/// The quantiles that are kept of a latency, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Quantiles {
    /// The median.
    pub p50: f64,
    /// The 95th percentile.
    pub p95: f64,
    /// The largest.
    pub max: f64,
}

/// The probes of one of several targets.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TargetCount {
    /// Its short name.
    pub name: String,
    /// What was polled, without secrets.
    pub target: String,
    /// Probes made.
    pub probes: u64,
    /// Probes that failed.
    pub failures: u64,
    /// Latency of the probes that succeeded, in milliseconds.
    pub latency_ms: Option<Quantiles>,
}

/// Requests that one source saw.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceCount {
    /// The source: `probe`, `prometheus`, ….
    pub source: Label,
    /// Requests.
    pub total: u64,
    /// Those that failed.
    pub errors: u64,
}

/// The start of a deployment that is finished by another run of the tool.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Started {
    /// [`FORMAT`].
    pub v: u32,
    /// `start`.
    pub r#type: StartTag,
    /// When.
    pub ts: DateTime<Utc>,
    /// The tool that wrote it.
    pub tool: String,
    /// Which deployment.
    #[serde(flatten)]
    pub identity: Identity,
    /// The stage that started.
    pub stage: Stage,
}

/// The `type` of [`Started`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum StartTag {
    /// `start`
    #[serde(rename = "start")]
    Start,
}

/// How work ended.
#[derive(Debug, Clone)]
pub struct Completion {
    /// The id that it had from its start.
    pub id: EventId,
    /// When.
    pub ts: DateTime<Utc>,
    /// How long it took, by the monotonic clock; `None` where the start is not known.
    pub duration: Option<Duration>,
    /// How.
    pub status: Status,
    /// Why not well.
    pub reason: Option<Reason>,
}
