//! What is known of the versions of one service in one environment: which proved good, which were rolled back from, and
//! what came of it. Append-only; an entry is on the disk before anything is done that rests on it.

use std::fs::File;
use std::io::{self, Error, ErrorKind};
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use common::event::{FORMAT, RollbackResult};
use common::fs::jsonl;
use common::fs::lock::{self, Lock};
use common::identity::Identity;
use common::label::Label;
use serde::{Deserialize, Serialize};
use url::form_urlencoded::byte_serialize;

/// The file of one service in one environment: `$DM_STATE_DIR/rollback/ENVIRONMENT/SERVICE.jsonl`.
#[derive(Debug, Clone)]
pub struct Ledger {
    folder: PathBuf,
    name: String,
}

/// One line of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// [`FORMAT`].
    pub v: u32,
    /// When.
    pub ts: DateTime<Utc>,
    /// The deployment that it is about.
    pub deployment: Label,
    /// What happened.
    #[serde(flatten)]
    pub what: EntryKind,
}

/// What can happen to a version.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum EntryKind {
    /// It proved good.
    Good(KnownGood),
    /// It is about to be rolled back from: written before the command is started.
    Intent(Intent),
    /// What came of the rollback of this deployment.
    Outcome {
        /// The result.
        result: RollbackResult,
    },
}

/// A version that proved good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownGood {
    /// The version.
    pub version: Label,
    /// What the platform calls it, such as a revision, where that was told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<Label>,
    /// The schema that it proved good with, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<Label>,
}

/// A rollback that is about to begin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    /// The version that is rolled back from, where it is known.
    pub failed: Option<Label>,
    /// The version that is gone back to, where it is known.
    pub target: Option<Label>,
    /// The schema at that time, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<Label>,
    /// The process that does it.
    pub pid: u32,
}

impl Ledger {
    /// The ledger of the service and the environment of `identity`; it need not exist yet.
    pub fn new(state_dir: &Path, identity: &Identity) -> Self {
        // A name that a file can have, and that no other service has.
        let file_name =
            |label: &Label| byte_serialize(label.as_str().as_bytes()).collect::<String>().replace('.', "%2E");
        let folder = state_dir.join("rollback").join(file_name(&identity.environment));
        Self { folder, name: file_name(&identity.service) }
    }

    /// The file.
    pub fn path(&self) -> PathBuf {
        self.folder.join(format!("{}.jsonl", self.name))
    }

    /// The right to roll back, for one process at a time; `None` where another one has it.
    pub fn try_lock(&self) -> io::Result<Option<Lock>> {
        lock::try_exclusive(&self.folder.join(format!("{}.lock", self.name)))
    }

    /// Every entry, oldest first. A torn line, which ends too early, was never acted on, and is left out; a line that is
    /// damaged or of another format is an error, for it may say what must not be done.
    pub fn read(&self) -> io::Result<Vec<Entry>> {
        jsonl::read(&self.path(), parse)?.into_iter().collect()
    }

    /// Appends an entry. When it returns, the entry survives a loss of power.
    pub fn append(&self, ts: DateTime<Utc>, deployment: &Label, what: EntryKind) -> io::Result<()> {
        let path = self.path();
        let _lock = lock::exclusive(&self.folder.join(format!("{}.append.lock", self.name)))?;
        let is_new = !path.exists();
        let entry = Entry { v: FORMAT, ts, deployment: deployment.clone(), what };
        jsonl::append(&path, &entry)?.sync_all()?;
        // The name of a new file is the folder's to keep.
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
        let told = format!("it has a line of format {}; this tool reads format {FORMAT}", value["v"]);
        return Some(Err(Error::new(ErrorKind::InvalidData, told)));
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

    pub(crate) fn good(version: &str) -> What {
        EntryKind::Good(KnownGood { version: label(version), release: None, schema: None })
    }

    pub(crate) fn intent(failed: &str, target: Option<&str>) -> What {
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
    fn an_entry_of_another_format_is_an_error_and_not_overlooked() {
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
        fn cut_anywhere_it_keeps_every_whole_line_and_takes_the_next(cut in 0_usize..1000) {
            let folder = tempfile::tempdir().unwrap();
            let ledger = ledger(folder.path(), "api");
            let ts = DateTime::UNIX_EPOCH;
            ledger.append(ts, &label("d-1"), good("1")).unwrap();
            ledger.append(ts, &label("d-2"), intent("2", Some("1"))).unwrap();
            let whole = std::fs::read(ledger.path()).unwrap();
            let cut = cut.min(whole.len());
            OpenOptions::new().write(true).open(ledger.path()).unwrap().set_len(cut as u64).unwrap();
            ledger.append(ts, &label("d-3"), EntryKind::Outcome { result: RollbackResult::Failed }).unwrap();
            let read = ledger.read().unwrap();
            // A line is whole without its line feed too.
            let ends = whole.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at);
            prop_assert_eq!(read.len(), ends.filter(|end| cut >= *end).count() + 1);
            prop_assert_eq!(read.last().unwrap().deployment.as_str(), "d-3");
        }
    }
}
