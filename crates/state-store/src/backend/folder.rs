//! A folder that several processes share: one file for each object, replaced in one step under a lock.

use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use common::fs::PrivateDir;
use common::fs::lock::Lock;
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

/// A store in a folder, to which nobody else may write: the entries decide what is deployed.
#[derive(Debug)]
pub(crate) struct FolderBackend {
    root: PathBuf,
}

/// The folder of one object, and its name.
struct Place {
    folder: PrivateDir,
    name: String,
}

impl FolderBackend {
    pub(crate) fn open(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    pub(crate) fn get(&self, key: &Key) -> Result<Option<Object>, StoreError> {
        let (folders, name) = parts(key);
        let opened = PrivateDir::open(&self.root, &folders).map_err(|error| self.failed(key, &error))?;
        let place = opened.map(|folder| Place { folder, name });
        place.map_or(Ok(None), |place| place.get())
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
        let folder = prefix.rsplit_once('/').map_or("", |(folder, _)| folder);
        let mut pending: Vec<Vec<String>> = vec![folder.split_terminator('/').map(str::to_owned).collect()];
        while let Some(folders) = pending.pop() {
            let path: Vec<&str> = folders.iter().map(String::as_str).collect();
            let failed = |error: &io::Error| failed(&self.root.join(path.join("/")), error);
            let Some(folder) = PrivateDir::open(&self.root, &path).map_err(|error| failed(&error))? else {
                continue;
            };
            for name in folder.names().map_err(|error| failed(&error))? {
                if name.starts_with('.') {
                    continue;
                }
                let below = [&folders[..], &[name]].concat();
                if folder.path(&below[folders.len()]).is_dir() {
                    pending.push(below);
                } else {
                    keys.push(Key::listed(&below.join("/")));
                }
            }
        }
        keys.retain(|key| key.as_str().starts_with(prefix));
        keys.sort();
        Ok(keys)
    }

    /// Replaces the object if it has the expected version; `None` stands for an object that does not exist.
    async fn put(&self, key: &Key, bytes: &[u8], expected: Option<&Version>) -> Result<Version, StoreError> {
        let (folders, name) = parts(key);
        let folder = PrivateDir::create(&self.root, &folders).map_err(|error| self.failed(key, &error))?;
        let place = Place { folder, name };
        let _lock = place.lock().await?;
        let present = place.get()?.map(|object| object.version);
        if present.as_ref() != expected {
            return Err(StoreError::Conflict);
        }
        // A new object needs no counter, unless there was one of its name before.
        let mut counter = place.counter()?.unwrap_or(0);
        if expected.is_some() || counter > 0 {
            counter = counter.saturating_add(1);
            place.replace(&place.counter_name(), counter.to_string().as_bytes())?;
        }
        place.replace(&place.name, bytes)?;
        Ok(version(counter, bytes))
    }

    fn failed(&self, key: &Key, error: &io::Error) -> StoreError {
        failed(&self.root.join(key.as_str()), error)
    }
}

impl Place {
    fn get(&self) -> Result<Option<Object>, StoreError> {
        // The counter first: with a write in between, the version is one that never existed, and only costs its user
        // another reading.
        let counter = self.counter()?.unwrap_or(0);
        let bytes = match self.folder.read(&self.name, MAX_BYTES) {
            Err(error) if error.kind() == io::ErrorKind::FileTooLarge => {
                return Err(StoreError::Damaged(error.to_string()));
            }
            read => read.map_err(|error| self.failed(&self.name, &error))?,
        };
        Ok(bytes.map(|bytes| Object { version: version(counter, &bytes), bytes }))
    }

    async fn lock(&self) -> Result<Lock, StoreError> {
        let deadline = Instant::now() + LOCK_LIMIT;
        loop {
            if let Some(lock) = self.folder.try_lock(LOCK).map_err(|error| self.failed(LOCK, &error))? {
                return Ok(lock);
            }
            if Instant::now() >= deadline {
                let path = self.folder.path(LOCK);
                return Err(StoreError::Unavailable(format!(
                    "{} is locked by another process",
                    path.display()
                )));
            }
            sleep(LOCK_POLL).await;
        }
    }

    /// The file with the number of writes to the object, increased before each of them.
    fn counter_name(&self) -> String {
        format!(".{}.writes", self.name)
    }

    fn counter(&self) -> Result<Option<u64>, StoreError> {
        let name = self.counter_name();
        let damaged = || {
            StoreError::Damaged(format!(
                "{} is not a number: write a number into it that is larger than the `sequence` of the document",
                self.folder.path(&name).display()
            ))
        };
        let bytes = match self.folder.read(&name, MAX_COUNTER) {
            Err(error) if error.kind() == io::ErrorKind::FileTooLarge => return Err(damaged()),
            read => read.map_err(|error| self.failed(&name, &error))?,
        };
        let Some(bytes) = bytes else { return Ok(None) };
        let counter = str::from_utf8(&bytes).ok().and_then(|text| text.parse().ok());
        counter.map(Some).ok_or_else(damaged)
    }

    /// Replaces a file in one step, durably and readable for its owner only. The name of the draft is fixed: the lock is
    /// held, and writers that were killed leave one file and not many.
    fn replace(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        let draft = format!(".{name}.tmp");
        let write = || {
            if self.folder.has(&draft)? {
                self.folder.remove(&draft)?;
            }
            self.folder.create_file(&draft, bytes)?.sync_all()?;
            self.folder.rename(&draft, name)?;
            self.folder.sync()
        };
        write().map_err(|error| self.failed(name, &error))
    }

    fn failed(&self, name: &str, error: &io::Error) -> StoreError {
        failed(&self.folder.path(name), error)
    }
}

/// The folders of a key, and its last segment.
fn parts(key: &Key) -> (Vec<&str>, String) {
    let (folders, name) = key.as_str().rsplit_once('/').unwrap_or(("", key.as_str()));
    (folders.split_terminator('/').collect(), name.to_owned())
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

fn failed(path: &Path, error: &io::Error) -> StoreError {
    if error.kind() == io::ErrorKind::PermissionDenied && error.raw_os_error().is_none() {
        // Not the system's refusal but ours, which says what to do.
        return StoreError::Denied(error.to_string());
    }
    let message = format!("{}: {error}", path.display());
    match error.kind() {
        io::ErrorKind::PermissionDenied
        | io::ErrorKind::ReadOnlyFilesystem
        | io::ErrorKind::IsADirectory
        | io::ErrorKind::AlreadyExists
        | io::ErrorKind::InvalidInput
        | io::ErrorKind::NotADirectory => StoreError::Denied(format!(
            "{message}: let the store's URL name a folder that this user may read and write"
        )),
        _ => StoreError::Unavailable(message),
    }
}
