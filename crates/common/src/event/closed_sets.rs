//! The values of an event that become labels: closed sets, to bound the number of series.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Defines a closed set whose members have one spelling everywhere: in records, in labels and on the command line.
macro_rules! closed_set {
    ($(#[$meta:meta])* $name:ident, $what:literal { $($(#[$doc:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum $name { $($(#[$doc])* #[serde(rename = $text)] $variant,)+ }

        impl $name {
            /// All members, in order.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The spelling.
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
        /// It succeeded.
        Success = "success",
        /// It reported a failure itself, by its exit code.
        Failure = "failure",
        /// It could not be started, or a signal killed it that did not come through the tool.
        Error = "error",
        /// It exceeded its time limit.
        Timeout = "timeout",
        /// A signal asked the tool to stop, and it stopped.
        Cancelled = "cancelled",
        /// It was skipped on purpose.
        Skipped = "skipped",
    }
}

closed_set! {
    /// Why something failed. It becomes a label, so its cardinality is low.
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
        /// No complete response in time.
        ReadTimeout = "read_timeout",
        /// The TLS handshake failed, or the certificate is not trusted.
        Tls = "tls",
        /// An unexpected HTTP status.
        BadStatus = "bad_status",
        /// An unexpected body.
        BodyMismatch = "body_mismatch",
        /// A good response, but too late.
        TooSlow = "too_slow",
        /// An assertion of a test.
        Assertion = "assertion",
        /// A database lock was not acquired in time.
        LockTimeout = "lock_timeout",
        /// A migration failed.
        MigrationFailed = "migration_failed",
        /// A rollback failed or could not be verified.
        RollbackFailed = "rollback_failed",
        /// A signal asked the tool to stop.
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
        /// An assertion failed.
        Fail = "fail",
        /// It could not be run.
        Error = "error",
        /// Skipped on purpose.
        Skip = "skip",
        /// Passed at a later attempt.
        Flaky = "flaky",
    }
}

closed_set! {
    /// The result of a rollback.
    RollbackResult, "a rollback result" {
        /// Performed, and the service was verified to work.
        Verified = "verified",
        /// Performed, but the service could not be verified to work.
        Unverified = "unverified",
        /// The rollback command failed.
        Failed = "failed",
    }
}

closed_set! {
    /// The condition that triggered a rollback.
    Condition, "a condition" {
        /// The share of failed requests.
        ErrorRate = "error_rate",
        /// The share of slow requests.
        Latency = "latency",
        /// The health check failed.
        HealthFails = "health_fails",
        /// A smoke test failed.
        SmokeFails = "smoke_fails",
        /// An alert is firing.
        Alert = "alert",
        /// A script reported a fault.
        Reported = "reported",
    }
}

impl Status {
    /// Whether this is a failure. Cancelled and skipped stages are not failures.
    pub fn is_failed(self) -> bool {
        matches!(self, Self::Failure | Self::Error | Self::Timeout)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closed_sets_parse_what_they_print_and_errors_list_them() {
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
