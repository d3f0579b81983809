//! The command to run after a failed migration (`--on-failure`): it runs once, without a shell, and does not change the
//! exit code of dm-migrate.

use std::ffi::OsString;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use child_process::{self, Signals, Spec, StdioMode};
use common::clock::Clock;
use common::duration::format_duration;
use nix::sys::signal::Signal;

/// A command to run after a failed migration.
#[derive(Debug)]
pub(crate) struct OnFailure {
    /// The program and its arguments; not empty.
    pub(crate) argv: Vec<OsString>,
    /// Environment variables that it gets in addition to those of dm-migrate.
    pub(crate) env: Vec<(&'static str, String)>,
    /// Its time limit.
    pub(crate) timeout: Option<Duration>,
    /// The time between TERM and KILL.
    pub(crate) kill_after: Duration,
}

/// Splits a command into words; quotes work as in a shell.
pub(crate) fn split_words(command: &str) -> Result<Vec<OsString>> {
    let words = shell_words::split(command)?;
    ensure!(words.first().is_some_and(|program| !program.is_empty()), "the command is empty");
    Ok(words.into_iter().map(OsString::from).collect())
}

impl OnFailure {
    /// Runs the command and returns a message about its result. Its stdout goes to stderr, because the stdout of dm-migrate
    /// is that of the migration.
    pub(crate) fn run(self, clock: &dyn Clock) -> String {
        let timeout = self.timeout;
        let spec = Spec {
            argv: self.argv,
            env: self.env,
            removed_env: Vec::new(),
            streams: StdioMode::Detached,
            stdin: None,
            stderr_tail: 0,
            timeout,
            stop_signal: Signal::SIGTERM,
            kill_after: self.kill_after,
            // Half a recovery is worse than one that continues without dm-migrate.
            may_outlive: true,
            is_shielded: false,
        };
        let result = (|| {
            let mut signals = Signals::watch().context("cannot watch for signals")?;
            let running =
                child_process::start(&spec, clock).map_err(|error| anyhow::Error::msg(error.message))?;
            running.wait(&mut signals, clock, &mut || {}).context("cannot wait for the command")
        })();
        let completed = match result {
            Ok(completed) => completed,
            Err(error) => return format!("--on-failure FAILED: {error:#}"),
        };
        match (completed.used.exit_code, completed.used.signal) {
            _ if completed.timed_out => {
                format!(
                    "--on-failure FAILED: it did not end within {}",
                    format_duration(timeout.unwrap_or_default())
                )
            }
            (Some(0), _) => "--on-failure succeeded".to_owned(),
            (Some(code), _) => format!("--on-failure FAILED: exit code {code}"),
            (None, signal) => format!("--on-failure FAILED: killed by signal {}", signal.unwrap_or_default()),
        }
    }
}
