//! The tree of a commit. A key is the path of its object. Beside it, `.versions/KEY` contains a random number, which every
//! write replaces: an object that gets an earlier content again still has another version.

use std::io::Write;

use tempfile::NamedTempFile;

use crate::backend::git::clone::LocalClone;
use crate::backend::git::error::GitError;
use crate::key::Key;
use crate::object::{MAX_BYTES, Version};

/// The folder of the random numbers. No key contains a dot at the beginning of a segment.
pub(super) const VERSIONS: &str = ".versions/";

/// The object ids of one key.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Entry {
    content: String,
    /// Empty if a person has written the object.
    number: String,
}

impl Entry {
    /// The version: equal content and equal random number.
    pub(super) fn version(&self) -> Version {
        Version(format!("{}.{}", self.content, self.number))
    }

    /// Stores the content and a new random number in the clone.
    pub(super) async fn store(clone: &LocalClone<'_>, bytes: &[u8], nonce: &str) -> Result<Self, GitError> {
        let content = file(clone, bytes)?;
        let number = file(clone, nonce.as_bytes())?;
        let paths = [&content, &number].map(|file| file.path().to_string_lossy().into_owned());
        let [content, number] = &paths;
        let ids = clone.id(&["hash-object", "-w", "--no-filters", "--", content, number]).await?;
        match ids.split_once('\n') {
            Some((content, number)) => Ok(Self { content: content.to_owned(), number: number.to_owned() }),
            None => Err(GitError::Unknown("git hash-object printed no two ids".to_owned())),
        }
    }

    /// The entry of `key` in a commit.
    pub(super) async fn find(
        clone: &LocalClone<'_>,
        commit: &str,
        key: &Key,
    ) -> Result<Option<Self>, GitError> {
        let versions = format!("{VERSIONS}{key}");
        let output = clone.local(&["ls-tree", "-z", commit, "--", key.as_str(), &versions]).await?;
        let text = String::from_utf8_lossy(&output);
        let id_of = |path: &str| {
            let lines = text.split_terminator('\0').filter_map(|line| line.split_once('\t'));
            let blob =
                lines.filter(|(_, name)| *name == path).find_map(|(meta, _)| meta.split_once(" blob "));
            blob.map(|(_, id)| id.to_owned())
        };
        Ok(id_of(key.as_str()).map(|content| Self { content, number: id_of(&versions).unwrap_or_default() }))
    }

    /// Reads the content.
    pub(super) async fn read(&self, clone: &LocalClone<'_>, key: &Key) -> Result<Vec<u8>, GitError> {
        // The size first: what is read must be all of it.
        let size = clone.read(&["cat-file", "-s", &self.content]).await?;
        let size = String::from_utf8_lossy(&size).trim().parse::<u64>().unwrap_or(u64::MAX);
        if size > MAX_BYTES {
            return Err(GitError::Damaged(format!("{key} is larger than {MAX_BYTES} bytes")));
        }
        let bytes = clone.read(&["cat-file", "blob", &self.content]).await?;
        if bytes.len() as u64 == size {
            Ok(bytes)
        } else {
            Err(GitError::Unknown(format!("{key} was not read in full")))
        }
    }

    /// Makes a commit after `parent` in which `key` has this entry.
    pub(super) async fn commit(
        &self,
        clone: &LocalClone<'_>,
        parent: Option<&str>,
        key: &Key,
        nonce: &str,
    ) -> Result<String, GitError> {
        clone.local(&["read-tree", parent.unwrap_or("--empty")]).await?;
        let content = format!("100644,{},{key}", self.content);
        let number = format!("100644,{},{VERSIONS}{key}", self.number);
        clone.local(&["update-index", "--add", "--cacheinfo", &content, "--cacheinfo", &number]).await?;
        // The clone does not have the content of every other object.
        let tree = clone.id(&["write-tree", "--missing-ok"]).await?;
        let message = format!("{key}\n\nNonce: {nonce}");
        let mut commit = vec!["commit-tree", &tree, "-m", &message];
        if let Some(parent) = parent {
            commit.extend(["-p", parent]);
        }
        clone.id(&commit).await
    }
}

/// All keys of a commit.
pub(super) async fn keys(clone: &LocalClone<'_>, commit: &str) -> Result<Vec<Key>, GitError> {
    let output = clone.local(&["ls-tree", "-r", "-z", "--name-only", commit]).await?;
    let text = String::from_utf8_lossy(&output);
    if !text.is_empty() && !text.ends_with('\0') {
        return Err(GitError::Damaged("the repository contains too many objects".to_owned()));
    }
    let paths = text.split_terminator('\0').filter(|path| !path.starts_with(VERSIONS));
    Ok(paths.map(Key::listed).collect())
}

/// A file with these bytes: an argument would be visible, and too short.
fn file(clone: &LocalClone<'_>, bytes: &[u8]) -> Result<NamedTempFile, GitError> {
    let write = || {
        let mut file = NamedTempFile::new_in(clone.path())?;
        file.write_all(bytes)?;
        Ok(file)
    };
    write().map_err(|error: std::io::Error| GitError::Unknown(format!("cannot write to the clone: {error}")))
}
