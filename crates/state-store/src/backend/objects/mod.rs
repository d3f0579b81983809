//! A bucket or container of an object store. Its conditional writes make compare-and-swap exact.

mod configuration;
mod failure;

use std::time::Duration;

use futures_util::TryStreamExt as _;
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{
    Error, GetOptions, ObjectStore, PutMode, PutOptions, PutPayload, PutResult, UpdateVersion,
};
use url::Url;

use crate::error::StoreError;
use crate::key::Key;
use crate::object::{MAX_BYTES, Object, Version};

/// How long one request may take, with the requests for credentials before it.
const REQUEST_LIMIT: Duration = Duration::from_secs(10);

/// The most keys of a listing.
const MAX_KEYS: usize = 100_000;

/// A store in a bucket.
#[derive(Debug)]
pub(crate) struct ObjectsBackend {
    store: PrefixStore<Box<dyn ObjectStore>>,
    /// The URL, for messages; it contains no credentials.
    url: Url,
    limit: Duration,
}

impl ObjectsBackend {
    /// `variables` is the environment with the credentials. Does not connect yet.
    pub(crate) fn open(
        url: &Url,
        variables: impl Iterator<Item = (String, String)>,
    ) -> Result<Self, StoreError> {
        let prefix = Path::from_url_path(url.path()).map_err(|_| {
            StoreError::Denied(format!("{url} has an empty segment in its prefix: correct the URL"))
        })?;
        let store = configuration::build(url, variables).map_err(|error| failure::of_setup(url, &error))?;
        Ok(Self { store: PrefixStore::new(store, prefix), url: url.clone(), limit: REQUEST_LIMIT })
    }

    pub(crate) async fn get(&self, key: &Key) -> Result<Option<Object>, StoreError> {
        let path = path(key)?;
        let read = async {
            let result = self.store.get_opts(&path, GetOptions::new()).await?;
            // The length of the response; no server can send more than it has announced.
            if result.meta.size > MAX_BYTES {
                return Ok(None);
            }
            let version = (result.meta.e_tag.clone(), result.meta.version.clone());
            Ok(Some((result.bytes().await?, version)))
        };
        match self.within_limit(read).await? {
            Ok(Some((bytes, (e_tag, generation)))) => {
                Ok(Some(Object { bytes: bytes.into(), version: self.version(e_tag, generation)? }))
            }
            Ok(None) => Err(StoreError::Damaged(format!("{key} is larger than {MAX_BYTES} bytes"))),
            Err(error @ Error::NotFound { .. }) if !failure::is_missing_bucket(&error) => Ok(None),
            Err(error) => Err(failure::of_request(&self.url, &error)),
        }
    }

    pub(crate) async fn put_if_absent(&self, key: &Key, bytes: &[u8]) -> Result<Version, StoreError> {
        self.put(key, bytes, PutMode::Create).await
    }

    pub(crate) async fn put_if_matches(
        &self,
        key: &Key,
        bytes: &[u8],
        version: &Version,
    ) -> Result<Version, StoreError> {
        let version = Some(version.0.clone());
        let version = if self.has_generations() {
            UpdateVersion { e_tag: None, version }
        } else {
            UpdateVersion { e_tag: version, version: None }
        };
        self.put(key, bytes, PutMode::Update(version)).await
    }

    pub(crate) async fn list(&self, prefix: &str) -> Result<Vec<Key>, StoreError> {
        // A server lists whole segments.
        let folder = prefix.rsplit_once('/').and_then(|(folder, _)| Path::parse(folder).ok());
        let collected = async {
            let mut keys = Vec::new();
            let mut listed = self.store.list(folder.as_ref());
            while let Some(object) = listed.try_next().await? {
                if keys.len() == MAX_KEYS {
                    return Ok(None);
                }
                keys.push(Key::listed(object.location.as_ref()));
            }
            Ok(Some(keys))
        };
        let listed = self.within_limit(collected).await?;
        let keys = listed.map_err(|error| failure::of_request(&self.url, &error))?;
        let too_many = || StoreError::Damaged(format!("{} has more than {MAX_KEYS} objects", self.url));
        let mut keys = keys.ok_or_else(too_many)?;
        keys.retain(|key| key.as_str().starts_with(prefix));
        keys.sort();
        Ok(keys)
    }

    async fn put(&self, key: &Key, bytes: &[u8], mode: PutMode) -> Result<Version, StoreError> {
        let path = path(key)?;
        let payload = PutPayload::from(bytes.to_vec());
        let put = self.store.put_opts(&path, payload, PutOptions::from(mode));
        match self.within_limit(put).await? {
            Ok(PutResult { e_tag, version, .. }) => self.version(e_tag, version),
            Err(error) => Err(failure::of_request(&self.url, &error)),
        }
    }

    /// Google Cloud Storage compares generations, the others entity tags.
    fn has_generations(&self) -> bool {
        self.url.scheme() == "gs"
    }

    fn version(&self, e_tag: Option<String>, generation: Option<String>) -> Result<Version, StoreError> {
        let version = if self.has_generations() { generation } else { e_tag };
        let missing = || {
            StoreError::Denied(format!("{} returns no versions of its objects: use another store", self.url))
        };
        version.map(Version).ok_or_else(missing)
    }

    async fn within_limit<T>(
        &self,
        request: impl Future<Output = Result<T, Error>>,
    ) -> Result<Result<T, Error>, StoreError> {
        let slow = |_| StoreError::Unavailable(format!("{}: no response within {:?}", self.url, self.limit));
        tokio::time::timeout(self.limit, request).await.map_err(slow)
    }
}

/// Unlike [`Path::from`], this does not encode the `%` of a key again.
fn path(key: &Key) -> Result<Path, StoreError> {
    Path::parse(key.as_str()).map_err(|error| StoreError::Damaged(error.to_string()))
}
