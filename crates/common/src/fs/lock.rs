//! One writer at a time, across processes.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::Path;

/// A lock that is held; it is free again when this is dropped, or when the process dies.
#[derive(Debug)]
#[must_use = "the lock is free again when this is dropped"]
pub struct Lock(#[expect(dead_code, reason = "held, not read")] File);

/// Takes the lock at `path`, and waits for it.
///
/// Locks are held for short writes. A lock file stays behind: removing it would let two processes lock two different
/// files under one name.
pub fn exclusive(path: &Path) -> io::Result<Lock> {
    let file = open(path)?;
    file.lock()?;
    Ok(Lock(file))
}

/// Takes the lock at `path`; `None` where another process holds it.
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
