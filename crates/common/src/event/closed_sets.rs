//! The words that an event is told in: closed sets, since they become labels.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

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
