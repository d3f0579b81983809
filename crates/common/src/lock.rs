//! One writer at a time, across processes.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;

/// Takes the lock at `path` and waits for it; it is free again when the file is dropped or the process dies.
///
/// Locks are held for one short write. A lock file stays behind: removing it would let two processes lock two
/// different files under one name.
pub fn exclusive(path: &Path) -> io::Result<File> {
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent)?;
    }
    let file = OpenOptions::new().create(true).append(true).open(path)?;
    file.lock()?;
    Ok(file)
}
