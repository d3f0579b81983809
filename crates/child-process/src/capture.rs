//! A child whose output is captured: in a group of its own, without input, ended with all that it started.

use std::io;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, ChildStderr, ChildStdout, Command};
use tokio::time::{Instant, sleep, timeout};

use super::DESCENDANT_POLL;

/// How long the pipes are read after the child's end: a grandchild in the background may keep them open for ever.
const AFTERWARDS: Duration = Duration::from_millis(100);

/// The time between TERM and KILL.
const KILL_AFTER: Duration = Duration::from_secs(1);

/// A child that runs; on a tokio runtime only. Dropped before its end, it is killed with all that it started.
#[derive(Debug)]
pub struct Captured {
    child: Child,
    stdout: Option<ChildStdout>,
    stderr: Option<ChildStderr>,
    /// `None` once the child is reaped: then the number may be somebody else's.
    group: Option<Pid>,
}

/// What came of it.
#[derive(Debug)]
pub struct Output {
    /// How it ended.
    pub status: ExitStatus,
    /// The beginning of its output; empty where that was not piped.
    pub stdout: Vec<u8>,
    /// The beginning of its errors; empty where those were not piped.
    pub stderr: Vec<u8>,
}

impl Captured {
    /// Starts it. Of its streams, those that are to be captured are `Stdio::piped()`.
    pub fn start(command: &mut Command) -> io::Result<Self> {
        let mut child = command.stdin(Stdio::null()).process_group(0).spawn()?;
        let group = child.id().map(|id| Pid::from_raw(id.cast_signed()));
        Ok(Self { stdout: child.stdout.take(), stderr: child.stderr.take(), child, group })
    }

    /// Waits for its end. At most `kept` bytes of each stream are kept; the rest is read, so that it never waits for
    /// us, and dropped.
    pub async fn output(&mut self, kept: usize) -> io::Result<Output> {
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        let mut read_both = async || {
            tokio::join!(read(&mut self.stdout, &mut stdout, kept), read(&mut self.stderr, &mut stderr, kept))
        };
        let status = tokio::select! {
            status = self.child.wait() => status,
            _ = read_both() => self.child.wait().await,
        };
        self.group = None;
        // Whether all was read or not: it has ended, and that is what counts.
        let _ = timeout(AFTERWARDS, read_both()).await;
        Ok(Output { status: status?, stdout, stderr })
    }

    /// TERM to the group, then KILL to those that are left. No grandchild survives.
    pub async fn end(&mut self) {
        let Some(group) = self.group else { return };
        let deadline = Instant::now() + KILL_AFTER;
        // Those that have ended just now need no telling.
        let _ = killpg(group, Signal::SIGTERM);
        // A stopped process handles TERM only once it goes on.
        let _ = killpg(group, Signal::SIGCONT);
        let _ = timeout(KILL_AFTER, self.child.wait()).await;
        while killpg(group, None).is_ok() && Instant::now() < deadline {
            sleep(DESCENDANT_POLL).await;
        }
        let _ = killpg(group, Signal::SIGKILL);
        let _ = self.child.wait().await;
        self.group = None;
    }
}

impl Drop for Captured {
    fn drop(&mut self) {
        if let Some(group) = self.group {
            let _ = killpg(group, Signal::SIGKILL);
        }
    }
}

/// Reads a stream to its end, where it has not ended, and keeps its beginning.
async fn read(stream: &mut Option<impl AsyncRead + Unpin>, beginning: &mut Vec<u8>, kept: usize) {
    // On the heap: a future is moved about, and should be small.
    let mut chunk = vec![0; 4096];
    // A pipe that cannot be read is over.
    while let Some(pipe) = stream
        && let Ok(read @ 1..) = pipe.read(&mut chunk).await
    {
        let room = kept.saturating_sub(beginning.len()).min(read);
        beginning.extend_from_slice(&chunk[..room]);
    }
    *stream = None;
}
