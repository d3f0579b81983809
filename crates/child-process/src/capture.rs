//! A child whose output is captured. It runs in its own process group, without input; its whole group is terminated.

use std::io;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, ChildStderr, ChildStdout, Command};
use tokio::time::{Instant, sleep, timeout};

use crate::descendants::POLL_INTERVAL;
use crate::marker::Marker;
use crate::pre_exec;

/// How long to read the pipes after the child has ended: a background grandchild may keep them open for ever.
const DRAIN_TIMEOUT: Duration = Duration::from_millis(100);

/// The time between TERM and KILL.
const KILL_AFTER: Duration = Duration::from_secs(1);

/// A running child with captured output. Needs a tokio runtime. Dropping it before its end kills its process group, and what
/// it has started in other groups and sessions.
#[derive(Debug)]
pub struct Captured {
    child: Child,
    stdout: Option<ChildStdout>,
    stderr: Option<ChildStderr>,
    /// `None` once the child is reaped, because the number may then belong to another process.
    group: Option<Pid>,
    marker: Marker,
}

/// How the child ended, and what it wrote.
#[derive(Debug)]
pub struct Output {
    /// The exit status.
    pub status: ExitStatus,
    /// The beginning of stdout; empty if stdout was not piped.
    pub stdout: Vec<u8>,
    /// The beginning of stderr; empty if stderr was not piped.
    pub stderr: Vec<u8>,
}

impl Captured {
    /// Starts the command. The caller sets the streams to capture to `Stdio::piped()`.
    ///
    /// # Errors
    /// The command cannot be started; [`crate::explain`] says why.
    pub fn start(command: &mut Command) -> io::Result<Self> {
        command.process_group(0);
        Self::of(command)
    }

    /// Like [`Captured::start`], in a session of its own: neither the command nor what it starts has a terminal on which it
    /// could ask a person.
    ///
    /// # Errors
    /// Those of [`Captured::start`].
    pub fn start_without_terminal(command: &mut Command) -> io::Result<Self> {
        pre_exec::begin_session(command.as_std_mut());
        Self::of(command)
    }

    fn of(command: &mut Command) -> io::Result<Self> {
        let marker = Marker::set_on(command.as_std_mut());
        let mut child = command.stdin(Stdio::null()).spawn()?;
        let group = child.id().map(|id| Pid::from_raw(id.cast_signed()));
        Ok(Self { stdout: child.stdout.take(), stderr: child.stderr.take(), child, group, marker })
    }

    /// Waits for the end. Keeps at most `limit` bytes of each stream; reads and drops the rest, so that the child never
    /// blocks on a full pipe.
    ///
    /// # Errors
    /// The kernel cannot wait for the child.
    pub async fn output(&mut self, limit: usize) -> io::Result<Output> {
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        let mut read_both = async || {
            tokio::join!(
                read(&mut self.stdout, &mut stdout, limit),
                read(&mut self.stderr, &mut stderr, limit)
            )
        };
        let status = tokio::select! {
            status = self.child.wait() => status,
            _ = read_both() => self.child.wait().await,
        };
        self.group = None;
        // The child has ended. It does not matter whether everything was read.
        let _ = timeout(DRAIN_TIMEOUT, read_both()).await;
        Ok(Output { status: status?, stdout, stderr })
    }

    /// Sends TERM to the group, then KILL to what is left. No grandchild survives.
    pub async fn terminate(&mut self) {
        let Some(group) = self.group else { return };
        let deadline = Instant::now() + KILL_AFTER;
        // Processes that have just ended cannot be signalled, which is fine.
        let _ = killpg(group, Signal::SIGTERM);
        // A stopped process handles TERM only after it continues.
        let _ = killpg(group, Signal::SIGCONT);
        let _ = timeout(KILL_AFTER, self.child.wait()).await;
        while killpg(group, None).is_ok() && Instant::now() < deadline {
            sleep(POLL_INTERVAL).await;
        }
        let _ = killpg(group, Signal::SIGKILL);
        self.marker.kill_all();
        let _ = self.child.wait().await;
        self.group = None;
    }
}

impl Drop for Captured {
    fn drop(&mut self) {
        if let Some(group) = self.group {
            let _ = killpg(group, Signal::SIGKILL);
            self.marker.kill_all();
        }
    }
}

/// Reads a stream to its end, if it has not ended yet, and keeps the beginning.
async fn read(stream: &mut Option<impl AsyncRead + Unpin>, beginning: &mut Vec<u8>, limit: usize) {
    // On the heap, because a future should be small.
    let mut chunk = vec![0; 4096];
    // A read error ends the stream.
    while let Some(pipe) = stream
        && let Ok(read @ 1..) = pipe.read(&mut chunk).await
    {
        let room = limit.saturating_sub(beginning.len()).min(read);
        beginning.extend_from_slice(&chunk[..room]);
    }
    *stream = None;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_without_a_terminal_leads_a_session_of_its_own() {
        let script = "cut -d ' ' -f 6 /proc/$$/stat; echo $$";
        let output = common::runtime::block_on(async {
            let mut command = Command::new("sh");
            command.args(["-c", script]).stdout(Stdio::piped());
            Captured::start_without_terminal(&mut command).unwrap().output(100).await.unwrap()
        });
        let output = String::from_utf8(output.unwrap().stdout).unwrap();
        let (session, process) = output.trim().split_once('\n').unwrap();
        assert_eq!(session, process);
    }
}
