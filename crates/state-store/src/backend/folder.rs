//! A folder that several processes share: one file for each object, replaced in one step under a lock.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Read};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use common::fs::atomic;
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

/// The name of the lock; no key contains a dot at the beginning of a segment.
const LOCK: &str = ".lock";

/// A store in a folder.
#[derive(Debug)]
pub(crate) struct FolderBackend {
    root: PathBuf,
}

impl FolderBackend {
    pub(crate) fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    pub(crate) fn get(&self, key: &Key) -> Result<Option<Object>, StoreError> {
        let path = self.path(key);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(refused(&path, &error)),
        };
        let mut bytes = Vec::new();
        file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(|error| refused(&path, &error))?;
        let version = version(&bytes);
        Ok(Some(Object { bytes, version }))
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
        let mut pending = vec![self.root.clone()];
        while let Some(folder) = pending.pop() {
            let entries = match fs::read_dir(&folder) {
                Ok(entries) => entries,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(refused(&folder, &error)),
            };
            for entry in entries {
                let entry = entry.map_err(|error| refused(&folder, &error))?;
                if entry.file_name().to_string_lossy().starts_with('.') {
                    continue;
                }
                let path = entry.path();
                if path.is_dir() {
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
            .map_err(|error| refused(folder, &error))?;
        let _lock = lock(&folder.join(LOCK)).await?;
        let present = self.get(key)?.map(|object| object.version);
        if present.as_ref() != expected {
            return Err(StoreError::Conflict);
        }
        atomic::write(&path, bytes).map_err(|error| refused(&path, &error))?;
        Ok(version(bytes))
    }

    fn path(&self, key: &Key) -> PathBuf {
        self.root.join(key.as_str())
    }
}

async fn lock(path: &Path) -> Result<Lock, StoreError> {
    let deadline = Instant::now() + LOCK_LIMIT;
    loop {
        if let Some(lock) = lock::try_exclusive(path).map_err(|error| refused(path, &error))? {
            return Ok(lock);
        }
        if Instant::now() >= deadline {
            return Err(StoreError::Unavailable(format!("{} is locked by another process", path.display())));
        }
        sleep(LOCK_POLL).await;
    }
}

/// The content decides: a document that is written again differs from every earlier one by its sequence number.
fn version(bytes: &[u8]) -> Version {
    Version(base16(&Sha256::digest(bytes)))
}

fn base16(bytes: &[u8]) -> String {
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .filter_map(|digit| char::from_digit(digit.into(), 16))
        .collect()
}

fn refused(path: &Path, error: &io::Error) -> StoreError {
    let message = format!("{}: {error}", path.display());
    match error.kind() {
        io::ErrorKind::PermissionDenied
        | io::ErrorKind::ReadOnlyFilesystem
        | io::ErrorKind::NotADirectory => StoreError::Denied(message),
        _ => StoreError::Unavailable(message),
    }
}
