//! The state of a hosted platform that a fake plays, in files, so that fakes in a shell and in Rust are used alike.

use std::io::Write as _;
use std::path::{Path, PathBuf};

/// What a fake platform is like, and what has been done to it.
///
/// | file | content |
/// | --- | --- |
/// | `scenario` | one word: what goes wrong |
/// | `rolled` | exists after a rollback |
/// | `calls` | one line for each call |
#[derive(Debug, Clone)]
pub struct World {
    folder: PathBuf,
}

impl World {
    /// The world in a folder.
    pub fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    /// What goes wrong in it.
    pub fn scenario(&self) -> String {
        std::fs::read_to_string(self.folder.join("scenario")).unwrap()
    }

    /// Whether a rollback was done.
    pub fn has_rolled(&self) -> bool {
        self.folder.join("rolled").exists()
    }

    /// Does a rollback, unless the scenario is that it breaks; returns whether it was done.
    pub fn roll(&self) -> bool {
        let can = self.scenario() != "breaks";
        if can {
            common::fs::atomic::write(&self.folder.join("rolled"), b"").unwrap();
        }
        can
    }

    /// Records a call.
    pub fn record(&self, call: &str) {
        let mut file =
            std::fs::File::options().create(true).append(true).open(self.folder.join("calls")).unwrap();
        writeln!(file, "{call}").unwrap();
    }

    /// The calls so far.
    pub fn calls(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.folder.join("calls")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }
}
