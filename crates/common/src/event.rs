//! What happened: one finished piece of work, as the journal keeps it and the metrics are made from it.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::identity::Identity;
use crate::label::{Label, Stage};
use crate::trace::random_hex;

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

/// A closed set whose members have one spelling everywhere: in records, in labels and on the command line.
macro_rules! closed_set {
    ($(#[$meta:meta])* $name:ident, $what:literal { $($(#[$doc:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum $name { $($(#[$doc])* #[serde(rename = $text)] $variant,)+ }

        impl $name {
            /// Every member, in order.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The one spelling.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl FromStr for $name {
            type Err = String;
            fn from_str(text: &str) -> Result<Self, String> {
                Self::ALL.iter().copied().find(|member| member.as_str() == text).ok_or_else(|| {
                    format!(concat!($what, " is one of: {}"), [$($text),+].join(", "))
                })
            }
        }
    };
}

closed_set! {
    /// How a stage ended.
    Status, "a status" {
        /// It did what it should.
        Success = "success",
        /// It said itself that it failed.
        Failure = "failure",
        /// It could not be started, or was killed by a signal that did not pass through the tool.
        Error = "error",
        /// Its time limit ended it.
        Timeout = "timeout",
        /// The tool was told to stop, and it stopped.
        Cancelled = "cancelled",
        /// It was not run, on purpose.
        Skipped = "skipped",
    }
}

closed_set! {
    /// Why something failed. Low in cardinality: it is a label.
    Reason, "a reason" {
        /// A non-zero exit code.
        ExitCode = "exit_code",
        /// Killed by a signal.
        Signal = "signal",
        /// A time limit.
        Timeout = "timeout",
        /// The command does not exist.
        NotFound = "not_found",
        /// The command cannot be executed.
        NotExecutable = "not_executable",
        /// Out of memory.
        Oom = "oom",
        /// The name did not resolve.
        Dns = "dns",
        /// The connection was refused.
        Refused = "refused",
        /// No connection in time.
        ConnectTimeout = "connect_timeout",
        /// No complete answer in time.
        ReadTimeout = "read_timeout",
        /// The TLS handshake failed, or the certificate is not trusted.
        Tls = "tls",
        /// An HTTP status that was not expected.
        BadStatus = "bad_status",
        /// A body that was not expected.
        BodyMismatch = "body_mismatch",
        /// A good answer, too late.
        TooSlow = "too_slow",
        /// An assertion of a test.
        Assertion = "assertion",
        /// A database lock was not got in time.
        LockTimeout = "lock_timeout",
        /// A migration failed.
        MigrationFailed = "migration_failed",
        /// A rollback failed, or was not verified.
        RollbackFailed = "rollback_failed",
        /// Told to stop.
        Cancelled = "cancelled",
        /// None of the others.
        Other = "other",
    }
}

closed_set! {
    /// The final result of one smoke test.
    TestResult, "a test result" {
        /// Passed at the first attempt.
        Pass = "pass",
        /// An expectation was not met.
        Fail = "fail",
        /// It could not be carried out.
        Error = "error",
        /// Not run, on purpose.
        Skip = "skip",
        /// Passed at a later attempt.
        Flaky = "flaky",
    }
}

closed_set! {
    /// What a rollback came to.
    RollbackResult, "a rollback result" {
        /// Done, and the service was seen to work.
        Verified = "verified",
        /// Done, and the service was not seen to work.
        Unverified = "unverified",
        /// The rollback command failed.
        Failed = "failed",
    }
}

closed_set! {
    /// What made a rollback wanted.
    Condition, "a condition" {
        /// The share of failed requests.
        ErrorRate = "error_rate",
        /// The share of slow requests.
        Latency = "latency",
        /// The health check ended as unhealthy.
        HealthFails = "health_fails",
        /// A smoke test failed.
        SmokeFails = "smoke_fails",
        /// An alert fires.
        Alert = "alert",
    }
}

impl Status {
    /// Whether it did not do what it should; what was cancelled or skipped did not try.
    pub fn is_failed(self) -> bool {
        matches!(self, Self::Failure | Self::Error | Self::Timeout)
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
    /// known only beside the gateway's state, and so is never in the journal: see [`crate::metrics::Outage`].
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closed_sets_read_what_they_write_and_name_their_members() {
        for reason in Reason::ALL {
            assert_eq!(reason.as_str().parse(), Ok(*reason));
        }
        assert_eq!("cancelled".parse(), Ok(Status::Cancelled));
        assert_eq!(
            "ok".parse::<Status>().unwrap_err(),
            "a status is one of: success, failure, error, timeout, cancelled, skipped"
        );
    }
}
