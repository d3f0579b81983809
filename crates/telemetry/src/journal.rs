//! The journal: events on disk, append-only, one JSON line per event. The default if nothing else is configured.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use common::env::Env;
use common::event::{Event, EventId, Started};
use common::fs::jsonl;
use common::fs::lock::{self, Lock};

/// A journal file is rotated at this size.
const ROTATE_AT_BYTES: u64 = 8 * 1024 * 1024;

/// The number of rotated files.
const MAX_ROTATED: u32 = 4;

/// The journal of one state directory.
#[derive(Debug, Clone)]
pub struct Journal {
    folder: PathBuf,
}

/// An entry of the journal.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "nearly all entries are of the larger kind")]
pub enum Entry {
    /// The start of a deployment that another process finishes.
    Started(Started),
    /// Finished work.
    Finished(Event),
}

/// Everything in a journal.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Contents {
    /// The entries, oldest first.
    pub entries: Vec<Entry>,
    /// The lines that could not be read, oldest first.
    pub unreadable: Vec<Unreadable>,
}

/// A line that is complete and not an entry: damaged, or written by another version of the tools.
#[derive(Debug, Clone, PartialEq)]
pub struct Unreadable {
    /// The number of entries before it.
    pub place: usize,
    /// The file.
    pub path: PathBuf,
    /// The number of the line in the file; the first is 1.
    pub line: usize,
    /// The line as JSON, if it is that.
    pub value: Option<serde_json::Value>,
}

/// The default state directory: `$XDG_STATE_HOME/dm`, otherwise `~/.local/state/dm` (XDG Base Directory Specification).
/// `None` if there is no home directory.
pub(crate) fn default_folder(env: &Env<'_>) -> Option<PathBuf> {
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

    /// Appends one record. The cost does not depend on the length of the journal.
    ///
    /// # Errors
    /// The state directory cannot be written.
    pub fn append(&self, record: &impl Serialize) -> io::Result<()> {
        self.lock()?.append(record)
    }

    /// Locks the journal, for more than one step.
    ///
    /// # Errors
    /// The state directory cannot be written.
    pub fn lock(&self) -> io::Result<LockedJournal<'_>> {
        Ok(LockedJournal { journal: self, _lock: lock::exclusive(&self.folder.join("journal.lock"))? })
    }

    /// All entries, oldest first. Skips lines that cannot be parsed: an incomplete line was never finished, and another
    /// format belongs to another version of the tools.
    ///
    /// # Errors
    /// A journal file exists but cannot be read.
    pub fn read(&self) -> io::Result<Vec<Entry>> {
        Ok(self.read_all()?.entries)
    }

    /// All entries, and the lines that could not be read. Only an incomplete line is omitted: its writer was killed.
    ///
    /// # Errors
    /// A journal file exists but cannot be read.
    pub fn read_all(&self) -> io::Result<Contents> {
        let mut contents = Contents::default();
        let mut files: Vec<PathBuf> = (1..=MAX_ROTATED).rev().map(|n| self.rotated(n)).collect();
        files.push(self.path());
        for path in files {
            for (index, line) in jsonl::read(&path, |line| Some(read_line(line)))?.into_iter().enumerate() {
                match line {
                    Line::Entry(entry) => contents.entries.push(*entry),
                    Line::Incomplete => {}
                    Line::Unreadable(value) => contents.unreadable.push(Unreadable {
                        place: contents.entries.len(),
                        path: path.clone(),
                        line: index + 1,
                        value,
                    }),
                }
            }
        }
        Ok(contents)
    }

    fn rotated(&self, n: u32) -> PathBuf {
        self.folder.join(format!("journal.{n}.jsonl"))
    }
}

/// The journal while this process has its lock.
#[derive(Debug)]
pub struct LockedJournal<'a> {
    journal: &'a Journal,
    _lock: Lock,
}

