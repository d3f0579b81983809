//! The exit codes of every tool, as a type: the only place that knows the numbers.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

/// How a tool ends.
///
/// For scripts the exit code is the interface: [`Exit::Success`] must be hard to reach by accident.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// 0: good, and proven: healthy, all passed, kept.
    Success,
    /// 1: bad, and proven: unhealthy, a test failed.
    Failure,
    /// 2: wrong usage or bad configuration, found before anything ran.
    Usage,
    /// 3: no data, too little data, or the producer died.
    Inconclusive,
    /// 4: no probe was made, or no test was run.
    NothingRan,
    /// 5: an internal or I/O error kept the tool from judging.
    CouldNotJudge,
    /// 10: rolled back, and the service was seen to work again.
    RolledBack,
    /// 11: a rollback was wanted and not done: dry run, safeguard, no command.
    RollbackNotDone,
    /// 12: a rollback was tried and failed, or was not verified: page a person.
    RollbackFailed,
    /// 75: held by a lock or a cool-down: try later.
    TryLater,
    /// 124: the tool's own time limit.
    TimedOut,
    /// 125: a wrapper's own fault.
    WrapperFault,
    /// 126: the wrapped command was found and could not be executed.
    NotExecutable,
    /// 127: the wrapped command was not found.
    NotFound,
    /// The wrapped command's own code, unchanged.
    Child(u8),
    /// The wrapped command was killed by this signal; the wrapper dies by it too.
    Signal(i32),
}

impl Exit {
    /// The number a shell sees. For [`Exit::Signal`] it is 128 + n.
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

    /// The exit of a wrapper whose child ended with `status`.
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
