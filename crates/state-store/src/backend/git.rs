//! A ref in a git repository. It points to a commit whose tree contains all objects; every write is a commit, and so the
//! history of the ref is an audit trail. The compare-and-swap is `git push --force-with-lease`, by the system's git with
//! the user's credentials.

mod clone;
mod command;
mod error;
mod push;
mod remote;
#[cfg(test)]
mod tests;
mod tree;

use std::time::Duration;

use secrecy::SecretString;
use tokio::time::{Instant, sleep};

use crate::error::StoreError;
use crate::key::Key;
use crate::local_folder::LocalFolder;
use crate::object::{Object, Version};

use clone::LocalClone;
use command::Git;
use error::GitError;
use push::{Pushed, push};
use remote::Remote;
use tree::Entry;

/// How long to wait for another process of this machine, which holds the lock of the clone for one request.
const LOCK_LIMIT: Duration = Duration::from_secs(30);

/// How long a write repeats while other keys of the ref change.
const RACE_LIMIT: Duration = Duration::from_mins(1);

/// The longest wait before a write is repeated.
const MAX_BACKOFF: Duration = Duration::from_secs(1);

/// A host that rejects this many writes although the ref does not change is not in a race.
const MAX_REJECTED: u32 = 5;

/// A store in a git repository.
#[derive(Debug)]
pub(crate) struct GitBackend {
    git: Git,
    reference: String,
    folder: LocalFolder,
    lock_limit: Duration,
}

impl GitBackend {
    /// Opens the store; does not connect. `folder` is the one of this store on this machine.
    pub(crate) fn open(
        remote: &SecretString,
        reference: &str,
        folder: &LocalFolder,
    ) -> Result<Self, StoreError> {
        let git = Git::new(Remote::parse(remote)?);
        let folder = folder.join(["git"]);
        Ok(Self { git, reference: reference.to_owned(), folder, lock_limit: LOCK_LIMIT })
    }

    pub(crate) async fn get(&self, key: &Key) -> Result<Option<Object>, StoreError> {
        let mut clone = self.clone().await?;
        loop {
            match self.read(&clone, key).await {
                Ok(object) => return Ok(object),
                Err(error) => clone.repair(error).await?,
            }
        }
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

    pub(crate) async fn list(&self, prefix: &str) -> Result<Vec<Key>, StoreError> {
        let mut clone = self.clone().await?;
        let mut keys = loop {
            match self.keys(&clone).await {
                Ok(keys) => break keys,
                Err(error) => clone.repair(error).await?,
            }
        };
        keys.retain(|key| key.as_str().starts_with(prefix));
        keys.sort();
        Ok(keys)
    }

    async fn clone(&self) -> Result<LocalClone<'_>, GitError> {
        LocalClone::open(&self.git, &self.folder, self.lock_limit).await
    }

    async fn read(&self, clone: &LocalClone<'_>, key: &Key) -> Result<Option<Object>, GitError> {
        let Some(commit) = clone.fetch(&self.reference).await? else { return Ok(None) };
        let Some(entry) = Entry::find(clone, &commit, key).await? else { return Ok(None) };
        let bytes = entry.read(clone, key).await?;
        Ok(Some(Object { bytes, version: entry.version() }))
    }

    async fn keys(&self, clone: &LocalClone<'_>) -> Result<Vec<Key>, GitError> {
        match clone.fetch(&self.reference).await? {
            Some(commit) => tree::keys(clone, &commit).await,
            None => Ok(Vec::new()),
        }
    }

    async fn put(&self, key: &Key, bytes: &[u8], expected: Option<&Version>) -> Result<Version, StoreError> {
        let nonce = nonce()?;
        let mut clone = self.clone().await?;
        loop {
            match self.write(&clone, key, bytes, expected, &nonce).await {
                Ok(version) => return Ok(version),
                Err(error) => clone.repair(error).await?,
            }
        }
    }

    /// Writes onto the newest commit that is known, and again onto a newer one as long as another key has changed.
    async fn write(
        &self,
        clone: &LocalClone<'_>,
        key: &Key,
        bytes: &[u8],
        expected: Option<&Version>,
        nonce: &str,
    ) -> Result<Version, GitError> {
        let entry = Entry::store(clone, bytes, nonce).await?;
        let mut race = Race::new();
        let mut base = clone.known().await;
        let mut present = self.present(clone, base.as_deref(), key).await?;
        // What this machine knows saves a request if it fits. Otherwise the remote decides.
        let mut is_fresh = base.is_some() && present.as_ref() == expected;
        loop {
            if !is_fresh {
                base = clone.fetch(&self.reference).await?;
                present = self.present(clone, base.as_deref(), key).await?;
                // A push whose rejection was the answer to a repeated request.
                if present.as_ref() == Some(&entry.version()) {
                    return Ok(entry.version());
                }
                if present.as_ref() != expected {
                    return Err(GitError::Conflict);
                }
            }
            let commit = entry.commit(clone, base.as_deref(), key, nonce).await?;
            match push(clone, &self.reference, base.as_deref(), &commit).await {
                Ok(Pushed::Done) => {
                    // The write has taken effect. What this machine remembers only saves a request.
                    let _ = clone.remember(&commit).await;
                    return Ok(entry.version());
                }
                Ok(Pushed::Lost(reason)) => race.lost(base.as_deref(), reason).await?,
                // It may have taken effect, so it is not repeated here. The clone may be damaged.
                Err(GitError::Unknown(message)) => {
                    clone.discard()?;
                    return Err(GitError::Unavailable(message));
                }
                Err(error) => return Err(error),
            }
            is_fresh = false;
        }
    }

    async fn present(
        &self,
        clone: &LocalClone<'_>,
        commit: Option<&str>,
        key: &Key,
    ) -> Result<Option<Version>, GitError> {
        let Some(commit) = commit else { return Ok(None) };
        Ok(Entry::find(clone, commit, key).await?.map(|entry| entry.version()))
    }
}

/// The pushes of one write that were rejected.
struct Race {
    deadline: Instant,
    backoff: Duration,
    base: Option<String>,
    rejected: u32,
}

impl Race {
    fn new() -> Self {
        Self { deadline: Instant::now() + RACE_LIMIT, backoff: MAX_BACKOFF / 50, base: None, rejected: 0 }
    }

    /// Waits before another attempt. `base` is the commit onto which the rejected one was made.
    async fn lost(&mut self, base: Option<&str>, reason: String) -> Result<(), GitError> {
        self.rejected = if self.base.as_deref() == base { self.rejected + 1 } else { 1 };
        self.base = base.map(str::to_owned);
        if self.rejected >= MAX_REJECTED {
            return Err(GitError::Unavailable(format!("the host rejects every push: {reason}")));
        }
        let wait = self.backoff.mul_f64(fastrand::f64());
        self.backoff = (self.backoff * 2).min(MAX_BACKOFF);
        if Instant::now() + wait >= self.deadline {
            return Err(GitError::Unavailable(format!("too many other writers: {reason}")));
        }
        sleep(wait).await;
        Ok(())
    }
}

/// A random number that no other write has: equal commits of two writers would both seem to be pushed.
fn nonce() -> Result<String, StoreError> {
    let [high, low] = [getrandom::u64(), getrandom::u64()];
    let number = high.and_then(|high| Ok((high, low?)));
    let (high, low) =
        number.map_err(|error| StoreError::Unavailable(format!("no random numbers: {error}")))?;
    Ok(format!("{high:016x}{low:016x}"))
}
