//! A store: bytes with versions. The backends behind it are private.

use common::env;

use crate::backend::folder::FolderBackend;
use crate::backend::git::GitBackend;
use crate::backend::objects::ObjectsBackend;
use crate::error::StoreError;
use crate::key::Key;
use crate::local_folder::LocalFolder;
use crate::object::{MAX_BYTES, Object, Version};
use crate::store_url::StoreUrl;

/// An opened store.
#[derive(Debug)]
pub struct Store(Backend);

#[derive(Debug)]
enum Backend {
    Folder(FolderBackend),
    Objects(ObjectsBackend),
    Git(Box<GitBackend>),
}

impl Store {
    /// Opens the store at `url`. Does not connect yet. The clone of a git store is in `folder`.
    ///
    /// # Errors
    /// The configuration of the backend, such as its credentials, is invalid.
    pub(crate) fn open(url: &StoreUrl, folder: &LocalFolder) -> Result<Self, StoreError> {
        Self::open_with(url, folder, env::all())
    }

    /// Like [`Store::open`], with these environment variables.
    pub(crate) fn open_with(
        url: &StoreUrl,
        folder: &LocalFolder,
        variables: impl Iterator<Item = (String, String)>,
    ) -> Result<Self, StoreError> {
        Ok(Self(match url {
            StoreUrl::Folder(folder) => Backend::Folder(FolderBackend::open(folder)),
            StoreUrl::Objects(url) => Backend::Objects(ObjectsBackend::open(url, variables)?),
            StoreUrl::Git { remote, reference } => {
                Backend::Git(Box::new(GitBackend::open(remote, reference, folder)?))
            }
        }))
    }

    /// The object; `None` if there is none.
    ///
    /// # Errors
    /// The store does not respond or refuses, or the object is larger than 8 MiB.
    pub async fn get(&self, key: &Key) -> Result<Option<Object>, StoreError> {
        let object = match &self.0 {
            Backend::Folder(backend) => backend.get(key),
            Backend::Objects(backend) => backend.get(key).await,
            Backend::Git(backend) => backend.get(key).await,
        }?;
        match object {
            Some(object) if object.bytes.len() as u64 > MAX_BYTES => {
                Err(StoreError::Damaged(format!("{key} is larger than {MAX_BYTES} bytes")))
            }
            object => Ok(object),
        }
    }

    /// Creates the object, unless it exists.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if it exists; otherwise the store does not respond or refuses.
    pub async fn put_if_absent(&self, key: &Key, bytes: &[u8]) -> Result<Version, StoreError> {
        check_size(key, bytes)?;
        match &self.0 {
            Backend::Folder(backend) => backend.put_if_absent(key, bytes).await,
            Backend::Objects(backend) => backend.put_if_absent(key, bytes).await,
            Backend::Git(backend) => backend.put_if_absent(key, bytes).await,
        }
    }

    /// Replaces the object if it still has this version.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if it has another version or is gone; otherwise the store does not respond or refuses.
    pub async fn put_if_matches(
        &self,
        key: &Key,
        bytes: &[u8],
        version: &Version,
    ) -> Result<Version, StoreError> {
        check_size(key, bytes)?;
        match &self.0 {
            Backend::Folder(backend) => backend.put_if_matches(key, bytes, version).await,
            Backend::Objects(backend) => backend.put_if_matches(key, bytes, version).await,
            Backend::Git(backend) => backend.put_if_matches(key, bytes, version).await,
        }
    }

    /// The keys below `prefix`, sorted. A listing may miss what was written a moment ago: nothing may depend on that.
    ///
    /// # Errors
    /// The store does not respond or refuses.
    pub async fn list(&self, prefix: &str) -> Result<Vec<Key>, StoreError> {
        match &self.0 {
            Backend::Folder(backend) => backend.list(prefix),
            Backend::Objects(backend) => backend.list(prefix).await,
            Backend::Git(backend) => backend.list(prefix).await,
        }
    }
}

/// What is larger could not be read again.
fn check_size(key: &Key, bytes: &[u8]) -> Result<(), StoreError> {
    let size = bytes.len() as u64;
    if size <= MAX_BYTES {
        return Ok(());
    }
    Err(StoreError::TooLarge(format!(
        "{key} would have {size} bytes, and at most {MAX_BYTES} can be read again, so nothing was written: use fewer and \
         shorter names of stages and deployments"
    )))
}
