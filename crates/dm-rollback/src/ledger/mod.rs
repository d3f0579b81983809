//! The ledger of one service in one environment: which versions proved good, which were rolled back, and with what
//! result. Append-only; an entry is on disk before any action that depends on it.

pub(crate) mod artifact;
mod attempt;
mod entry;
pub(crate) mod history;
mod repair;
mod service_ledger;
mod shared_ledger;
pub(crate) mod stamps;

use std::fs::File;
use std::io::{self, Error, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::{DateTime, Utc};
use common::fs::bounded::{self, Line as Text};
use common::fs::lock::Lock;
use common::fs::name::shortened;
use common::fs::{PrivateDir, jsonl};
use common::identity::Identity;
use common::label::Label;
use serde::Deserialize as _;
use url::form_urlencoded::byte_serialize;

pub(crate) use attempt::Attempt;
use entry::FORMAT;
pub(crate) use entry::{Entry, EntryKind, Intent, KnownGood};
pub(crate) use repair::is_unknown;
pub(crate) use service_ledger::{Act, ServiceLedger};
use stamps::TOLERANCE;

/// The folder of all ledgers in the state directory.
const FOLDER: &str = "rollback";

/// The largest ledger: some 50,000 deployments.
const MAX_BYTES: u64 = 16 * 1024 * 1024;

/// How long an entry waits for one that is being written.
const LOCK_LIMIT: Duration = Duration::from_secs(5);

/// The file of one service in one environment: `$DM_STATE_DIR/rollback/ENVIRONMENT/SERVICE.jsonl`.
#[derive(Debug, Clone)]
pub(crate) struct Ledger {
    state_dir: PathBuf,
    environment: String,
    service: String,
}

/// What a ledger contains.
#[derive(Debug, Clone, Default)]
pub(crate) struct Contents {
    /// Every entry, oldest first.
    pub entries: Vec<Entry>,
    /// Whether the last line is cut off so early that it is unknown what it records.
    pub is_tail_unknown: bool,
    /// When the file was last changed; `None` if that is unknown.
    pub written: Option<DateTime<Utc>>,
}

impl Ledger {
    /// The ledger of the service and the environment of `identity`. The file need not exist yet.
    pub(crate) fn new(state_dir: &Path, identity: &Identity) -> Self {
        // A valid file name that no other service has.
        let file_name = |label: &Label| {
            shortened(byte_serialize(label.as_str().as_bytes()).collect::<String>().replace('.', "%2E"))
        };
        Self {
            state_dir: state_dir.to_owned(),
            environment: file_name(&identity.environment),
            service: file_name(&identity.service),
        }
    }

    /// The path of the file.
    pub(crate) fn path(&self) -> PathBuf {
        self.state_dir.join(FOLDER).join(&self.environment).join(self.file_name())
    }

    /// Locks the ledger for a rollback; `None` if another process holds the lock.
    pub(crate) fn try_lock(&self) -> io::Result<Option<Lock>> {
        self.create_folder()?.try_lock(&format!("{}.lock", self.service))
    }

    /// Reads the ledger. An incomplete line that may record a rollback counts as one. A line that is damaged or has
    /// another format is an error, because it may forbid a rollback; so is a file that is too large to read.
    pub(crate) fn read(&self, now: DateTime<Utc>) -> io::Result<Contents> {
        let mut contents = Contents::default();
        let Some(folder) = PrivateDir::open(&self.state_dir, &[FOLDER, &self.environment])? else {
            return Ok(contents);
        };
        let Some(file) = folder.open_file(&self.file_name())? else { return Ok(contents) };
        let size = file.metadata()?.len();
        if size > MAX_BYTES {
            return Err(Error::new(
                ErrorKind::FileTooLarge,
                format!(
                    "it has {size} bytes, and at most {MAX_BYTES} are read: check it, and move its older lines away"
                ),
            ));
        }
        contents.written = written(&folder, &self.file_name(), &file, now);
        let mut damage = None;
        bounded::last_lines(file, MAX_BYTES, |text| {
            let line = match text {
                Text::Whole(line) => line,
                Text::TooLong => {
                    let why = format!("it has a line of more than {} bytes", bounded::MAX_LINE_BYTES);
                    damage.get_or_insert(Error::new(ErrorKind::InvalidData, why));
                    return;
                }
            };
            let read = parse(line);
            contents.is_tail_unknown =
                matches!(read, Line::Unknown) || line.is_empty() && contents.is_tail_unknown;
            match read {
                Line::Entry(entry) => contents.entries.push(*entry),
                Line::Empty | Line::Unknown => {}
                Line::Damaged(error) => {
                    damage.get_or_insert(error);
                }
            }
        })?;
        damage.map_or(Ok(contents), Err)
    }

    /// Appends an entry. After that the entry survives a power failure.
    fn append_entry(&self, entry: &Entry) -> io::Result<()> {
        let folder = self.create_folder()?;
        let _lock = folder.lock(&format!("{}.append.lock", self.service), LOCK_LIMIT)?;
        let is_new = !folder.has(&self.file_name())?;
        jsonl::append(&folder, &self.file_name(), entry)?.sync_all()?;
        // The name of a new file is part of its folder.
        if is_new { folder.sync() } else { Ok(()) }
    }

    fn create_folder(&self) -> io::Result<PrivateDir> {
        PrivateDir::create(&self.state_dir, &[FOLDER, &self.environment])
    }

    fn file_name(&self) -> String {
        format!("{}.jsonl", self.service)
    }
}

/// One line of a ledger.
enum Line {
    /// A complete entry, or what is left of one.
    Entry(Box<Entry>),
    /// Nothing that matters.
    Empty,
    /// The beginning of an entry, which may record any rollback.
    Unknown,
    Damaged(Error),
}

fn parse(line: &[u8]) -> Line {
    if line.is_empty() {
        return Line::Empty;
    }
    let value: serde_json::Value = match serde_json::from_slice(line) {
        Ok(value) => value,
        Err(error) if error.is_eof() => {
            return match repair::recover(&String::from_utf8_lossy(line)) {
                Ok(entry) => entry.map_or(Line::Empty, |entry| Line::Entry(Box::new(entry))),
                Err(()) => Line::Unknown,
            };
        }
        Err(error) => return Line::Damaged(Error::new(ErrorKind::InvalidData, error)),
    };
    match parse_value(&value) {
        Ok(entry) => Line::Entry(Box::new(entry)),
        Err(error) => Line::Damaged(Error::new(ErrorKind::InvalidData, error)),
    }
}

/// An entry as JSON. The error says what is wrong with it.
fn parse_value(value: &serde_json::Value) -> Result<Entry, String> {
    if value["v"] != FORMAT {
        return Err(format!("it has a line of format {}; this tool reads format {FORMAT}", value["v"]));
    }
    Entry::deserialize(value).map_err(|error| error.to_string())
}

/// When the file was last changed. A time in the future becomes `now`, in the file system too: otherwise a cool-down that
/// is counted from it would not end before then.
fn written(folder: &PrivateDir, name: &str, file: &File, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let changed = DateTime::<Utc>::from(file.metadata().ok()?.modified().ok()?);
    if changed <= now + TOLERANCE {
        return Some(changed);
    }
    let file = folder.open_to_append(name);
    // Without the permission to change it, the cool-down lasts until an entry is appended.
    let _ = file.and_then(|file| file.set_modified(now.into()));
    Some(now)
}

#[cfg(test)]
pub(crate) mod tests {
    use std::fs::OpenOptions;

    use common::args::DeploymentArgs;
    use common::event::RollbackResult;
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
            failed_release: None,
            target: target.map(label),
            target_release: None,
            fence: None,
            schema: None,
            why: None,
            pid: 4242,
        })
    }

    impl Ledger {
        fn append(&self, ts: DateTime<Utc>, attempt: &Attempt, kind: EntryKind) -> io::Result<()> {
            self.append_entry(&Entry::new(ts, attempt, kind))
        }
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

    fn now() -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + chrono::TimeDelta::days(30_000)
    }

    fn entries(ledger: &Ledger) -> Vec<Entry> {
        ledger.read(now()).unwrap().entries
    }

    fn d(deployment: &str) -> Attempt {
        Attempt::first(label(deployment))
    }

    #[test]
    fn a_line_that_is_cut_off_too_early_to_tell_its_deployment_is_reported_while_it_is_the_last() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = ledger(folder.path(), "api");
        ledger.append(DateTime::UNIX_EPOCH, &d("d-1"), good("1")).unwrap();
        let mut text = std::fs::read(ledger.path()).unwrap();
        text.extend(b"{\"v\":1,\"ts\":\"19");
        common::fs::atomic::write(&ledger.path(), &text).unwrap();
        assert!(ledger.read(now()).unwrap().is_tail_unknown);
        ledger.append(DateTime::UNIX_EPOCH, &d("d-2"), good("2")).unwrap();
        assert!(!ledger.read(now()).unwrap().is_tail_unknown);
    }

    #[test]
    fn a_file_from_the_future_is_one_of_now() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = ledger(folder.path(), "api");
        ledger.append(DateTime::UNIX_EPOCH, &d("d-1"), good("1")).unwrap();
        let file = OpenOptions::new().append(true).open(ledger.path()).unwrap();
        file.set_modified((now() + chrono::TimeDelta::days(365)).into()).unwrap();
        let later = now() + chrono::TimeDelta::minutes(20);
        assert_eq!(ledger.read(now()).unwrap().written, Some(now()));
        assert_eq!(ledger.read(later).unwrap().written, Some(now()));
    }

    #[test]
    fn an_entry_of_another_format_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = ledger(folder.path(), "api");
        assert_eq!(entries(&ledger), []);
        ledger.append(DateTime::UNIX_EPOCH, &d("d-1"), good("1")).unwrap();
        assert_eq!(entries(&ledger).len(), 1);
        common::fs::atomic::write(&ledger.path(), b"{\"v\":2,\"type\":\"good\"}\n").unwrap();
        assert!(ledger.read(now()).unwrap_err().to_string().contains("a line of format 2"));
        common::fs::atomic::write(&ledger.path(), b"{\"v\":1,\"type\":\"maybe\"}\n").unwrap();
        assert!(ledger.read(now()).is_err());
        for damaged in ["{\"v\":1,\"type\":\"inten,\"x\":1}\n", "\0\0\0\n", "}\n"] {
            common::fs::atomic::write(&ledger.path(), damaged.as_bytes()).unwrap();
            assert!(ledger.read(now()).is_err(), "{damaged:?}");
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
            ledger.append(ts, &d("d-1"), good("1")).unwrap();
            ledger.append(ts, &d("d-2"), intent("2", Some("1"))).unwrap();
            let whole = std::fs::read(ledger.path()).unwrap();
            let cut = cut.min(whole.len());
            OpenOptions::new().write(true).open(ledger.path()).unwrap().set_len(cut as u64).unwrap();
            ledger.append(ts, &d("d-3"), EntryKind::Outcome { result: RollbackResult::Failed }).unwrap();
            let entries = entries(&ledger);
            // A line is whole even without its line feed.
            let ends = whole.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at);
            let is_whole = |entry: &&Entry| !matches!(&entry.kind, EntryKind::Intent(it) if it.pid == 0);
            prop_assert_eq!(entries.iter().filter(is_whole).count(), ends.filter(|end| cut >= *end).count() + 1);
            prop_assert_eq!(entries.last().unwrap().deployment.as_str(), "d-3");
        }
    }
}
