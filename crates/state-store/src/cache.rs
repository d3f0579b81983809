//! What this machine remembers of a document, as a file. It only saves requests: whatever is wrong with it, the store is
//! read instead.

use std::io;
use std::path::{Path, PathBuf};

use common::fs::PrivateDir;

use crate::key::Key;
use crate::object::MAX_BYTES;

/// The largest file: a document, and its version.
const MAX_CACHE_BYTES: u64 = MAX_BYTES + 64 * 1024;

/// The file of one document, in the cache folder of its store.
#[derive(Debug)]
pub(crate) struct Cache {
    root: PathBuf,
    folders: Vec<String>,
    name: String,
}

impl Cache {
    /// The file for the document `key` in `folder`, which need not exist yet.
    pub(crate) fn new(folder: &Path, key: &Key) -> Self {
        // The state directory may be a link, its folders may not.
        let (root, name) = match (folder.parent(), folder.file_name().and_then(|name| name.to_str())) {
            (Some(parent), Some(name)) => (parent, Some(name.to_owned())),
            _ => (folder, None),
        };
        let mut folders: Vec<String> =
            name.into_iter().chain(key.as_str().split('/').map(str::to_owned)).collect();
        let name = folders.pop().unwrap_or_default();
        Self { root: root.to_owned(), folders, name }
    }

    /// What was written last, if it can be used.
    pub(crate) fn read(&self) -> Option<Vec<u8>> {
        PrivateDir::open(&self.root, &self.folders()).ok()??.read(&self.name, MAX_CACHE_BYTES).ok()?
    }

    /// Replaces the file.
    ///
    /// # Errors
    /// The folder cannot be written, or belongs to somebody else.
    pub(crate) fn write(&self, bytes: &[u8]) -> io::Result<()> {
        PrivateDir::create(&self.root, &self.folders())?.replace(&self.name, bytes)
    }

    fn folders(&self) -> Vec<&str> {
        self.folders.iter().map(String::as_str).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    #[test]
    fn the_file_is_private_and_a_link_is_neither_followed_nor_written_through() {
        let temp = tempfile::tempdir().unwrap();
        let (folder, elsewhere) = (temp.path().join("shared"), temp.path().join("elsewhere"));
        let key = Key::document(&"production".parse().unwrap(), &"api".parse().unwrap());
        let cache = Cache::new(&folder, &key);
        assert_eq!(cache.read(), None);
        cache.write(b"known").unwrap();
        assert_eq!(cache.read().unwrap(), b"known");
        let file = folder.join(key.as_str());
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        fs::rename(&folder, &elsewhere).unwrap();
        symlink("elsewhere", &folder).unwrap();
        assert_eq!(cache.read(), None);
        assert!(cache.write(b"new").is_err());
    }

    #[test]
    fn a_huge_file_is_not_read() {
        let temp = tempfile::tempdir().unwrap();
        let key = Key::document(&"production".parse().unwrap(), &"api".parse().unwrap());
        let cache = Cache::new(&temp.path().join("shared"), &key);
        cache.write(b"known").unwrap();
        let file = temp.path().join("shared").join(key.as_str());
        fs::OpenOptions::new().write(true).open(file).unwrap().set_len(1 << 40).unwrap();
        assert_eq!(cache.read(), None);
    }
}
