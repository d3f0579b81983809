//! The outcome of a wrapped command, for the record and for the caller.

use std::time::Duration;

use nix::sys::signal::Signal;

use super::ErrorPattern;
use super::last_words::last_words;
use child_process::{ChildExit, StartError};
use common::cli::warn;
use common::event::{Attempt, ChildUse, Reason, Status};
use common::exit::Exit;

/// The exit code of a shell whose command was killed by SIGKILL: 128 + 9.
const SIGKILL_IN_SHELL: u8 = 137;

/// The outcome of a command.
#[derive(Debug)]
pub struct Outcome {
    /// How the tool ends.
    pub exit: Exit,
    /// The status of the stage.
    pub status: Status,
    /// The reason for a failure.
    pub reason: Option<Reason>,
    /// Elapsed time by the monotonic clock.
    pub duration: Duration,
    /// The child's exit and resource usage.
    pub used: ChildUse,
    /// What went wrong, if that is known better than from the exit code.
    pub cause: Option<String>,
}

/// The criteria for the success of a command.
#[derive(Debug, Clone)]
pub struct SuccessCriteria {
    /// The reason that a non-zero exit code stands for.
    pub failure: Reason,
    /// Exit codes that count as success in addition to 0.
    pub allowed: Vec<u8>,
    /// Patterns of stderr that classify a failure. The first match counts.
    pub patterns: Vec<ErrorPattern>,
}

impl SuccessCriteria {
    /// Criteria with which every non-zero exit code means `failure`.
    pub fn new(failure: Reason) -> Self {
        Self { failure, allowed: Vec::new(), patterns: Vec::new() }
    }
}

impl Outcome {
    /// The outcome of a command that ran. `out_of_memory` asks whether the kernel has killed a process meanwhile because
    /// it was out of memory.
    pub(super) fn from_exit(
        child: &ChildExit,
        criteria: &SuccessCriteria,
        out_of_memory: impl Fn() -> bool,
    ) -> Self {
        let by_child = Exit::from_child(child.status);
        let killed = matches!(by_child, Exit::Signal(signal) if signal == Signal::SIGKILL as i32);
        let pattern =
            || criteria.patterns.iter().find(|pattern| pattern.matches_any(&child.used.stderr_tail));
        let (exit, status, reason) = match by_child {
            _ if child.timed_out => (Exit::TimedOut, Status::Timeout, Some(Reason::Timeout)),
            Exit::Child(code) if code == 0 || criteria.allowed.contains(&code) => {
                (by_child, Status::Success, None)
            }
            _ if child.terminated_by.is_some() => (by_child, Status::Cancelled, Some(Reason::Cancelled)),
            // A shell reports a killed command by its own exit code.
            Exit::Child(SIGKILL_IN_SHELL) if out_of_memory() => {
                (by_child, Status::Failure, Some(Reason::Oom))
            }
            Exit::Signal(_) if killed && out_of_memory() => (by_child, Status::Error, Some(Reason::Oom)),
            Exit::Signal(_) => (by_child, Status::Error, Some(Reason::Signal)),
            _ => (by_child, Status::Failure, Some(pattern().map_or(criteria.failure, ErrorPattern::reason))),
        };
        Self { exit, status, reason, duration: child.duration, used: child.used.clone(), cause: None }
    }

    /// The outcome of a command that could not be started. Prints the error.
    pub(super) fn from_start_error(tool: &str, error: &StartError) -> Self {
        warn(tool, std::slice::from_ref(&error.message));
        Self {
            exit: error.exit,
            status: Status::Error,
            reason: Some(error.reason),
            duration: Duration::ZERO,
            used: ChildUse::default(),
            cause: Some(error.message.clone()),
        }
    }

    /// What went wrong: the cause if it is known, otherwise how the command ended, with its last words if they were kept.
    /// `None` after a success.
    pub(super) fn cause(&self) -> Option<String> {
        if self.status == Status::Success {
            return None;
        }
        let last = last_words(&self.used.stderr_tail);
        Some(match (&self.cause, last) {
            (Some(cause), _) => cause.clone(),
            (None, Some(last)) => format!("{}: {last}", self.describe()),
            (None, None) => self.describe(),
        })
    }

    /// Whether the command ran and failed, so that a retry makes sense. False after success, after a termination signal,
    /// and if the command cannot be run at all.
    pub fn has_failed(&self) -> bool {
        let cannot_run = matches!(self.exit, Exit::NotFound | Exit::NotExecutable | Exit::WrapperFault);
        !cannot_run && !matches!(self.status, Status::Success | Status::Cancelled)
    }

    /// Records that a signal asked for termination before the next attempt.
    pub(super) fn cancel(&mut self, signal: Signal) {
        self.exit = Exit::Signal(signal as i32);
        self.status = Status::Cancelled;
        self.reason = Some(Reason::Cancelled);
    }

    pub(super) fn attempt(&self) -> Attempt {
        Attempt {
            duration_s: self.duration.as_secs_f64(),
            exit_code: self.used.exit_code,
            signal: self.used.signal,
            error_type: self.reason,
        }
    }

    /// Describes the outcome: `exit code 1`, `killed by signal 9`, `timeout`.
    pub(super) fn describe(&self) -> String {
        match (self.reason, self.used.exit_code, self.used.signal) {
            (Some(Reason::Timeout), ..) => "timeout".to_owned(),
            (_, Some(code), _) => format!("exit code {code}"),
            (_, _, Some(signal)) => format!("killed by signal {signal}"),
            (reason, ..) => reason.map_or("unknown reason", Reason::as_str).to_owned(),
        }
    }
}
