//! Events: one finished piece of work each. The journal stores them, the metrics are derived from them.

mod closed_sets;
mod watch_curve;

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::clock::epoch_seconds;
use crate::identity::{Identity, is_id, random_hex};
use crate::label::{Label, Stage};
use crate::secrets::Redactor;
use crate::term::text::short_line;

/// The verdict in an event about a version that is bad, and of which nothing went live.
pub const NOT_LIVE: &str = "not_live";

pub use closed_sets::{Condition, Reason, RollbackResult, Status, TestResult};
pub use watch_curve::{WatchCurve, WatchPoint};

/// The format version of events in the journal. Records on a pipe and ledger entries have versions of their own.
pub const FORMAT: u32 = 1;

/// The longest [`Event::cause`], in bytes.
pub const MAX_CAUSE_BYTES: usize = 400;

/// How many failed tests an event describes.
pub const MAX_FAILED_TESTS: usize = 20;

/// The id of an event: 16 hexadecimal digits. It is also the span id of the work.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct EventId(String);

impl EventId {
    /// A new random id.
    pub fn random() -> Self {
        Self(random_hex(8))
    }

    /// The id with these digits; `None` if they are not 16 lower-case hexadecimal ones, or all zero.
    pub fn parse(text: &str) -> Option<Self> {
        is_id(text, 16).then(|| Self(text.to_owned()))
    }

    /// The 16 digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// One finished piece of work.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// The format version, [`FORMAT`].
    pub v: u32,
    /// The kind of work, with the fields of that kind.
    #[serde(flatten)]
    pub detail: Detail,
    /// The unique id. An event that is sent twice is counted once.
    pub id: EventId,
    /// When the work ended.
    pub ts: DateTime<Utc>,
    /// The tool that did it.
    pub tool: String,
    /// The deployment that it belongs to.
    #[serde(flatten)]
    pub identity: Identity,
    /// The stage.
    pub stage: Stage,
    /// The enclosing stage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<Stage>,
    /// How it ended.
    pub status: Status,
    /// Elapsed time by the monotonic clock, in seconds; `None` if the start is unknown.
    pub duration_s: Option<f64>,
    /// Lead time: seconds from the commit to the end of the deployment that put it live.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lead_time_s: Option<f64>,
    /// Time to restore: seconds for which the service was broken until this deployment repaired it. This field and the
    /// next depend on the state of the Pushgateway or the textfile, so they are never in the journal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restored_s: Option<f64>,
    /// The start of the current series of failed deployments, in seconds since the epoch; 0 if the last one succeeded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failing_since_s: Option<f64>,
    /// The cost of the machine during the work, in dollars.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_dollars: Option<f64>,
    /// The reason for a failure.
    pub error_type: Option<Reason>,
    /// What went wrong, for people: see [`Event::because`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
}

impl Event {
    /// The same event with what went wrong: in one line of at most [`MAX_CAUSE_BYTES`] bytes, with secrets masked.
    #[must_use]
    pub fn because(self, cause: Option<&str>) -> Self {
        Self { cause: cause.filter(|cause| !cause.trim().is_empty()).map(masked_line), ..self }
    }

    /// When the work ended, in seconds since the epoch.
    pub fn ts_s(&self) -> f64 {
        epoch_seconds(self.ts)
    }

    /// When the work began, by the wall clock.
    pub fn started_at(&self) -> Option<DateTime<Utc>> {
        let seconds = self.duration_s?;
        #[expect(clippy::cast_possible_truncation, reason = "a float-to-integer cast saturates")]
        Some(self.ts - TimeDelta::milliseconds((seconds * 1000.0) as i64))
    }
}

/// What went wrong, in one line of at most [`MAX_CAUSE_BYTES`] bytes, with secrets masked.
fn masked_line(text: &str) -> String {
    let masked = Redactor::default().with_environment().redact(text);
    short_line(masked.trim(), MAX_CAUSE_BYTES)
}

