//! Starting an exporter, and waiting until none runs.

use std::io::{self, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result};
use common::fs::PrivateDir;
use common::fs::lock::Lock;

use super::job::Job;
use crate::async_lock;

/// The name of the process: its first and only argument.
pub(super) const NAME: &str = "dm-exporter";

/// The lock in the state directory.
pub(super) const LOCK: &str = "exporter.lock";

/// This program, even if its file has been replaced since it was started.
const PROGRAM: &str = "/proc/self/exe";

/// Longer than an exporter runs.
const LONGEST_EXPORT: Duration = Duration::from_secs(45);

/// Starts an exporter, unless one runs. This process does not wait for its end; process 1 does.
///
/// # Errors
/// It cannot be started.
pub(crate) fn launch(job: &Job) -> Result<()> {
    match PrivateDir::create(&job.state_dir, &[])?.try_lock(LOCK)? {
        Some(lock) => launch_with(lock, job),
        None => Ok(()),
    }
}

/// Starts an exporter that gets this lock.
///
/// # Errors
/// It cannot be started.
pub(super) fn launch_with(lock: Lock, job: &Job) -> Result<()> {
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
/// The state directory cannot be used, or the exporter has been stopped: otherwise it ends by itself.
pub async fn wait_for_exporter(state_dir: &Path) -> io::Result<()> {
    let Some(folder) = PrivateDir::open(state_dir, &[])? else { return Ok(()) };
    async_lock::acquire(&folder, LOCK, LONGEST_EXPORT).await.map(drop)
}
