//! Runs that have ended and whose groups the Pushgateway still has: a file for each, in the state directory.

use std::io::{self, ErrorKind};
use std::path::PathBuf;

use super::client::GatewayClient;
use super::error::PushError;
use super::folder_name::whole_in;
use super::group_key::GroupKey;
use common::fs::PrivateDir;
use common::fs::name::{is_shortened, shortened};

/// The folder in the state directory.
const FOLDER: &str = "ended";

/// The ended runs of one state directory.
#[derive(Debug)]
pub(crate) struct EndedRuns(pub(super) PathBuf);

impl EndedRuns {
    /// Notes that the run `key` has ended.
    ///
    /// # Errors
    /// The state directory cannot be written.
    pub(crate) fn add(&self, key: &GroupKey) -> io::Result<()> {
        let name = key.file_name();
        // The content is the whole name.
        match PrivateDir::create(&self.0, &[FOLDER])?.create_file(&shortened(name.clone()), name.as_bytes()) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
            _ => Ok(()),
        }
    }

    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        let folder = PrivateDir::open(&self.0, &[FOLDER]).ok().flatten();
        folder.and_then(|folder| folder.names().ok()).is_none_or(|names| names.is_empty())
    }

    /// Deletes the groups of all of them.
    ///
    /// # Errors
    /// The Pushgateway does not respond, or the state directory cannot be used.
    pub(crate) async fn send(&self, client: &GatewayClient) -> Result<(), PushError> {
        let Some(folder) = PrivateDir::open(&self.0, &[FOLDER])? else { return Ok(()) };
        for name in folder.names()? {
            let whole = if is_shortened(&name) { whole_in(&folder, &name)? } else { Some(name.clone()) };
            if let Some(key) = whole.and_then(|whole| GroupKey::run_with_file_name(&whole)) {
                client.delete(&key).await?;
            }
            // Another process may have done the same.
            let _ = folder.remove(&name);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::stage_event;

    #[test]
    fn a_run_that_has_ended_twice_is_noted_once() {
        let folder = tempfile::tempdir().unwrap();
        let ended = EndedRuns(folder.path().to_owned());
        assert!(ended.is_empty());
        let key = GroupKey::migration(&stage_event("migration").identity);
        for _ in 0..2 {
            ended.add(&key).unwrap();
        }
        assert!(!ended.is_empty());
        assert_eq!(std::fs::read_dir(folder.path().join(FOLDER)).unwrap().count(), 1);
    }
}
