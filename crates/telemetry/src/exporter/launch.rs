//! Starting an exporter, and waiting until none runs.

use std::io::{self, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result};
use common::fs::PrivateDir;
use tokio::time::sleep;

use super::job::Job;
use super::{LOCK, NAME};

/// This program, even if its file has been replaced since it was started.
const PROGRAM: &str = "/proc/self/exe";

/// The time between two looks at the lock.
const PAUSE: Duration = Duration::from_millis(5);

/// Starts an exporter, unless one runs. It is not waited for.
///
/// # Errors
/// It cannot be started.
#[expect(clippy::zombie_processes, reason = "it outlives this process, and process 1 waits for it")]
pub(crate) fn launch(job: &Job) -> Result<()> {
    let Some(lock) = PrivateDir::create(&job.state_dir, &[])?.try_lock(LOCK)? else { return Ok(()) };
    let text = job.to_text()?;
    let mut command = Command::new(PROGRAM);
    command.arg0(NAME).stdin(Stdio::piped()).stdout(lock.into_stdout_of_child()).stderr(Stdio::null());
    let mut exporter = command.spawn().context("cannot start the exporter")?;
    let mut stdin = exporter.stdin.take().context("cannot start the exporter")?;
    Ok(stdin.write_all(&text)?)
}

/// Waits until no exporter runs for this state directory.
///
/// # Errors
/// The state directory cannot be used.
pub async fn wait_for_exporter(state_dir: &Path) -> io::Result<()> {
    let Some(folder) = PrivateDir::open(state_dir, &[])? else { return Ok(()) };
    while folder.try_lock(LOCK)?.is_none() {
        sleep(PAUSE).await;
    }
    Ok(())
}
