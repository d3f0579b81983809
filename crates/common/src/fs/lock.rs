//! File locks: one writer at a time, across processes.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsFd as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use nix::fcntl::OFlag;
use rustix::io::{FdFlags, fcntl_setfd};

use super::{bounded, lock_wait};

/// An acquired lock. It is released when this value is dropped or the process dies; see [`Lock::share_with_children`].
#[derive(Debug)]
#[must_use = "dropping this value releases the lock"]
pub struct Lock(Option<File>);

impl Lock {
    /// Locks `file`; waits for at most `limit`.
    pub(super) fn acquire(file: File, path: &Path, limit: Duration) -> io::Result<Self> {
        lock_wait::wait(&file, path, limit)?;
        Ok(Self(Some(file)))
    }

    /// Locks `file`; `None` if another process has the lock.
    pub(super) fn try_acquire(file: File) -> io::Result<Option<Self>> {
        Ok(lock_wait::is_acquired(&file)?.then_some(Self(Some(file))))
    }

    /// Lets the children that start from now on hold the lock too: if this process is killed, the lock is free when the
    /// last of them has ended. Dropping this value still releases it, whoever else has it open.
    ///
    /// # Errors
    /// The flags of the descriptor cannot be changed.
    pub fn share_with_children(&self) -> io::Result<()> {
        self.0.iter().try_for_each(|file| Ok(fcntl_setfd(file.as_fd(), FdFlags::empty())?))
    }

    /// Gives the lock to a child, as its stdout: the child has it then, and nobody had it in between. The child takes it with
    /// [`Lock::from_stdout`]; if the child dies, the lock is free.
    pub fn into_stdout_of_child(mut self) -> Stdio {
        self.0.take().map_or_else(Stdio::null, Stdio::from)
    }

    /// The lock that the parent has given to this process, as its stdout, to which nothing may be written.
    ///
    /// # Errors
    /// The system has no descriptor left.
    pub fn from_stdout() -> io::Result<Self> {
        Ok(Self(Some(io::stdout().as_fd().try_clone_to_owned()?.into())))
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing would not release a lock that a child, such as a server that it left behind, has open as well.
        let _ = self.0.as_ref().map(File::unlock);
    }
}

/// Acquires the lock at `path`, outside the state directory; waits for at most `limit`, and only briefly once a signal
/// asks this process to end.
///
/// Use locks for short writes only. The lock file stays behind: if it were removed, two processes could lock two
/// different files under one name. Only this user may open it: who may only read it can lock it.
///
/// # Errors
/// The lock file cannot be used, or the wait was too long. The kind is then [`io::ErrorKind::TimedOut`].
pub fn exclusive(path: &Path, limit: Duration) -> io::Result<Lock> {
    Lock::acquire(open(path)?, path, limit)
}

/// Acquires the lock at `path`, as [`exclusive`] does; `None` if another process has it.
///
/// # Errors
/// The lock file cannot be used.
pub fn try_exclusive(path: &Path) -> io::Result<Option<Lock>> {
    Lock::try_acquire(open(path)?)
}

fn open(path: &Path) -> io::Result<File> {
    let flags = (OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK).bits();
    let file = OpenOptions::new().create(true).append(true).mode(0o600).custom_flags(flags).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(bounded::not_a_file(path));
    }
    Ok(file)
}
