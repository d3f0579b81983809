//! File locks: one writer at a time, across processes.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::fd::AsFd as _;
use std::path::Path;

use rustix::io::{FdFlags, fcntl_setfd};

/// An acquired lock. It is released when this value is dropped or the process dies; see [`Lock::share_with_children`].
#[derive(Debug)]
#[must_use = "dropping this value releases the lock"]
pub struct Lock(File);

impl Lock {
    /// Lets the children that start from now on hold the lock too: if this process is killed, the lock is free when the
    /// last of them has ended. Dropping this value still releases it, whoever else has it open.
    ///
    /// # Errors
    /// The flags of the descriptor cannot be changed.
    pub fn share_with_children(&self) -> io::Result<()> {
        Ok(fcntl_setfd(self.0.as_fd(), FdFlags::empty())?)
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing would not release a lock that a child, such as a server that it left behind, has open as well.
        let _ = self.0.unlock();
    }
}

/// Acquires the lock at `path`; waits until it is free.
///
/// Use locks for short writes only. The lock file stays behind: if it were removed, two processes could lock two
/// different files under one name.
pub fn exclusive(path: &Path) -> io::Result<Lock> {
    let file = open(path)?;
    file.lock()?;
    Ok(Lock(file))
}

/// Acquires the lock at `path`; `None` if another process has it.
pub fn try_exclusive(path: &Path) -> io::Result<Option<Lock>> {
    let file = open(path)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(Lock(file))),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

fn open(path: &Path) -> io::Result<File> {
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent)?;
    }
    OpenOptions::new().create(true).append(true).open(path)
}
