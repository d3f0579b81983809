//! The ledger of one service in one environment: which versions proved good, which were rolled back, and with what
//! result. Append-only; an entry is on disk before any action that depends on it.

pub(crate) mod history;

use std::fs::File;
use std::io::{self, Error, ErrorKind};
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use common::event::RollbackResult;
use common::fs::jsonl;
use common::fs::lock::{self, Lock};
use common::identity::Identity;
use common::label::Label;
use serde::{Deserialize, Serialize};
use url::form_urlencoded::byte_serialize;

/// The version of the format of an entry.
pub(crate) const FORMAT: u32 = 1;

/// The file of one service in one environment: `$DM_STATE_DIR/rollback/ENVIRONMENT/SERVICE.jsonl`.
#[derive(Debug, Clone)]
pub(crate) struct Ledger {
    folder: PathBuf,
    name: String,
}

/// One line of the ledger.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// [`FORMAT`].
    pub v: u32,
    /// The time of the entry.
    pub ts: DateTime<Utc>,
    /// The deployment that it belongs to.
    pub deployment: Label,
    /// The kind, with its data.
    #[serde(flatten)]
    pub kind: EntryKind,
}

/// What an entry records.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum EntryKind {
    /// A version proved good.
    Good(KnownGood),
    /// A rollback is about to begin. Written before the command is started.
    Intent(Intent),
    /// The rollback of this deployment ended.
    Outcome {
        /// The result.
        result: RollbackResult,
    },
}

/// A version that proved good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownGood {
    /// The version, as deployments name it.
    pub version: Label,
    /// The name of the release on the platform, such as a revision, if it was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<Label>,
    /// The schema version that it proved good with, if it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<Label>,
    /// Whether it is only assumed that this version served the requests that proved it good: no version could be detected.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub assumed: bool,
}

/// A rollback that is about to begin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Intent {
    /// The version that is rolled back, if it is known.
    pub failed: Option<Label>,
    /// The version to roll back to, if it is known.
    pub target: Option<Label>,
    /// The schema version at that time, if it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<Label>,
    /// The id of the process that rolls back.
    pub pid: u32,
}

impl Ledger {
    /// The ledger of the service and the environment of `identity`. The file need not exist yet.
    pub(crate) fn new(state_dir: &Path, identity: &Identity) -> Self {
        // A valid file name that no other service has.
        let file_name =
            |label: &Label| byte_serialize(label.as_str().as_bytes()).collect::<String>().replace('.', "%2E");
        let folder = state_dir.join("rollback").join(file_name(&identity.environment));
        Self { folder, name: file_name(&identity.service) }
    }

    /// The path of the file.
    pub(crate) fn path(&self) -> PathBuf {
        self.folder.join(format!("{}.jsonl", self.name))
    }

    /// Locks the ledger for a rollback; `None` if another process holds the lock.
    pub(crate) fn try_lock(&self) -> io::Result<Option<Lock>> {
        lock::try_exclusive(&self.folder.join(format!("{}.lock", self.name)))
    }

    /// Every entry, oldest first. A truncated line is omitted, because no action followed it. A line that is damaged
    /// or has another format is an error, because it may forbid a rollback.
    pub(crate) fn read(&self) -> io::Result<Vec<Entry>> {
        jsonl::read(&self.path(), parse)?.into_iter().collect()
    }

    /// Appends an entry. After that the entry survives a power failure.
    pub(crate) fn append(&self, ts: DateTime<Utc>, deployment: &Label, kind: EntryKind) -> io::Result<()> {
        let path = self.path();
        let _lock = lock::exclusive(&self.folder.join(format!("{}.append.lock", self.name)))?;
        let is_new = !path.exists();
        let entry = Entry { v: FORMAT, ts, deployment: deployment.clone(), kind };
        jsonl::append(&path, &entry)?.sync_all()?;
        // The name of a new file is part of its folder.
        if is_new { File::open(&self.folder)?.sync_all() } else { Ok(()) }
    }
}

