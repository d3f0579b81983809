//! A program as a probe: healthy is what ends with 0.

use std::ffi::OsStr;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use common::event::Reason;
use common::process::explain;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::io::AsyncReadExt;
use tokio::process::{ChildStderr, Command};
use tokio::time::timeout;

use super::failure::Failure;

/// So much of stderr is kept; the rest is read, so that the program never waits for us, and dropped.
const KEPT: usize = 1024;

/// How long stderr is heard after the program's end: a grandchild in the background may keep it open for ever.
const AFTERWARDS: Duration = Duration::from_millis(50);

/// Runs it. When this is dropped before its end, as by a time limit, the program's whole group is killed.
pub(super) async fn run(words: &[String]) -> Result<(), Failure> {
    let Some((program, arguments)) = words.split_first() else {
        return Err(Failure::new(Reason::NotFound, "no program to run"));
    };
    let mut command = Command::new(program);
    command.args(arguments).process_group(0);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| {
        let error = explain(OsStr::new(program), &error);
        Failure::local(error.reason, error.message)
    })?;
    let mut group = Group(child.id());
    let mut stderr = child.stderr.take();
    let mut heard = Vec::new();
    let status = tokio::select! {
        status = child.wait() => status,
        () = hear(&mut stderr, &mut heard) => child.wait().await,
    };
    group.0 = None;
    let _ = timeout(AFTERWARDS, hear(&mut stderr, &mut heard)).await;
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(ended(status, &heard)),
        Err(error) => Err(Failure::new(Reason::Other, format!("cannot wait for {program}: {error}"))),
    }
}

fn ended(status: ExitStatus, stderr: &[u8]) -> Failure {
    let stderr = String::from_utf8_lossy(stderr);
    let said = match stderr.lines().find(|line| !line.trim().is_empty()) {
        Some(line) => format!(": {}", line.chars().filter(|c| !c.is_control()).take(200).collect::<String>()),
        None => String::new(),
    };
    match (status.code(), status.signal()) {
        (Some(code), _) => Failure::new(Reason::ExitCode, format!("exit code {code}{said}")),
        (None, signal) => {
            let signal = signal.unwrap_or_default();
            Failure::new(Reason::Signal, format!("killed by signal {signal}{said}"))
        }
    }
}

async fn hear(stderr: &mut Option<ChildStderr>, kept: &mut Vec<u8>) {
    let mut buffer = [0; KEPT];
    while let Some(pipe) = stderr
        && let Ok(read @ 1..) = pipe.read(&mut buffer).await
    {
        let room = KEPT.saturating_sub(kept.len()).min(read);
        kept.extend_from_slice(buffer.get(..room).unwrap_or_default());
    }
    *stderr = None;
}

/// The group of a program that runs; it is not reaped yet, so the number is its own.
struct Group(Option<u32>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(id) = self.0 {
            // It may have ended just now: then there is nobody to kill.
            let _ = killpg(Pid::from_raw(id.cast_signed()), Signal::SIGKILL);
        }
    }
}
