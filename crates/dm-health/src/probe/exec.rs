//! A program as a probe: exit code 0 is healthy.

use std::ffi::OsStr;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};

use child_process::{Captured, explain};
use common::event::Reason;
use tokio::process::Command;

use crate::failure::Failure;

/// How much of stderr is kept, in bytes.
const MAX_STDERR_BYTES: usize = 1024;

/// Runs the program. If the future is dropped, as by a time limit, the whole process group is killed.
pub(super) async fn run(words: &[String]) -> Result<(), Failure> {
    let Some((program, arguments)) = words.split_first() else {
        return Err(Failure::new(Reason::NotFound, "no program to run"));
    };
    let mut command = Command::new(program);
    command.args(arguments).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut running = Captured::start(&mut command).map_err(|error| {
        let error = explain(OsStr::new(program), &error);
        Failure::local(error.reason, error.message)
    })?;
    match running.output(MAX_STDERR_BYTES).await {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(describe_exit(output.status, &output.stderr)),
        Err(error) => Err(Failure::new(Reason::Other, format!("cannot wait for {program}: {error}"))),
    }
}

fn describe_exit(status: ExitStatus, stderr: &[u8]) -> Failure {
    let stderr = String::from_utf8_lossy(stderr);
    let first_line = match stderr.lines().find(|line| !line.trim().is_empty()) {
        Some(line) => format!(": {}", line.chars().filter(|c| !c.is_control()).take(200).collect::<String>()),
        None => String::new(),
    };
    match (status.code(), status.signal()) {
        (Some(code), _) => Failure::new(Reason::ExitCode, format!("exit code {code}{first_line}")),
        (None, signal) => {
            let signal = signal.unwrap_or_default();
            Failure::new(Reason::Signal, format!("killed by signal {signal}{first_line}"))
        }
    }
}