fn parse(line: &[u8]) -> Option<io::Result<Entry>> {
    let value: serde_json::Value = match serde_json::from_slice(line) {
        Ok(value) => value,
        Err(error) if error.is_eof() => return None,
        Err(error) => return Some(Err(Error::new(ErrorKind::InvalidData, error))),
    };
    if value["v"] != FORMAT {
        let message = format!("it has a line of format {}; this tool reads format {FORMAT}", value["v"]);
        return Some(Err(Error::new(ErrorKind::InvalidData, message)));
    }
    Some(serde_json::from_value(value).map_err(|error| Error::new(ErrorKind::InvalidData, error)))
}

#[cfg(test)]
pub(crate) mod tests {
    use std::fs::OpenOptions;

    use common::args::DeploymentArgs;
    use proptest::prelude::*;

    use super::*;

    pub(crate) fn label(text: &str) -> Label {
        text.parse().unwrap()
    }

    pub(crate) fn good(version: &str) -> EntryKind {
        EntryKind::Good(KnownGood { version: label(version), release: None, schema: None, assumed: false })
    }

    pub(crate) fn intent(failed: &str, target: Option<&str>) -> EntryKind {
        EntryKind::Intent(Intent {
            failed: Some(label(failed)),
            target: target.map(label),
            schema: None,
            pid: 4242,
        })
    }

    fn ledger(folder: &Path, service: &str) -> Ledger {
        let args = DeploymentArgs { service: Some(service.parse().unwrap()), ..DeploymentArgs::default() };
        Ledger::new(folder, &Identity::resolve(&args, &|_| None, Path::new("/nowhere/shop")))
    }

    #[test]
    fn every_service_has_a_file_of_its_own_inside_the_state_directory() {
        let folder = tempfile::tempdir().unwrap();
        let names = ["api", "a/b", "a.b", "..", "a%2Fb", "é"];
        let mut paths: Vec<PathBuf> = names.iter().map(|name| ledger(folder.path(), name).path()).collect();
        assert!(
            paths.iter().all(|path| path.parent().unwrap().ends_with("rollback/development")),
            "{paths:?}"
        );
        paths.dedup();
        assert_eq!(paths.len(), names.len());
    }

    #[test]
    fn an_entry_of_another_format_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = ledger(folder.path(), "api");
        assert_eq!(ledger.read().unwrap(), []);
        ledger.append(DateTime::UNIX_EPOCH, &label("d-1"), good("1")).unwrap();
        assert_eq!(ledger.read().unwrap().len(), 1);
        common::fs::atomic::write(&ledger.path(), b"{\"v\":2,\"type\":\"good\"}\n").unwrap();
        assert!(ledger.read().unwrap_err().to_string().contains("a line of format 2"));
        common::fs::atomic::write(&ledger.path(), b"{\"v\":1,\"type\":\"maybe\"}\n").unwrap();
        assert!(ledger.read().is_err());
        for damaged in ["{\"v\":1,\"type\":\"inten,\"x\":1}\n", "\0\0\0\n", "}\n"] {
            common::fs::atomic::write(&ledger.path(), damaged.as_bytes()).unwrap();
            assert!(ledger.read().is_err(), "{damaged:?}");
        }
    }

    #[test]
    fn one_process_at_a_time_may_roll_back() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = ledger(folder.path(), "api");
        let first = ledger.try_lock().unwrap();
        assert!(first.is_some() && ledger.try_lock().unwrap().is_none());
        drop(first);
        assert!(ledger.try_lock().unwrap().is_some());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn a_truncated_ledger_keeps_every_whole_line_and_the_next(cut in 0_usize..1000) {
            let folder = tempfile::tempdir().unwrap();
            let ledger = ledger(folder.path(), "api");
            let ts = DateTime::UNIX_EPOCH;
            ledger.append(ts, &label("d-1"), good("1")).unwrap();
            ledger.append(ts, &label("d-2"), intent("2", Some("1"))).unwrap();
            let whole = std::fs::read(ledger.path()).unwrap();
            let cut = cut.min(whole.len());
            OpenOptions::new().write(true).open(ledger.path()).unwrap().set_len(cut as u64).unwrap();
            ledger.append(ts, &label("d-3"), EntryKind::Outcome { result: RollbackResult::Failed }).unwrap();
            let entries = ledger.read().unwrap();
            // A line is whole even without its line feed.
            let ends = whole.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at);
            prop_assert_eq!(entries.len(), ends.filter(|end| cut >= *end).count() + 1);
            prop_assert_eq!(entries.last().unwrap().deployment.as_str(), "d-3");
        }
    }
}
