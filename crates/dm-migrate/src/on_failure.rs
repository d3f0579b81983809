//! What is run after a migration that failed, where the user said so: once, without a shell, and without a say in how
//! dm-migrate ends.

use std::ffi::OsString;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use child_process::{self, Signals, Spec, StdioMode};
use common::clock::Clock;
use common::duration::format_duration;

/// A command to run after a failure.
#[derive(Debug)]
pub(crate) struct OnFailure {
    /// The program and its arguments; not empty.
    pub(crate) argv: Vec<OsString>,
    /// Variables that it gets beside ours.
    pub(crate) env: Vec<(&'static str, String)>,
    /// Its time limit.
    pub(crate) timeout: Option<Duration>,
    /// The time between TERM and KILL.
    pub(crate) kill_after: Duration,
}

/// The words of a command, quoted as a shell would.
pub(crate) fn words(command: &str) -> Result<Vec<OsString>> {
    let words = shell_words::split(command)?;
    ensure!(words.first().is_some_and(|program| !program.is_empty()), "no command in it");
    Ok(words.into_iter().map(OsString::from).collect())
}

impl OnFailure {
    /// Runs it; says what became of it. Its stdout is our stderr, for stdout is the migration's.
    pub(crate) fn run(self, clock: &dyn Clock) -> String {
        let timeout = self.timeout;
        let spec = Spec {
            argv: self.argv,
            env: self.env,
            streams: StdioMode::Detached,
            stderr_tail: 0,
            timeout,
            kill_after: self.kill_after,
            // Half an undoing is worse than one that nobody watched.
            may_outlive: true,
        };
        let ended = (|| {
            let mut signals = Signals::watch().context("cannot watch for signals")?;
            let running =
                child_process::start(&spec, clock).map_err(|error| anyhow::Error::msg(error.message))?;
            running.wait(&mut signals, clock, &mut || {}).context("it was lost")
        })();
        let ended = match ended {
            Ok(ended) => ended,
            Err(error) => return format!("--on-failure FAILED: {error:#}"),
        };
        match (ended.used.exit_code, ended.used.signal) {
            _ if ended.timed_out => {
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
