//! File locks: one writer at a time, across processes.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::Path;

/// An acquired lock. It is released when this value is dropped or the process dies.
#[derive(Debug)]
#[must_use = "dropping this value releases the lock"]
pub struct Lock(#[expect(dead_code, reason = "kept open, not read")] File);

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
