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

impl Failure {
    /// Adds messages.
    pub(super) fn extend(&mut self, messages: impl IntoIterator<Item = String>) {
        self.0.extend(messages.into_iter().map(|message| message.replace('\n', " ")));
    }

    /// Leaves the messages for the next tool, if there are any. If the file cannot be written, they are lost.
    pub(super) fn save(&self, state_dir: &Path) {
        if !self.0.is_empty() {
            let text = self.0.join("\n");
            let _ = PrivateDir::create(state_dir, &[])
                .and_then(|folder| folder.replace_unsynced(FILE, text.as_bytes()));
        }
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
        assert!(Failure::take(folder.path()).is_empty());
        let mut failure = Failure::default();
        failure.save(folder.path());
        assert!(Failure::take(folder.path()).is_empty());
        failure.extend(["one\nline".to_owned(), "two".to_owned()]);
        failure.save(folder.path());
        assert_eq!(Failure::take(folder.path()), ["one line", "two"]);
        assert!(Failure::take(folder.path()).is_empty());
    }
}
