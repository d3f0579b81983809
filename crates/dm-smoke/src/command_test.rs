//! One command: spawned in a group of its own, heard out, and ended with all that it started when its time is up.

use std::ffi::OsStr;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::pin::pin;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use common::duration;
use common::event::Reason;
use common::process::explain;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};

use crate::assertion::CommandObserved;
use crate::excerpt::Secrets;
use crate::outcome::Failure;
use crate::suite::CommandTest;
use crate::template::Values;

/// So much of each stream is kept; the rest is read, so that the command never waits for us, and dropped.
const KEPT: usize = 64 * 1024;

/// How long the pipes are heard after the command's end: a grandchild in the background may keep them open for ever.
const AFTERWARDS: Duration = Duration::from_millis(100);

/// The time between TERM and KILL.
const KILL_AFTER: Duration = Duration::from_secs(1);

/// Between two looks at a group that is told to end: nothing reports the end of a grandchild.
const GROUP_POLL: Duration = Duration::from_millis(10);

/// Runs the command and compares. `None` when it was `stopped`.
pub async fn run(
    test: &CommandTest,
    limit: Duration,
    secrets: &Secrets,
    env: &[(&'static str, String)],
    values: &Values,
    stopped: impl Future<Output = ()>,
) -> Option<Result<(), Failure>> {
    let told = carry_out(test, limit, secrets, env, values, stopped).await?;
    Some(told.map_err(|failure| failure.of(&test.program)))
}

async fn carry_out(
    test: &CommandTest,
    limit: Duration,
    secrets: &Secrets,
    env: &[(&'static str, String)],
    values: &Values,
    stopped: impl Future<Output = ()>,
) -> Option<Result<(), Failure>> {
    let mut running = match Running::start(test, env, values) {
        Ok(running) => running,
        Err(error) => {
            let error = explain(OsStr::new(&test.program), &error);
            return Some(Err(Failure::error(error.reason, error.message)));
        }
    };
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let streams = (running.child.stdout.take(), running.child.stderr.take());
    let status = {
        let mut hearing = pin!(async {
            tokio::join!(hear(streams.0, &mut stdout), hear(streams.1, &mut stderr));
        });
        let mut heard = false;
        let mut stopped = pin!(stopped);
        let mut too_late = pin!(sleep(limit));
        let status = loop {
            tokio::select! {
                status = running.child.wait() => break status,
                () = &mut hearing, if !heard => heard = true,
                () = &mut too_late => {
                    running.end().await;
                    let message = format!("did not end within {}", duration::show(limit));
                    return Some(Err(Failure::error(Reason::Timeout, message)));
                }
                () = &mut stopped => {
                    running.end().await;
                    return None;
                }
            }
        };
        running.group = None;
        if !heard {
            // Whether all was heard or not: the command has ended, and that is what is judged.
            let _ = timeout(AFTERWARDS, hearing).await;
        }
        status
    };
    Some(judge(test, status, stdout, stderr, secrets))
}

fn judge(
    test: &CommandTest,
    status: io::Result<ExitStatus>,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    secrets: &Secrets,
) -> Result<(), Failure> {
    let status = status.map_err(|error| Failure::error(Reason::Other, format!("cannot wait: {error}")))?;
    let observed = CommandObserved { exit: status.code(), signal: status.signal(), stdout, stderr };
    test.expected.check(&observed).map_err(|mismatch| Failure::unmet(&mismatch, secrets))
}

/// Reads a stream to its end and keeps its beginning.
async fn hear(stream: Option<impl AsyncRead + Unpin>, kept: &mut Vec<u8>) {
    let Some(mut stream) = stream else { return };
    let mut chunk = [0_u8; 4096];
    // A pipe that cannot be read is over.
    while let Ok(read @ 1..) = stream.read(&mut chunk).await {
        let room = KEPT - kept.len();
        kept.extend_from_slice(&chunk[..read.min(room)]);
    }
}

/// A command that runs. Dropped before its end, it is killed with all that it started.
struct Running {
    child: Child,
    /// `None` once the child is reaped: then the number may be somebody else's.
    group: Option<Pid>,
}

impl Running {
    fn start(test: &CommandTest, env: &[(&'static str, String)], values: &Values) -> io::Result<Self> {
        let child = Command::new(&test.program)
            .args(&test.args)
            .envs(env.iter().map(|(name, value)| (name, value)))
            .envs(test.env.iter().map(|(name, value)| (name, value.plain(values))))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()?;
        let group = child.id().map(|id| Pid::from_raw(id.cast_signed()));
        Ok(Self { child, group })
    }

    /// TERM to the group, then KILL to those that are left. No grandchild survives.
    async fn end(&mut self) {
        let Some(group) = self.group else { return };
        let deadline = Instant::now() + KILL_AFTER;
        // Those that have ended just now need no telling.
        let _ = killpg(group, Signal::SIGTERM);
        // A stopped process handles TERM only once it goes on.
        let _ = killpg(group, Signal::SIGCONT);
        let _ = timeout(KILL_AFTER, self.child.wait()).await;
        while killpg(group, None).is_ok() && Instant::now() < deadline {
            sleep(GROUP_POLL).await;
        }
        let _ = killpg(group, Signal::SIGKILL);
        let _ = self.child.wait().await;
        self.group = None;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(group) = self.group {
            let _ = killpg(group, Signal::SIGKILL);
        }
    }
}
