//! The exit codes of all tools, as a type. The only place that knows the numbers.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

/// How a tool ends.
///
/// Scripts act on the exit code, so [`Exit::Success`] must be hard to reach by accident.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// 0: good, and proven: the service is healthy, all tests passed, the version is kept.
    Success,
    /// 1: bad, and proven: the service is unhealthy, a test failed.
    Failure,
    /// 2: wrong usage or bad configuration, detected before anything ran.
    Usage,
    /// 3: inconclusive: no data, too little data, data about something else, or its producer died.
    Inconclusive,
    /// 4: nothing ran: no probe, no test.
    NothingRan,
    /// 5: an internal or I/O error prevented a verdict.
    CouldNotJudge,
    /// 10: rolled back, and the fault that triggered it is proven to be gone.
    RolledBack,
    /// 11: a rollback was due but not performed: dry run, safeguard, or no command.
    RollbackNotDone,
    /// 12: a rollback failed or could not be verified: page somebody.
    RollbackFailed,
    /// 75 (`EX_TEMPFAIL` of sysexits(3)): a lock or a cool-down is in force. Try again later.
    TryLater,
    /// 124: the tool's own time limit expired.
    TimedOut,
    /// 125: the wrapper itself failed.
    WrapperFault,
    /// 126: the wrapped command exists but cannot be executed.
    NotExecutable,
    /// 127: the wrapped command does not exist.
    NotFound,
    /// The wrapped command's own exit code, unchanged.
    Child(u8),
    /// This signal killed the wrapped command. The wrapper dies by the same signal.
    Signal(i32),
}

impl Exit {
    /// The number that a shell sees. For [`Exit::Signal`] it is 128 + n.
    pub fn code(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::Failure => 1,
            Self::Usage => 2,
            Self::Inconclusive => 3,
            Self::NothingRan => 4,
            Self::CouldNotJudge => 5,
            Self::RolledBack => 10,
            Self::RollbackNotDone => 11,
            Self::RollbackFailed => 12,
            Self::TryLater => 75,
            Self::TimedOut => 124,
            Self::WrapperFault => 125,
            Self::NotExecutable => 126,
            Self::NotFound => 127,
            Self::Child(code) => code,
            Self::Signal(signal) => u8::try_from(128 + signal).unwrap_or(u8::MAX),
        }
    }

    /// How a wrapper ends if its child ended with `status`.
    pub fn from_child(status: ExitStatus) -> Self {
        match (status.code(), status.signal()) {
            (Some(code), _) => Self::Child(u8::try_from(code).unwrap_or(u8::MAX)),
            (None, Some(signal)) => Self::Signal(signal),
            (None, None) => Self::WrapperFault,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_code_passes_unchanged_and_a_signal_is_128_plus_n() {
        assert_eq!(Exit::from_child(ExitStatus::from_raw(3 << 8)), Exit::Child(3));
        assert_eq!(Exit::from_child(ExitStatus::from_raw(255 << 8)).code(), 255);
        assert_eq!(Exit::from_child(ExitStatus::from_raw(15)), Exit::Signal(15));
        assert_eq!(Exit::Signal(9).code(), 137);
    }
}
