//! The folder of one store in the state directory of this machine. What is in it only saves requests.

use std::io;
use std::path::{Path, PathBuf};

use common::fs::PrivateDir;
use sha2::{Digest as _, Sha256};

use crate::store_url::StoreUrl;

/// The folder of all stores in the state directory.
const STORES: &str = "shared";

/// The folder of one store, which need not exist yet. No two stores have the same.
#[derive(Debug, Clone)]
pub(crate) struct LocalFolder {
    /// It may be a link; the folders below may not.
    root: PathBuf,
    folders: Vec<String>,
}

impl LocalFolder {
    /// The folder of the store at `url`.
    pub(crate) fn new(state_dir: &Path, url: &StoreUrl) -> Self {
        let hash = Sha256::digest(url.to_string());
        let name = hash.first_chunk().map_or(0, |first| u64::from_be_bytes(*first));
        Self { root: state_dir.to_owned(), folders: vec![STORES.to_owned(), format!("{name:016x}")] }
    }

    #[cfg(test)]
    pub(crate) fn at(folder: &Path) -> Self {
        Self { root: folder.to_owned(), folders: Vec::new() }
    }

    /// The folder `below` it.
    pub(crate) fn join<'a>(&self, below: impl IntoIterator<Item = &'a str>) -> Self {
        let mut folder = self.clone();
        folder.folders.extend(below.into_iter().map(str::to_owned));
        folder
    }

    /// Opens it; `None` if it does not exist.
    ///
    /// # Errors
    /// It belongs to somebody else, is a link, or cannot be opened.
    pub(crate) fn open(&self) -> io::Result<Option<PrivateDir>> {
        PrivateDir::open(&self.root, &self.names())
    }

    /// Opens it, and creates it if necessary, for this user only. Its path is absolute.
    ///
    /// # Errors
    /// Those of [`LocalFolder::open`], or it cannot be created.
    pub(crate) fn create(&self) -> io::Result<PrivateDir> {
        PrivateDir::create(&std::path::absolute(&self.root)?, &self.names())
    }

    fn names(&self) -> Vec<&str> {
        self.folders.iter().map(String::as_str).collect()
    }
}
