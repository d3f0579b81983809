//! The private clone on this machine: a bare repository with the newest commit of the ref. It is a cache, and may be
//! thrown away at any time.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use common::fs::PrivateDir;
use common::fs::lock::Lock;
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use crate::backend::git::command::Git;
use crate::backend::git::error::GitError;
use crate::backend::git::remote;
use crate::local_folder::LocalFolder;

/// How often to try the lock.
const LOCK_POLL: Duration = Duration::from_millis(10);

/// With more files in one of its folders, a clone is made again. That is cheaper than `git gc`, because it contains one
/// commit only.
const MAX_PACK_FILES: usize = 600;
const MAX_LOOSE_FILES: usize = 40;

/// The ref in the clone: the newest commit that is known.
const KNOWN: &str = "refs/dm/known";

/// The clone, as long as this process may use it.
#[derive(Debug)]
pub(super) struct LocalClone<'a> {
    git: &'a Git,
    path: PathBuf,
    is_repaired: bool,
    _owner: Owner,
}

/// Why no other process uses the clone.
#[derive(Debug)]
enum Owner {
    Locked {
        _lock: Lock,
    },
    /// Whoever holds the lock does not respond. This clone is for one request.
    Temporary {
        _folder: TempDir,
    },
}

impl<'a> LocalClone<'a> {
    /// Opens the clone in `folder`, and makes it if necessary. Waits for another process that uses it, but not longer than
    /// `limit`.
    pub(super) async fn open(git: &'a Git, folder: &LocalFolder, limit: Duration) -> Result<Self, GitError> {
        let folder = folder.create().map_err(|error| {
            GitError::Denied(format!("cannot keep a clone of the repository on this machine: {error}"))
        })?;
        let clone = folder.path("clone");
        let lock = wait_for_lock(&folder, limit).await.map_err(|error| unusable(&clone, &error))?;
        let (path, owner) = if let Some(lock) = lock {
            // A git that outlives this process still uses the clone.
            lock.share_with_children().map_err(|error| unusable(&clone, &error))?;
            (clone, Owner::Locked { _lock: lock })
        } else {
            let temporary = TempDir::new_in(folder.path("")).map_err(|error| unusable(&clone, &error))?;
            (temporary.path().join("clone"), Owner::Temporary { _folder: temporary })
        };
        let clone = Self { git, path, is_repaired: false, _owner: owner };
        git.prepare(&clone.path).await?;
        if clone.has_grown() {
            clone.discard()?;
        }
        clone.remove_stale_locks();
        clone.make().await?;
        Ok(clone)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) async fn local(&self, arguments: &[&str]) -> Result<Vec<u8>, GitError> {
        self.git.local(&self.path, arguments).await
    }

    /// Runs a local command that prints one object id.
    pub(super) async fn id(&self, arguments: &[&str]) -> Result<String, GitError> {
        Ok(String::from_utf8_lossy(&self.local(arguments).await?).trim().to_owned())
    }

    /// Reads an object, which git fetches if the clone does not have it.
    pub(super) async fn read(&self, arguments: &[&str]) -> Result<Vec<u8>, GitError> {
        self.git.remote(&self.path, arguments).await
    }

    pub(super) fn git(&self) -> &Git {
        self.git
    }

    /// The newest commit that this machine knows.
    pub(super) async fn known(&self) -> Option<String> {
        self.id(&["rev-parse", "--verify", "--quiet", KNOWN]).await.ok()
    }

    /// Remembers a commit that was pushed.
    pub(super) async fn remember(&self, commit: &str) -> Result<(), GitError> {
        self.local(&["update-ref", KNOWN, commit]).await.map(drop)
    }

    /// Fetches the newest commit, without the content of its files if the server can leave it out; `None` if the ref does
    /// not exist.
    pub(super) async fn fetch(&self, reference: &str) -> Result<Option<String>, GitError> {
        let refspec = format!("+{reference}:{KNOWN}");
        let fetch = [
            "fetch",
            "--quiet",
            "--no-write-fetch-head",
            "--no-tags",
            "--no-recurse-submodules",
            "--depth=1",
            "--filter=blob:none",
            remote::NAME,
            &refspec,
        ];
        match self.git.remote(&self.path, &fetch).await {
            Ok(_) => self.id(&["rev-parse", "--verify", KNOWN]).await.map(Some),
            Err(GitError::NoRef) => {
                self.local(&["update-ref", "-d", KNOWN]).await?;
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// After an error that a damaged clone may have caused: makes a new clone, once. Otherwise returns the error.
    pub(super) async fn repair(&mut self, error: GitError) -> Result<(), GitError> {
        if self.is_repaired || !matches!(error, GitError::Unknown(_)) {
            return Err(error);
        }
        self.is_repaired = true;
        self.discard()?;
        self.make().await
    }

    /// Throws the clone away.
    pub(super) fn discard(&self) -> Result<(), GitError> {
        match fs::remove_dir_all(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => fs::remove_file(&self.path),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            result => result,
        }
        .map_err(|error| unusable(&self.path, &error))
    }

    /// Makes an empty clone, if there is none, in one step.
    async fn make(&self) -> Result<(), GitError> {
        if self.path.is_dir() {
            return Ok(());
        }
        self.discard()?;
        let new = self.path.with_extension("new");
        if new.exists() {
            fs::remove_dir_all(&new).map_err(|error| unusable(&new, &error))?;
        }
        let init = ["init", "--quiet", "--bare", "--template=", "--object-format=sha1"];
        self.git.local(&new, &init).await?;
        fs::rename(&new, &self.path).map_err(|error| unusable(&self.path, &error))
    }

    /// Removes locks of a git that was killed: this process has the lock, so no git that made them is left.
    fn remove_stale_locks(&self) {
        for folder in [self.path.clone(), self.path.join("refs/dm")] {
            for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
                if entry.path().extension().is_some_and(|extension| extension == "lock") {
                    // If it stays, git says so.
                    let _ = fs::remove_file(entry.path());
                }
            }
        }
    }

    fn has_grown(&self) -> bool {
        let count = |folder: &str| fs::read_dir(self.path.join(folder)).map_or(0, Iterator::count);
        count("objects/pack") > MAX_PACK_FILES || count("objects/17") > MAX_LOOSE_FILES
    }
}

/// Waits for the lock; `None` if its holder keeps it.
async fn wait_for_lock(folder: &PrivateDir, limit: Duration) -> io::Result<Option<Lock>> {
    let deadline = Instant::now() + limit;
    loop {
        let lock = folder.try_lock("lock")?;
        if lock.is_some() || Instant::now() >= deadline {
            return Ok(lock);
        }
        sleep(LOCK_POLL).await;
    }
}

fn unusable(path: &Path, error: &io::Error) -> GitError {
    GitError::Denied(format!("cannot use {}: {error}", path.display()))
}
