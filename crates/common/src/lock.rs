//! One writer at a time, across processes.

use std::fs::{File, OpenOptions};
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
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent)?;
    }
    let file = OpenOptions::new().create(true).append(true).open(path)?;
    file.lock()?;
    Ok(Lock(file))
}