/// The fields that depend on the kind of work.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Detail {
    /// A command was run as a stage.
    Stage(ChildUse),
    /// A migration command was run.
    Migration {
        /// The schema version before, if it could be read.
        before: Option<String>,
        /// The schema version after, if it could be read.
        after: Option<String>,
        /// Whether the schema is dirty: the migration tool recorded that a migration failed part-way.
        dirty: Option<bool>,
        /// Seconds spent waiting for locks.
        lock_wait_s: Option<f64>,
        /// The maximum number of sessions that waited for the migration at the same time.
        blocked_max: Option<u64>,
        /// The last progress that the server reported for a statement that ran for long.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        progress: Option<String>,
        /// Descriptions of the sessions that were terminated because they blocked the migration.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        terminated: Vec<String>,
        /// Who blocked the migration at its last lock wait, without values of the statements.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        blocked_by: Option<String>,
        /// The command.
        #[serde(flatten)]
        child: ChildUse,
    },
    /// A service was polled.
    Health {
        /// The target, without secrets.
        target: String,
        /// The number of probes.
        probes: u64,
        /// The number of failed probes.
        failures: u64,
        /// Latency of the successful probes, in milliseconds.
        latency_ms: Option<Quantiles>,
        /// The counts of each target, if there are several.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        targets: Vec<TargetCount>,
    },
    /// A suite of smoke tests was run. Only final results are counted.
    Smoke {
        /// The name of the suite.
        suite: Label,
        /// The number of tests with each result.
        results: Vec<(TestResult, u64)>,
        /// The first tests that failed, at most [`MAX_FAILED_TESTS`].
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        failed: Vec<FailedTest>,
    },
    /// A version was judged and, depending on the verdict, rolled back.
    Rollback {
        /// The verdict: `rollback`, `keep`, `inconclusive` or [`NOT_LIVE`].
        verdict: String,
        /// The condition that decided.
        condition: Option<Condition>,
        /// Requests and errors by source.
        evidence: Vec<SourceCount>,
        /// The result of the rollback; `None` if none was performed.
        result: Option<RollbackResult>,
        /// The version that a rollback restored, if it is known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        target: Option<Label>,
        /// The reason for the verdict, in a sentence.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        why: Option<String>,
        /// Whether a kept version is only no worse than the one before: the requested limit is not met.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        no_worse: bool,
        /// How the watch went, if requests were counted.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        watch: Option<WatchCurve>,
        /// The release that is live as before, as the platform names it, if the verdict is [`NOT_LIVE`].
        #[serde(default, skip_serializing_if = "Option::is_none")]
        live_release: Option<Label>,
    },
}

/// How the child of a wrapper ended, and the resources it used.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ChildUse {
    /// The exit code; `None` if a signal killed it.
    pub exit_code: Option<i32>,
    /// The signal that killed it.
    pub signal: Option<i32>,
    /// CPU time in seconds, user and system, of the child and the descendants it waited for.
    pub cpu_s: Option<f64>,
    /// Peak resident memory of the largest of these processes, in bytes.
    pub max_rss_bytes: Option<u64>,
    /// All attempts, if there was more than one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attempts: Vec<Attempt>,
    /// The last lines of stderr, and of stdout with `--output on-failure`, if `--tail` is set or the command failed and its
    /// output was kept; secrets are masked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stderr_tail: Vec<String>,
    /// The reason for skipping it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skip_reason: Option<Label>,
    /// The release that is live as before, as the platform names it, if a stage that would have replaced it was skipped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub live_release: Option<Label>,
}

/// One of several attempts at a command.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Attempt {
    /// Elapsed time in seconds.
    pub duration_s: f64,
    /// The exit code; `None` if a signal killed it.
    pub exit_code: Option<i32>,
    /// The signal that killed it.
    pub signal: Option<i32>,
    /// The reason for a failure.
    pub error_type: Option<Reason>,
}

/// Quantiles of a latency, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Quantiles {
    /// The median.
    pub p50: f64,
    /// The 95th percentile.
    pub p95: f64,
    /// The maximum.
    pub max: f64,
}

/// The probes of one target, if there are several.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TargetCount {
    /// The short name of the target.
    pub name: String,
    /// The target, without secrets.
    pub target: String,
    /// The number of probes.
    pub probes: u64,
    /// The number of failed probes.
    pub failures: u64,
    /// Latency of the successful probes, in milliseconds.
    pub latency_ms: Option<Quantiles>,
}

/// A smoke test that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedTest {
    /// The name of the test.
    pub name: String,
    /// What came and what was expected.
    pub why: String,
}

impl FailedTest {
    /// A test with this name that failed for this reason: each in one line of at most [`MAX_CAUSE_BYTES`] bytes, with
    /// secrets masked.
    pub fn new(name: &str, why: &str) -> Self {
        Self { name: masked_line(name), why: masked_line(why) }
    }
}

/// Requests counted by one source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceCount {
    /// The source: `probe`, `prometheus`, ….
    pub source: Label,
    /// The number of requests.
    pub total: u64,
    /// The number of failed requests.
    pub errors: u64,
}

/// The start of a deployment that another process will finish, or of one that was interrupted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Started {
    /// The format version, [`FORMAT`].
    pub v: u32,
    /// Always `start`.
    pub r#type: StartTag,
    /// The time of the start.
    pub ts: DateTime<Utc>,
    /// The tool that wrote it.
    pub tool: String,
    /// The deployment.
    #[serde(flatten)]
    pub identity: Identity,
    /// The stage that started.
    pub stage: Stage,
    /// What was running when its process was killed; `None` if it is not known to have been killed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interrupted: Option<Vec<InterruptedStage>>,
}

/// A stage that was running when its deployment was interrupted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InterruptedStage {
    /// The service.
    pub service: Label,
    /// The stage.
    pub stage: Stage,
    /// When the stage began.
    pub ts: DateTime<Utc>,
}

/// The `type` of [`Started`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum StartTag {
    /// `start`
    #[serde(rename = "start")]
    Start,
}

/// How a piece of work ended.
#[derive(Debug, Clone)]
pub struct Completion {
    /// The id that the work has had since its start.
    pub id: EventId,
    /// The end, by the wall clock.
    pub ts: DateTime<Utc>,
    /// Elapsed time by the monotonic clock; `None` if the start is unknown.
    pub duration: Option<Duration>,
    /// The outcome.
    pub status: Status,
    /// The reason for a failure.
    pub reason: Option<Reason>,
}
