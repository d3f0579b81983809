//! The events on disk: append-only, one JSON line an event, and what the tools fall back on when nothing else is
//! configured.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;

use common::env::Env;
use common::event::{Event, EventId, Started};
use common::fs::jsonl;
use common::fs::lock::{self, Lock};

/// A full journal file is moved aside at this size.
const ROTATE_AT_BYTES: u64 = 8 * 1024 * 1024;

/// So many full files are kept beside the current one.
const KEPT: u32 = 4;

/// The journal of one state directory.
#[derive(Debug, Clone)]
pub struct Journal {
    folder: PathBuf,
}

/// A line of the journal.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "nearly every entry is of the larger kind")]
pub enum Entry {
    /// A deployment was started, to be finished by another run of the tool.
    Started(Started),
    /// Work that ended.
    Finished(Event),
}

/// The state directory where none is given: `$XDG_STATE_HOME/dm`, else `~/.local/state/dm`
/// (XDG Base Directory Specification). `None` without a home.
pub fn default_folder(env: &Env<'_>) -> Option<PathBuf> {
    let absolute = |name: &str| env(name).map(PathBuf::from).filter(|path| path.is_absolute());
    absolute("XDG_STATE_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".local/state")))
        .map(|dir| dir.join("dm"))
}

impl Journal {
    /// The journal in `folder`, which need not exist yet.
    pub fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    /// The current file.
    pub fn path(&self) -> PathBuf {
        self.folder.join("journal.jsonl")
    }

    /// Appends one record. The cost does not depend on how many there are.
    pub fn append(&self, record: &impl Serialize) -> io::Result<()> {
        self.lock()?.append(record)
    }

    /// Takes the journal for more than one step.
    pub fn lock(&self) -> io::Result<Locked<'_>> {
        Ok(Locked { journal: self, _lock: lock::exclusive(&self.folder.join("journal.lock"))? })
    }

    /// Every entry, oldest first. A line that cannot be read is left out: a torn one was never finished, and
    /// another format belongs to another version of the tools.
    pub fn read(&self) -> io::Result<Vec<Entry>> {
        let mut entries = Vec::new();
        let mut files: Vec<PathBuf> = (1..=KEPT).rev().map(|n| self.rotated(n)).collect();
        files.push(self.path());
        for path in files {
            entries.extend(jsonl::read(&path, parse)?);
        }
        Ok(entries)
    }

    fn rotated(&self, n: u32) -> PathBuf {
        self.folder.join(format!("journal.{n}.jsonl"))
    }
}

/// The journal, while this process alone writes it.
#[derive(Debug)]
pub struct Locked<'a> {
    journal: &'a Journal,
    _lock: Lock,
}

impl Locked<'_> {
    /// Appends one record.
    pub fn append(&self, record: &impl Serialize) -> io::Result<()> {
        let path = self.journal.path();
        if fs::metadata(&path).is_ok_and(|meta| meta.len() >= ROTATE_AT_BYTES) {
            self.rotate()?;
        }
        jsonl::append(&path, record).map(drop)
    }

    /// Whether an event is in the journal already. Reads the newest files only: the question is asked about an event
    /// that was being written when its tool was killed.
    pub fn has(&self, id: &EventId) -> io::Result<bool> {
        for path in [self.journal.path(), self.journal.rotated(1)] {
            match fs::read(&path) {
                Ok(bytes)
                    if bytes.split(|byte| *byte == b'\n').filter_map(parse).any(|entry| entry.is(id)) =>
                {
                    return Ok(true);
                }
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(false)
    }

    fn rotate(&self) -> io::Result<()> {
        let journal = self.journal;
        for n in (1..KEPT).rev() {
            if journal.rotated(n).exists() {
                fs::rename(journal.rotated(n), journal.rotated(n + 1))?;
            }
        }
        fs::rename(journal.path(), journal.rotated(1))
    }
}

impl Entry {
    fn is(&self, id: &EventId) -> bool {
        matches!(self, Self::Finished(event) if event.id == *id)
    }
}

fn parse(line: &[u8]) -> Option<Entry> {
    let value: serde_json::Value = serde_json::from_slice(line).ok()?;
    if value["type"] == "start" {
        serde_json::from_value(value).ok().map(Entry::Started)
    } else {
        serde_json::from_value(value).ok().map(Entry::Finished)
    }
}

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;

    use proptest::prelude::*;

    use super::*;
    use crate::testing::stage_event;

    #[test]
    fn events_come_back_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::new(&folder.path().join("new/state"));
        assert_eq!(journal.read().unwrap(), []);
        let events = [stage_event("build"), stage_event("deploy")];
        for event in &events {
            journal.append(event).unwrap();
        }
        assert_eq!(journal.read().unwrap(), events.map(Entry::Finished));
    }

    #[test]
    fn a_torn_last_line_costs_that_line_and_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::new(folder.path());
        let events = [stage_event("build"), stage_event("deploy"), stage_event("migration")];
        journal.append(&events[0]).unwrap();
        journal.append(&events[1]).unwrap();
        let file = OpenOptions::new().write(true).open(journal.path()).unwrap();
        file.set_len(file.metadata().unwrap().len() - 20).unwrap();
        journal.append(&events[2]).unwrap();
        let [first, _, third] = events;
        assert_eq!(journal.read().unwrap(), [Entry::Finished(first), Entry::Finished(third)]);
    }

    #[test]
    fn a_full_file_is_moved_aside_and_still_read() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::new(folder.path());
        journal.append(&stage_event("build")).unwrap();
        let file = OpenOptions::new().append(true).open(journal.path()).unwrap();
        file.set_len(ROTATE_AT_BYTES).unwrap();
        journal.append(&stage_event("deploy")).unwrap();
        assert!(journal.path().metadata().unwrap().len() < 2000);
        assert_eq!(journal.read().unwrap().len(), 2);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn cut_anywhere_it_keeps_every_whole_line_and_takes_the_next(cut in 0.0..=1.0_f64) {
            let folder = tempfile::tempdir().unwrap();
            let journal = Journal::new(folder.path());
            let events = ["build", "deploy", "migration"].map(stage_event);
            let mut ends = Vec::new();
            for event in &events {
                journal.append(event).unwrap();
                ends.push(journal.path().metadata().unwrap().len());
            }
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a place in a short file")]
            let length = (ends[2] as f64 * cut) as u64;
            OpenOptions::new().write(true).open(journal.path()).unwrap().set_len(length).unwrap();
            let next = stage_event("rollback");
            journal.append(&next).unwrap();
            // A line is whole without its line feed too.
            let kept = events.iter().zip(&ends).filter(|(_, end)| length + 1 >= **end).map(|(event, _)| event);
            let expected: Vec<Entry> = kept.chain([&next]).cloned().map(Entry::Finished).collect();
            prop_assert_eq!(journal.read().unwrap(), expected);
        }
    }
}