impl LockedJournal<'_> {
    /// Appends one record.
    pub fn append(&self, record: &impl Serialize) -> io::Result<()> {
        let path = self.journal.path();
        if fs::metadata(&path).is_ok_and(|meta| meta.len() >= ROTATE_AT_BYTES) {
            self.rotate()?;
        }
        jsonl::append(&path, record).map(drop)
    }

    /// Whether the journal contains the event. Reads only the newest files, because the event was being written when its
    /// tool was killed.
    pub fn has(&self, id: &EventId) -> io::Result<bool> {
        for path in [self.journal.path(), self.journal.rotated(1)] {
            match fs::read(&path) {
                Ok(bytes)
                    if bytes.split(|byte| *byte == b'\n').filter_map(parse).any(|entry| entry.has_id(id)) =>
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
        for n in (1..MAX_ROTATED).rev() {
            if journal.rotated(n).exists() {
                fs::rename(journal.rotated(n), journal.rotated(n + 1))?;
            }
        }
        fs::rename(journal.path(), journal.rotated(1))
    }
}

impl Entry {
    /// The entry in this JSON; `None` if it is damaged, or written by another version of the tools.
    pub(crate) fn from_value(value: &serde_json::Value) -> Option<Self> {
        if value["type"] == "start" {
            Started::deserialize(value).map(Self::Started).ok()
        } else {
            Event::deserialize(value).map(Self::Finished).ok()
        }
    }

    /// When it was written.
    pub(crate) fn ts(&self) -> DateTime<Utc> {
        match self {
            Self::Started(started) => started.ts,
            Self::Finished(event) => event.ts,
        }
    }

    fn has_id(&self, id: &EventId) -> bool {
        matches!(self, Self::Finished(event) if event.id == *id)
    }
}

/// One line of a journal.
enum Line {
    Entry(Box<Entry>),
    Incomplete,
    Unreadable(Option<serde_json::Value>),
}

fn read_line(line: &[u8]) -> Line {
    let value: serde_json::Value = match serde_json::from_slice(line) {
        Ok(value) => value,
        Err(error) if error.is_eof() => return Line::Incomplete,
        Err(_) => return Line::Unreadable(None),
    };
    Entry::from_value(&value).map_or(Line::Unreadable(Some(value)), |entry| Line::Entry(Box::new(entry)))
}

fn parse(line: &[u8]) -> Option<Entry> {
    match read_line(line) {
        Line::Entry(entry) => Some(*entry),
        Line::Incomplete | Line::Unreadable(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;

    use proptest::prelude::*;

    use super::*;
    use crate::testing::stage_event;

    #[test]
    fn events_are_read_in_order() {
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
    fn an_incomplete_last_line_loses_only_that_line() {
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
    fn a_line_that_is_damaged_is_reported_and_one_that_is_incomplete_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::new(folder.path());
        journal.append(&stage_event("build")).unwrap();
        let mut file = OpenOptions::new().append(true).open(journal.path()).unwrap();
        io::Write::write_all(&mut file, b"{\"v\":1,\"type\0\":\"stage\"}\n{\"v\":2}\n{\"v\":1,\"ty").unwrap();
        journal.append(&stage_event("deploy")).unwrap();
        let contents = journal.read_all().unwrap();
        assert_eq!(contents.entries.len(), 2);
        let lines: Vec<_> = contents.unreadable.iter().map(|it| (it.place, it.line, &it.value)).collect();
        assert_eq!(lines, [(1, 2, &None), (1, 3, &Some(serde_json::json!({"v": 2})))]);
    }

    #[test]
    fn a_full_file_is_rotated_and_still_read() {
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
        fn a_cut_anywhere_keeps_all_complete_lines(cut in 0.0..=1.0_f64) {
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
            // A line without its line feed is also complete.
            let complete = events.iter().zip(&ends).filter(|(_, end)| length + 1 >= **end).map(|(event, _)| event);
            let expected: Vec<Entry> = complete.chain([&next]).cloned().map(Entry::Finished).collect();
            prop_assert_eq!(journal.read().unwrap(), expected);
        }
    }
}
