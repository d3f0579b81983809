//! A folder that several processes share: one file for each object, replaced in one step under a lock.

use std::fmt::Write as _;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write as _};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use common::fs::lock::{self, Lock};
use sha2::{Digest, Sha256};
use tokio::time::{Instant, sleep};

use crate::error::StoreError;
use crate::key::Key;
use crate::object::{MAX_BYTES, Object, Version};

/// How long to wait for another writer, which holds the lock for milliseconds.
const LOCK_LIMIT: Duration = Duration::from_secs(10);

/// How often to try the lock.
const LOCK_POLL: Duration = Duration::from_millis(5);

/// The name of the lock of a folder; no key contains a dot at the beginning of a segment.
const LOCK: &str = ".lock";

/// The most digits of a counter that are read.
const MAX_COUNTER: u64 = 20;

/// A store in a folder.
#[derive(Debug)]
pub(crate) struct FolderBackend {
    root: PathBuf,
}

impl FolderBackend {
    pub(crate) fn open(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    pub(crate) fn get(&self, key: &Key) -> Result<Option<Object>, StoreError> {
        let path = self.path(key);
        // The counter first: with a write in between, the version is one that never existed, and only costs its user
        // another reading.
        let counter = read_counter(&path)?.unwrap_or(0);
        let bytes = read(&path, MAX_BYTES)?;
        Ok(bytes.map(|bytes| Object { version: version(counter, &bytes), bytes }))
    }

    pub(crate) async fn put_if_absent(&self, key: &Key, bytes: &[u8]) -> Result<Version, StoreError> {
        self.put(key, bytes, None).await
    }

    pub(crate) async fn put_if_matches(
        &self,
        key: &Key,
        bytes: &[u8],
        version: &Version,
    ) -> Result<Version, StoreError> {
        self.put(key, bytes, Some(version)).await
    }

    pub(crate) fn list(&self, prefix: &str) -> Result<Vec<Key>, StoreError> {
        let mut keys = Vec::new();
        let folder = prefix.rsplit_once('/').map_or(self.root.clone(), |(folder, _)| self.root.join(folder));
        let mut pending = vec![folder];
        while let Some(folder) = pending.pop() {
            let entries = match fs::read_dir(&folder) {
                Ok(entries) => entries,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(failed(&folder, &error)),
            };
            for entry in entries {
                let entry = entry.map_err(|error| failed(&folder, &error))?;
                if entry.file_name().to_string_lossy().starts_with('.') {
                    continue;
                }
                let path = entry.path();
                if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                    pending.push(path);
                } else if let Ok(key) = path.strip_prefix(&self.root) {
                    keys.push(Key::listed(&key.to_string_lossy()));
                }
            }
        }
        keys.retain(|key| key.as_str().starts_with(prefix));
        keys.sort();
        Ok(keys)
    }

    /// Replaces the object if it has the expected version; `None` stands for an object that does not exist.
    async fn put(&self, key: &Key, bytes: &[u8], expected: Option<&Version>) -> Result<Version, StoreError> {
        let path = self.path(key);
        let folder = path.parent().unwrap_or(&self.root);
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(|error| failed(folder, &error))?;
        let _lock = lock(&folder.join(LOCK)).await?;
        let present = self.get(key)?.map(|object| object.version);
        if present.as_ref() != expected {
            return Err(StoreError::Conflict);
        }
        // A new object needs no counter, unless there was one of its name before.
        let mut counter = read_counter(&path)?.unwrap_or(0);
        if expected.is_some() || counter > 0 {
            counter += 1;
            replace(&counter_path(&path), counter.to_string().as_bytes())?;
        }
        replace(&path, bytes)?;
        Ok(version(counter, bytes))
    }

    fn path(&self, key: &Key) -> PathBuf {
        self.root.join(key.as_str())
    }
}

async fn lock(path: &Path) -> Result<Lock, StoreError> {
    let deadline = Instant::now() + LOCK_LIMIT;
    loop {
        if let Some(lock) = lock::try_exclusive(path).map_err(|error| failed(path, &error))? {
            return Ok(lock);
        }
        if Instant::now() >= deadline {
            return Err(StoreError::Unavailable(format!("{} is locked by another process", path.display())));
        }
        sleep(LOCK_POLL).await;
    }
}

/// The number of writes and the content. The content alone would not do: it may be what it was two writes ago. The
/// number alone would not do: a writer that is killed has increased it, and may have written or not.
fn version(counter: u64, bytes: &[u8]) -> Version {
    let mut version = format!("{counter}-");
    for byte in Sha256::digest(bytes) {
        let _ = write!(version, "{byte:02x}");
    }
    Version(version)
}

/// The file with the number of writes to the object at `path`, increased before each of them.
fn counter_path(path: &Path) -> PathBuf {
    hidden(path, "writes")
}

/// A file next to `path` that is no object.
fn hidden(path: &Path, extension: &str) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.{extension}"))
}

fn read_counter(path: &Path) -> Result<Option<u64>, StoreError> {
    let path = counter_path(path);
    let Some(bytes) = read(&path, MAX_COUNTER)? else { return Ok(None) };
    let counter = str::from_utf8(&bytes).ok().and_then(|text| text.parse().ok());
    let damaged = || {
        StoreError::Damaged(format!(
            "{} is not a number: write a number into it that is larger than the `sequence` of the document",
            path.display()
        ))
    };
    counter.map(Some).ok_or_else(damaged)
}

/// Reads one byte more than `limit` at most.
fn read(path: &Path, limit: u64) -> Result<Option<Vec<u8>>, StoreError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(path, &error)),
    };
    let mut bytes = Vec::new();
    file.take(limit + 1).read_to_end(&mut bytes).map_err(|error| failed(path, &error))?;
    Ok(Some(bytes))
}

/// Replaces a file in one step, durably and readable for its owner only. The name of the temporary file is fixed: the
/// lock is held, and writers that were killed leave one file and not many.
fn replace(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    let temporary = hidden(path, "tmp");
    let write = || {
        let mut file =
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, path)?;
        path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
    };
    write().map_err(|error| failed(path, &error))
}

fn failed(path: &Path, error: &io::Error) -> StoreError {
    let message = format!("{}: {error}", path.display());
    match error.kind() {
        io::ErrorKind::PermissionDenied
        | io::ErrorKind::ReadOnlyFilesystem
        | io::ErrorKind::IsADirectory
        | io::ErrorKind::AlreadyExists
        | io::ErrorKind::NotADirectory => StoreError::Denied(format!(
            "{message}: let the store's URL name a folder that this user may read and write"
        )),
        _ => StoreError::Unavailable(message),
    }
}
