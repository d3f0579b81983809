//! The name of a folder that stands for labels. If it would be too long, a file in the folder has the whole name.

use std::io;

use common::fs::PrivateDir;
use common::fs::name::{is_shortened, shortened};

/// The file with the whole name.
const WHOLE_NAME: &str = ".name";

/// The longest whole name.
const MAX_BYTES: u64 = 4096;

/// The name of a folder.
#[derive(Debug, Clone)]
pub(super) struct FolderName {
    name: String,
    /// The name before it was shortened; `None` if only the folder knows it.
    whole: Option<String>,
}

impl FolderName {
    /// The folder for this name, or the folder that has it.
    pub(super) fn new(name: String) -> Self {
        let whole = (!is_shortened(&name)).then(|| name.clone());
        Self { name: shortened(name), whole }
    }

    pub(super) fn as_str(&self) -> &str {
        &self.name
    }

    /// Notes in the folder what its name would be.
    pub(super) fn note_in(&self, folder: &PrivateDir) -> io::Result<()> {
        match self.whole.as_ref().filter(|_| is_shortened(&self.name)) {
            Some(whole) => folder.replace_unsynced(WHOLE_NAME, whole.as_bytes()),
            None => Ok(()),
        }
    }

    /// The name before it was shortened; `None` if that is unknown.
    pub(super) fn whole(&self, folder: impl FnOnce() -> Option<PrivateDir>) -> Option<String> {
        self.whole.clone().or_else(|| whole_in(&folder()?, WHOLE_NAME).ok()?)
    }
}

/// The whole name that this file contains; `None` if there is none.
pub(super) fn whole_in(folder: &PrivateDir, file: &str) -> io::Result<Option<String>> {
    Ok(folder.read(file, MAX_BYTES)?.and_then(|bytes| String::from_utf8(bytes).ok()))
}
