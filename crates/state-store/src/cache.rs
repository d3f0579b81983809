//! What this machine remembers of a document, as a file. It only saves requests: whatever is wrong with it, the store is
//! read instead.

use std::io;

use crate::key::Key;
use crate::local_folder::LocalFolder;
use crate::object::MAX_BYTES;

/// The largest file: a document, and its version.
const MAX_CACHE_BYTES: u64 = MAX_BYTES + 64 * 1024;

/// The file of one document, in the folder of its store.
#[derive(Debug, Clone)]
pub(crate) struct Cache {
    folder: LocalFolder,
    name: String,
}

impl Cache {
    /// The file for the document `key` in `folder`, which need not exist yet.
    pub(crate) fn new(folder: &LocalFolder, key: &Key) -> Self {
        let (folders, name) = key.as_str().rsplit_once('/').unwrap_or(("", key.as_str()));
        Self { folder: folder.join(folders.split_terminator('/')), name: name.to_owned() }
    }

    /// The file with what this machine has observed of the lease in that document.
    pub(crate) fn of_lease(folder: &LocalFolder, key: &Key) -> Self {
        Self { name: "lease.json".to_owned(), ..Self::new(folder, key) }
    }

    /// What was written last, if it can be used.
    pub(crate) fn read(&self) -> Option<Vec<u8>> {
        self.folder.open().ok()??.read(&self.name, MAX_CACHE_BYTES).ok()?
    }

    /// Replaces the file.
    ///
    /// # Errors
    /// The folder cannot be written, or belongs to somebody else.
    pub(crate) fn write(&self, bytes: &[u8]) -> io::Result<()> {
        self.folder.create()?.replace(&self.name, bytes)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    /// A state directory, its cache, and the file.
    fn cache() -> (tempfile::TempDir, Cache, std::path::PathBuf) {
        let state = tempfile::tempdir().unwrap();
        let key = Key::document(&"production".parse().unwrap(), &"api".parse().unwrap());
        let cache = Cache::new(&LocalFolder::new(state.path(), &"s3://bucket".parse().unwrap()), &key);
        assert_eq!(cache.read(), None);
        cache.write(b"known").unwrap();
        let store = fs::read_dir(state.path().join("shared")).unwrap().next().unwrap().unwrap().path();
        (state, cache, store.join(key.as_str()))
    }

    #[test]
    fn the_file_is_private_and_a_link_is_neither_followed_nor_written_through() {
        let (state, cache, file) = cache();
        let [folder, elsewhere] = ["shared", "elsewhere"].map(|name| state.path().join(name));
        assert_eq!(cache.read().unwrap(), b"known");
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        fs::rename(&folder, &elsewhere).unwrap();
        symlink("elsewhere", &folder).unwrap();
        assert_eq!(cache.read(), None);
        assert!(cache.write(b"new").is_err());
    }

    #[test]
    fn a_huge_file_is_not_read() {
        let (_state, cache, file) = cache();
        fs::OpenOptions::new().write(true).open(file).unwrap().set_len(1 << 40).unwrap();
        assert_eq!(cache.read(), None);
    }

    #[test]
    fn another_store_has_another_cache() {
        let (state, _, _) = cache();
        let key = Key::document(&"production".parse().unwrap(), &"api".parse().unwrap());
        let other = LocalFolder::new(state.path(), &"s3://other".parse().unwrap());
        assert_eq!(Cache::new(&other, &key).read(), None);
    }
}
