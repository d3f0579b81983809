//! What an exporter could not do. Nobody reads its output, so the next tool on the machine reports it, once.

use std::path::Path;

use common::fs::PrivateDir;

/// The file in the state directory: one message a line.
const FILE: &str = "export.failed";

/// The longest file.
const MAX_BYTES: u64 = 64 * 1024;

/// The messages of one exporter.
#[derive(Debug, Default)]
pub(crate) struct Failure(Vec<String>);

impl From<Vec<String>> for Failure {
    fn from(messages: Vec<String>) -> Self {
        Self(messages.into_iter().map(|message| message.replace('\n', " ")).collect())
    }
}

impl Failure {
    /// Leaves the messages for the next tool, with those that no tool has reported yet. If the file cannot be written, they
    /// are lost.
    pub(super) fn save(self, state_dir: &Path) {
        if self.0.is_empty() {
            return;
        }
        let mut all = Self::take(state_dir);
        all.extend(self.0);
        all.sort_unstable();
        all.dedup();
        let text = all.join("\n");
        let _ = PrivateDir::create(state_dir, &[])
            .and_then(|folder| folder.replace_unsynced(FILE, text.as_bytes()));
    }

    /// Takes the messages that an exporter has left: no other tool gets them.
    pub(crate) fn take(state_dir: &Path) -> Vec<String> {
        let Ok(Some(folder)) = PrivateDir::open(state_dir, &[]) else { return Vec::new() };
        let Ok(Some(bytes)) = folder.read(FILE, MAX_BYTES) else { return Vec::new() };
        if folder.remove(FILE).is_err() {
            return Vec::new();
        }
        String::from_utf8_lossy(&bytes).lines().map(str::to_owned).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_message_is_reported_once() {
        let folder = tempfile::tempdir().unwrap();
        let save = |messages: &[&str]| {
            let messages: Vec<String> = messages.iter().map(|message| (*message).to_owned()).collect();
            Failure::from(messages).save(folder.path());
        };
        assert!(Failure::take(folder.path()).is_empty());
        save(&[]);
        assert!(Failure::take(folder.path()).is_empty());
        save(&["one\nline", "two"]);
        save(&["three", "two"]);
        assert_eq!(Failure::take(folder.path()), ["one line", "three", "two"]);
        assert!(Failure::take(folder.path()).is_empty());
    }
}
