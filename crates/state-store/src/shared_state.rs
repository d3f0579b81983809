//! Reading and changing the document of one service in one environment: compare-and-swap, with retries.

use std::path::Path;
use std::time::Duration;

use common::label::Label;
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep, timeout_at};

use crate::cache::Cache;
use crate::document::{Document, Segment};
use crate::error::StoreError;
use crate::expiry::ExpiryWatch;
use crate::key::Key;
use crate::local_folder::LocalFolder;
use crate::object::Version;
use crate::store::Store;
use crate::store_url::StoreUrl;

/// The first wait before another attempt, at most, and the longest one. The wait doubles and is random, so that a hundred
/// writers do not all come back at the same time, and leave the store time to serve each.
const FIRST_BACKOFF: Duration = Duration::from_millis(20);
const MAX_BACKOFF: Duration = Duration::from_secs(10);

/// With less time left, there is no further attempt.
const MIN_WAIT: Duration = Duration::from_millis(5);

/// How long a request may take that begins after the deadline.
const LATE_REQUEST: Duration = Duration::from_secs(10);

/// Why a request failed that took too long.
const LATE: &str = "no response in time";

/// How many segment numbers are tried. Another segment has a number only if the document was restored from a backup.
const MAX_SEGMENT_ATTEMPTS: u64 = 100;

/// The document of one service in one environment.
#[derive(Debug)]
pub struct SharedState {
    store: Store,
    environment: Label,
    service: Label,
    /// The document as it was last read or written by this machine.
    last: Option<Snapshot>,
    cache: Cache,
    /// How much longer than to its deadline a change goes on if the store responds, but other writers are faster.
    patience: Duration,
    /// What this machine has observed of the lease.
    lease_memory: Cache,
}

/// A document with its version; `None` if there is no document yet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Snapshot {
    version: Option<Version>,
    document: Document,
    /// Whether it was read from the store during the present call, and not before it.
    #[serde(skip)]
    is_fresh: bool,
}

impl SharedState {
    /// The document of `service` in `environment`, in the store at `url`. Does not connect yet. What the state directory
    /// of this machine remembers saves requests.
    ///
    /// # Errors
    /// The configuration of the store, such as its credentials, is invalid.
    pub fn open(
        url: &StoreUrl,
        state_dir: &Path,
        environment: &Label,
        service: &Label,
    ) -> Result<Self, StoreError> {
        let folder = LocalFolder::new(state_dir, url);
        Ok(Self::in_store(Store::open(url, &folder)?, &folder, environment, service))
    }

    fn in_store(store: Store, folder: &LocalFolder, environment: &Label, service: &Label) -> Self {
        let key = Key::document(environment, service);
        let cache = Cache::new(folder, &key);
        Self {
            store,
            environment: environment.clone(),
            service: service.clone(),
            last: read_cache(&cache),
            cache,
            patience: Duration::ZERO,
            lease_memory: Cache::of_lease(folder, &key),
        }
    }

    /// The same document; a change takes this much longer if the store responds, but other writers are faster.
    #[must_use]
    pub fn with_patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// The document as this machine remembers it, which may be out of date; `None` if it has never read it.
    pub fn remembered(&mut self) -> Option<&Document> {
        self.catch_up();
        self.last.as_ref().map(|last| &last.document)
    }

    /// Reads the document from the store. An empty one if there is none.
    ///
    /// # Errors
    /// The store does not respond before `deadline`, or refuses; the document is damaged.
    pub async fn read(&mut self, deadline: Instant) -> Result<&Document, StoreError> {
        let mut backoff = Backoff::until(deadline, self.patience);
        loop {
            match backoff.within(self.fetch()).await {
                Ok(()) => break,
                Err(error) => backoff.wait_after(error).await?,
            }
        }
        self.last.as_ref().map(|last| &last.document).ok_or(StoreError::Conflict)
    }

    /// Changes the document: `change` is called with its present content until a conditional write succeeds. Because the
    /// response to a write can be lost, `change` must recognise what it did before.
    ///
    /// # Errors
    /// Those of `change`, which then wrote nothing; the store does not respond before `deadline`, or refuses; the document
    /// is damaged.
    pub async fn update<T, E: From<StoreError>>(
        &mut self,
        deadline: Instant,
        change: impl FnMut(&mut Document) -> Result<T, E>,
    ) -> Result<T, E> {
        self.update_with(deadline, self.patience, change).await
    }

    /// [`SharedState::update`] with this patience.
    pub(crate) async fn update_with<T, E: From<StoreError>>(
        &mut self,
        deadline: Instant,
        patience: Duration,
        mut change: impl FnMut(&mut Document) -> Result<T, E>,
    ) -> Result<T, E> {
        self.catch_up();
        let mut backoff = Backoff::until(deadline, patience);
        loop {
            let Some(base) = self.last.clone() else {
                match backoff.within(self.fetch()).await {
                    Ok(()) => {}
                    Err(error) => backoff.wait_after(error).await?,
                }
                continue;
            };
            let mut document = base.document.clone();
            let result = change(&mut document);
            let is_changed = result.is_ok() && document != base.document;
            if !is_changed {
                if base.is_fresh {
                    return result;
                }
                // What this machine remembers may be out of date. Only the store can say that there is nothing to do.
                self.last = None;
                continue;
            }
            match backoff.within(self.write(&base, document)).await {
                Ok(()) => return result,
                Err(error) => {
                    self.last = None;
                    backoff.wait_after(error).await?;
                }
            }
        }
    }

