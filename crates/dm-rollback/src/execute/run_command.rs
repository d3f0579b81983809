//! Runs the rollback command.

use std::ffi::OsString;
use std::time::Duration;

use child_process::{Signals, Spec, StdioMode, descendants};
use common::clock::Clock;
use common::duration::format_duration;
use common::env;
use nix::sys::signal::Signal;
use telemetry::Context;

use crate::report;

/// The time between TERM and KILL for a rollback command that exceeds its time limit.
const KILL_AFTER: Duration = Duration::from_secs(10);

/// The variables of this process that say what to restore. Those of an outer rollback, or of a script that exported them,
/// would be taken for the target of this one.
fn inherited_variables() -> Vec<OsString> {
    let is_about_rollback = |name: &OsString| {
        let name = name.as_encoded_bytes();
        name.starts_with(b"DM_ROLLBACK_") || name == b"DM_FAILED_VERSION"
    };
    env::names().filter(is_about_rollback).collect()
}

/// How a command that succeeded ended.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ended {
    /// Whether processes that it started still run: a server, or the rest of the rollback.
    pub goes_on: bool,
}

/// The rollback command.
#[derive(Debug)]
pub struct RollbackCommand {
    /// The program and its arguments.
    pub argv: Vec<OsString>,
    /// The time limit of the command.
    pub timeout: Duration,
}

impl RollbackCommand {
    /// Runs the command. It gets `variables` in addition to those of the deployment. The error is the reason for a failure.
    pub(crate) fn run(
        &self,
        context: &Context,
        variables: Vec<(&'static str, String)>,
        clock: &dyn Clock,
    ) -> Result<Ended, String> {
        let mut env = context.child_env();
        env.push(("DM_PARENT_STAGE", "rollback".to_owned()));
        env.extend(variables);
        let version = context.identity.version.as_ref();
        env.extend(version.map(|version| ("DM_FAILED_VERSION", version.to_string())));
        let spec = Spec {
            argv: self.argv.clone(),
            env,
            removed_env: inherited_variables(),
            streams: StdioMode::Detached,
            stdin: None,
            stderr_tail: 0,
            timeout: Some(self.timeout),
            stop_signal: Signal::SIGTERM,
            kill_after: KILL_AFTER,
            // A half-done rollback is worse than one that finishes without supervision.
            may_outlive: true,
            is_shielded: true,
        };
        let mut signals = Signals::watch().map_err(|error| format!("cannot watch for signals: {error}"))?;
        let running = child_process::start(&spec, clock).map_err(|error| error.message)?;
        let exit = running
            .wait(&mut signals, clock, &mut || {})
            .map_err(|error| format!("cannot wait for its command: {error}"))?;
        if let Some(signal) = exit.terminated_by {
            report::note(&format!(
                "{signal} was received while the rollback command ran: a rollback that has begun is finished first"
            ));
        }
        if exit.timed_out {
            return Err(format!("its command did not end within {}", format_duration(self.timeout)));
        }
        match (exit.used.exit_code, exit.used.signal) {
            (Some(0), _) => Ok(Ended { goes_on: !descendants().is_empty() }),
            (Some(code), _) => Err(format!("its command ended with exit code {code}")),
            (None, signal) => Err(format!("its command was killed by signal {}", signal.unwrap_or_default())),
        }
    }
}
