//! A store: bytes with versions. The backends behind it are private.

use std::path::Path;

use crate::error::StoreError;
use crate::key::Key;
use crate::store_url::StoreUrl;

/// The version of an object, as its backend names it. Only equality means something.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Version(pub(crate) String);

/// An object as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// The content; at most 8 MiB.
    pub bytes: Vec<u8>,
    /// The version that a conditional write needs.
    pub version: Version,
}

/// An opened store.
#[derive(Debug)]
pub struct Store {}

impl Store {
    /// Opens the store at `url`. Does not connect yet. `cache` is a private folder that the git backend keeps its clone in.
    ///
    /// # Errors
    /// The configuration of the backend, such as its credentials, is invalid.
    pub fn open(_url: &StoreUrl, _cache: &Path) -> Result<Self, StoreError> {
        todo!()
    }

    /// The object; `None` if there is none.
    ///
    /// # Errors
    /// The store does not respond or refuses, or the object is larger than 8 MiB.
    pub async fn get(&self, _key: &Key) -> Result<Option<Object>, StoreError> {
        todo!()
    }

    /// Creates the object, unless it exists.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if it exists; otherwise the store does not respond or refuses.
    pub async fn put_if_absent(&self, _key: &Key, _bytes: &[u8]) -> Result<Version, StoreError> {
        todo!()
    }

    /// Replaces the object if it still has this version.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if it has another version or is gone; otherwise the store does not respond or refuses.
    pub async fn put_if_matches(
        &self,
        _key: &Key,
        _bytes: &[u8],
        _version: &Version,
    ) -> Result<Version, StoreError> {
        todo!()
    }

    /// The keys below `prefix`, sorted. A listing may miss what was written a moment ago: nothing may depend on that.
    ///
    /// # Errors
    /// The store does not respond or refuses.
    pub async fn list(&self, _prefix: &str) -> Result<Vec<Key>, StoreError> {
        todo!()
    }
}