    /// The segments that have left the document, newest first, until `enough` says so.
    ///
    /// # Errors
    /// Those of [`SharedState::read`].
    pub async fn sealed(
        &mut self,
        deadline: Instant,
        mut enough: impl FnMut(&Segment) -> bool,
    ) -> Result<(), StoreError> {
        let count = self.read(deadline).await?.sealed;
        for number in (0..count).rev() {
            let key = Key::sealed(&self.environment, &self.service, number);
            // A retention rule of the bucket may have deleted it, and with it all older ones.
            let late = |_| StoreError::Unavailable(LATE.to_owned());
            let Some(object) = timeout_at(deadline, self.store.get(&key)).await.map_err(late)?? else {
                break;
            };
            let segment = serde_json::from_slice(&object.bytes)
                .map_err(|error| StoreError::Damaged(format!("{key}: {error}")))?;
            if enough(&segment) {
                break;
            }
        }
        Ok(())
    }

    /// A watch of the lease, with what this machine has observed before.
    pub(crate) fn expiry_watch(&self) -> ExpiryWatch {
        ExpiryWatch::new(self.lease_memory.clone())
    }

    fn key(&self) -> Key {
        Key::document(&self.environment, &self.service)
    }

    /// Takes over what another tool on this machine has remembered meanwhile. None of it is certain to be the present state.
    fn catch_up(&mut self) {
        let known = self.last.as_ref().map_or(0, |last| last.document.sequence);
        if let Some(newer) = read_cache(&self.cache).filter(|cached| cached.document.sequence > known) {
            self.last = Some(newer);
        }
        if let Some(last) = &mut self.last {
            last.is_fresh = false;
        }
    }

    async fn fetch(&mut self) -> Result<(), StoreError> {
        let (document, version) = match self.store.get(&self.key()).await? {
            Some(object) => (Document::parse(&object.bytes)?, Some(object.version)),
            None => (Document::default(), None),
        };
        self.remember(Snapshot { version, document, is_fresh: true });
        Ok(())
    }

    /// Replaces `base` by `document`, which differs from it only by what a change may do.
    async fn write(&mut self, base: &Snapshot, mut document: Document) -> Result<(), StoreError> {
        document.sequence += 1;
        if let Some(segment) = base.document.sealable() {
            let bytes =
                serde_json::to_vec(&segment).map_err(|error| StoreError::Damaged(error.to_string()))?;
            let number = self.write_segment(base.document.sealed, &bytes).await?;
            document.seal(&segment, number);
        }
        let bytes = document.to_bytes()?;
        let version = match &base.version {
            Some(version) => self.store.put_if_matches(&self.key(), &bytes, version).await?,
            None => self.store.put_if_absent(&self.key(), &bytes).await?,
        };
        self.remember(Snapshot { version: Some(version), document, is_fresh: true });
        Ok(())
    }

    /// Writes a segment under the first free number from `first` on; returns the number. A writer that died between its
    /// segment and its document has written the same one.
    async fn write_segment(&self, first: u64, bytes: &[u8]) -> Result<u64, StoreError> {
        for number in first..first + MAX_SEGMENT_ATTEMPTS {
            let key = Key::sealed(&self.environment, &self.service, number);
            match self.store.put_if_absent(&key, bytes).await {
                Ok(_) => return Ok(number),
                Err(StoreError::Conflict) => {
                    if self.store.get(&key).await?.is_some_and(|present| present.bytes == bytes) {
                        return Ok(number);
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Err(StoreError::Conflict)
    }

    /// Remembers the document on this machine, for the next tool. Without that, the next tool reads it from the store.
    fn remember(&mut self, snapshot: Snapshot) {
        if let Ok(bytes) = serde_json::to_vec(&snapshot) {
            let _ = self.cache.write(&bytes);
        }
        self.last = Some(snapshot);
    }
}

fn read_cache(cache: &Cache) -> Option<Snapshot> {
    let snapshot: Snapshot = serde_json::from_slice(&cache.read()?).ok()?;
    snapshot.document.check().ok()?;
    Some(snapshot)
}

/// Waits between attempts, until a deadline.
struct Backoff {
    deadline: Instant,
    patience: Duration,
    limit: Duration,
    /// Why the last attempt failed.
    failure: Option<String>,
}

impl Backoff {
    fn until(deadline: Instant, patience: Duration) -> Self {
        Self { deadline, patience, limit: FIRST_BACKOFF, failure: None }
    }

    /// The result of a request, if it ends in time. Not every request of every store ends by itself. Otherwise the failure
    /// before it tells more.
    async fn within<T>(
        &mut self,
        request: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        // Whoever waits for other writers still makes requests after the deadline.
        let last = (Instant::now() + LATE_REQUEST).min(self.deadline + self.patience);
        let result = timeout_at(self.deadline.max(last), request).await;
        result.unwrap_or_else(|_| {
            let reason = self.failure.take().unwrap_or_else(|| LATE.to_owned());
            Err(StoreError::Unavailable(reason))
        })
    }

    /// Waits after an error that another attempt may not have; otherwise returns it.
    async fn wait_after(&mut self, error: StoreError) -> Result<(), StoreError> {
        if !matches!(error, StoreError::Conflict | StoreError::Unavailable(_)) {
            return Err(error);
        }
        if let StoreError::Unavailable(reason) = &error {
            self.failure = Some(reason.clone());
        }
        let is_conflict = matches!(error, StoreError::Conflict);
        let deadline = self.deadline + if is_conflict { self.patience } else { Duration::ZERO };
        let left = deadline.saturating_duration_since(Instant::now());
        let wait = self.limit.min(left / 2).mul_f64(fastrand::f64());
        self.limit = (self.limit * 2).min(MAX_BACKOFF);
        if left < MIN_WAIT {
            return Err(match error {
                StoreError::Conflict => StoreError::Unavailable("too many other writers".to_owned()),
                error => error,
            });
        }
        sleep(wait).await;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
