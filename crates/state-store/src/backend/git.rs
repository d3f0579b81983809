//! A ref in a git repository.

use std::path::Path;

use secrecy::SecretString;

use crate::error::StoreError;
use crate::key::Key;
use crate::object::{Object, Version};

/// A store in a ref of a git repository.
#[derive(Debug)]
pub(crate) struct GitBackend;

#[expect(clippy::unused_async, reason = "the other backends wait")]
impl GitBackend {
    pub(crate) fn open(_remote: &SecretString, _reference: &str, _cache: &Path) -> Result<Self, StoreError> {
        Err(not_built())
    }

    pub(crate) async fn get(&self, _key: &Key) -> Result<Option<Object>, StoreError> {
        Err(not_built())
    }

    pub(crate) async fn put_if_absent(&self, _key: &Key, _bytes: &[u8]) -> Result<Version, StoreError> {
        Err(not_built())
    }

    pub(crate) async fn put_if_matches(
        &self,
        _key: &Key,
        _bytes: &[u8],
        _version: &Version,
    ) -> Result<Version, StoreError> {
        Err(not_built())
    }

    pub(crate) async fn list(&self, _prefix: &str) -> Result<Vec<Key>, StoreError> {
        Err(not_built())
    }
}

fn not_built() -> StoreError {
    StoreError::Denied("not built".to_owned())
}
