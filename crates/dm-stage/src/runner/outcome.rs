//! What a wrapped command came to, for the record and for the caller.

use std::time::Duration;

use nix::sys::signal::Signal;

use super::ErrorPattern;
use child_process::{ChildExit, StartError};
use common::cli::warn;
use common::event::{Attempt, ChildUse, Reason, Status};
use common::exit::Exit;

/// What a shell says of a command that SIGKILL ended.
const KILLED: u8 = 137;

/// What the command came to.
#[derive(Debug)]
pub struct Outcome {
    /// How the tool ends.
    pub exit: Exit,
    /// How the stage ended.
    pub status: Status,
    /// Why not well.
    pub reason: Option<Reason>,
    /// Wall time by the monotonic clock.
    pub duration: Duration,
    /// What the child used.
    pub used: ChildUse,
}

/// By what a command is judged.
#[derive(Debug, Clone)]
pub struct SuccessCriteria {
    /// What a non-zero exit code means.
    pub failure: Reason,
    /// Exit codes that are a success, beside 0.
    pub allowed: Vec<u8>,
    /// What stands on stderr where something has failed; the first that is found there counts.
    pub patterns: Vec<ErrorPattern>,
}

impl SuccessCriteria {
    /// The rules where a non-zero exit code means `failure`, and nothing else is known.
    pub fn new(failure: Reason) -> Self {
        Self { failure, allowed: Vec::new(), patterns: Vec::new() }
    }
}

impl Outcome {
    /// Of a command that ran. `out_of_memory` asks the kernel whether it has killed for want of memory meanwhile.
    pub(super) fn of(
        finished: &ChildExit,
        rules: &SuccessCriteria,
        out_of_memory: impl Fn() -> bool,
    ) -> Self {
        let by_child = Exit::from_child(finished.status);
        let killed = matches!(by_child, Exit::Signal(signal) if signal == Signal::SIGKILL as i32);
        let told = || rules.patterns.iter().find(|pattern| pattern.is_in(&finished.used.stderr_tail));
        let (exit, status, reason) = match by_child {
            _ if finished.timed_out => (Exit::TimedOut, Status::Timeout, Some(Reason::Timeout)),
            Exit::Child(code) if code == 0 || rules.allowed.contains(&code) => {
                (by_child, Status::Success, None)
            }
            _ if finished.terminated_by.is_some() => (by_child, Status::Cancelled, Some(Reason::Cancelled)),
            // A shell whose command was killed says so by its own exit code.
            Exit::Child(KILLED) if out_of_memory() => (by_child, Status::Failure, Some(Reason::Oom)),
            Exit::Signal(_) if killed && out_of_memory() => (by_child, Status::Error, Some(Reason::Oom)),
            Exit::Signal(_) => (by_child, Status::Error, Some(Reason::Signal)),
            _ => (by_child, Status::Failure, Some(told().map_or(rules.failure, ErrorPattern::reason))),
        };
        Self { exit, status, reason, duration: finished.duration, used: finished.used.clone() }
    }

    /// Of a command that could not be started; says why.
    pub(super) fn of_start(tool: &str, error: &StartError) -> Self {
        warn(tool, std::slice::from_ref(&error.message));
        Self {
            exit: error.exit,
            status: Status::Error,
            reason: Some(error.reason),
            duration: Duration::ZERO,
            used: ChildUse::default(),
        }
    }

    /// Whether it ran and failed: something can be done about that. Not after success, nor where somebody asked for the
    /// end, nor where there is nothing that can be run.
    pub fn has_failed(&self) -> bool {
        let cannot_run = matches!(self.exit, Exit::NotFound | Exit::NotExecutable | Exit::WrapperFault);
        !cannot_run && !matches!(self.status, Status::Success | Status::Cancelled)
    }

    /// Somebody asked for the end before the next attempt.
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

    /// In words: `exit code 1`, `killed by signal 9`, `timeout`.
    pub(super) fn told(&self) -> String {
        match (self.reason, self.used.exit_code, self.used.signal) {
            (Some(Reason::Timeout), ..) => "timeout".to_owned(),
            (_, Some(code), _) => format!("exit code {code}"),
            (_, _, Some(signal)) => format!("killed by signal {signal}"),
            (reason, ..) => reason.map_or("no reason known", Reason::as_str).to_owned(),
        }
    }
}
