//! One command: run, compared, and ended with all that it started when its time is up.

use std::ffi::OsStr;
use std::os::unix::process::ExitStatusExt;
use std::process::Stdio;
use std::time::Duration;

use child_process::{Captured, Output, explain};
use common::duration;
use common::event::Reason;
use tokio::process::Command;
use tokio::time::sleep;

use crate::outcome::Failure;
use crate::secret::Hidden;
use crate::suite::assertion::CommandObserved;
use crate::suite::model::CommandTest;
use crate::suite::template::Values;

/// So much of each stream is kept.
const KEPT: usize = 1024 * 1024;

/// Runs the command and compares. `None` when it was `stopped`.
pub async fn run(
    test: &CommandTest,
    limit: Duration,
    hidden: &Hidden<'_>,
    env: &[(&'static str, String)],
    stopped: impl Future<Output = ()>,
) -> Option<Result<(), Failure>> {
    let mut running = match Captured::start(&mut command(test, env, hidden.values)) {
        Ok(running) => running,
        Err(error) => {
            let error = explain(OsStr::new(&test.program), &error);
            return Some(Err(Failure::error(error.reason, error.message).of(&test.program)));
        }
    };
    let told = tokio::select! {
        output = running.output(KEPT) => match output {
            Ok(output) => judge(test, output, hidden),
            Err(error) => Err(Failure::error(Reason::Other, format!("cannot wait: {error}"))),
        },
        () = sleep(limit) => {
            running.terminate().await;
            Err(Failure::error(Reason::Timeout, format!("did not end within {}", duration::format_duration(limit))))
        }
        () = stopped => {
            running.terminate().await;
            return None;
        }
    };
    Some(told.map_err(|failure| failure.of(&test.program)))
}

fn command(test: &CommandTest, env: &[(&'static str, String)], values: &Values) -> Command {
    let mut command = Command::new(&test.program);
    command
        .args(&test.args)
        .envs(env.iter().map(|(name, value)| (name, value)))
        .envs(test.env.iter().map(|(name, value)| (name, value.render(values))))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn judge(test: &CommandTest, output: Output, hidden: &Hidden<'_>) -> Result<(), Failure> {
    let Output { status, stdout, stderr } = output;
    let observed = CommandObserved {
        exit: status.code(),
        signal: status.signal(),
        truncated: [&stdout, &stderr].map(|kept| kept.len() >= KEPT),
        stdout,
        stderr,
    };
    test.expected.check(&observed).map_err(|mismatch| Failure::unmet(&mismatch, hidden))
}
