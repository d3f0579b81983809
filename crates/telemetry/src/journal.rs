//! The journal: events on disk, append-only, one JSON line per event. The default if nothing else is configured.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::args::EXPORT_BUDGET;
use common::env::Env;
use common::event::{Event, EventId, Started};
use common::fs::bounded::{self, Line as Text};
use common::fs::lock::Lock;
use common::fs::{PrivateDir, jsonl};
use common::label::Label;

/// A journal file is rotated at this size.
const ROTATE_AT_BYTES: u64 = 8 * 1024 * 1024;

/// The number of rotated files.
const MAX_ROTATED: u32 = 4;

/// How much of a file is read, from its end. A file of the tools has one line more than [`ROTATE_AT_BYTES`], at most.
const MAX_READ_BYTES: u64 = 2 * ROTATE_AT_BYTES;

/// How many unreadable lines are remembered, each by itself.
const MAX_UNREADABLE: usize = 20_000;

/// The file that is written.
const CURRENT: &str = "journal.jsonl";

/// The journal of one state directory.
#[derive(Debug, Clone)]
pub struct Journal {
    folder: PathBuf,
    lock_limit: Duration,
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

/// A line that is complete and not an entry: damaged, or written by another version of the tools. Or the beginning of a
/// file that is too large.
#[derive(Debug, Clone, PartialEq)]
pub struct Unreadable {
    /// The number of entries before it.
    pub place: usize,
    /// Which line of which file it is; the first line is 1.
    pub what: String,
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
        Self { folder: folder.to_owned(), lock_limit: EXPORT_BUDGET }
    }

    /// The same journal; it waits for its lock for at most `limit`.
    #[must_use]
    pub fn waiting_at_most(self, limit: Duration) -> Self {
        Self { lock_limit: limit, ..self }
    }

    /// The path of the file that is written.
    pub fn path(&self) -> PathBuf {
        self.folder.join(CURRENT)
    }

    /// Appends one record. The cost does not depend on the length of the journal.
    ///
    /// # Errors
    /// The state directory cannot be written, or another process holds the lock too long.
    pub fn append(&self, record: &impl Serialize) -> io::Result<()> {
        self.lock()?.append(record)
    }

    /// Locks the journal, for more than one step.
    ///
    /// # Errors
    /// The state directory cannot be written, or another process holds the lock too long.
    pub fn lock(&self) -> io::Result<LockedJournal> {
        let folder = PrivateDir::create(&self.folder, &[])?;
        let lock = folder.lock("journal.lock", self.lock_limit)?;
        Ok(LockedJournal { folder, _lock: lock })
    }

    /// All entries, oldest first. Skips lines that cannot be parsed: an incomplete line was never finished, and another
    /// format belongs to another version of the tools.
    ///
    /// # Errors
    /// A journal file exists but cannot be read.
    pub fn read(&self) -> io::Result<Vec<Entry>> {
        Ok(self.read_all()?.entries)
    }

    /// All entries, and what could not be read. Only an incomplete line is omitted: its writer was killed.
    ///
    /// # Errors
    /// A journal file exists but cannot be read.
    pub fn read_all(&self) -> io::Result<Contents> {
        self.read_lines(|_| true)
    }

    /// The entries of one deployment. Faster than reading all: other lines are not parsed.
    pub(crate) fn read_deployment(&self, deployment: &Label) -> io::Result<Contents> {
        let id = serde_json::to_vec(deployment)?;
        self.read_lines(|line| line.windows(id.len()).any(|part| part == id))
    }

    /// The entries, and what could not be read, of the lines that `is_wanted` accepts.
    fn read_lines(&self, is_wanted: impl Fn(&[u8]) -> bool) -> io::Result<Contents> {
        let mut contents = Contents::default();
        let Some(folder) = PrivateDir::open(&self.folder, &[])? else { return Ok(contents) };
        for name in (1..=MAX_ROTATED).rev().map(rotated).chain([CURRENT.to_owned()]) {
            contents.read(&folder, &name, &is_wanted)?;
        }
        Ok(contents)
    }
}

impl Contents {
    /// Adds what is in the file `name`.
    fn read(
        &mut self,
        folder: &PrivateDir,
        name: &str,
        is_wanted: &impl Fn(&[u8]) -> bool,
    ) -> io::Result<()> {
        let Some(file) = folder.open_file(name)? else { return Ok(()) };
        let path = folder.path(name);
        let omitted = file.metadata()?.len().saturating_sub(MAX_READ_BYTES);
        if omitted > 0 {
            self.add_unreadable(
                format!("the beginning of {} ({omitted} bytes, too much to read)", path.display()),
                None,
            );
        }
        let mut number = 0_usize;
        bounded::last_lines(file, MAX_READ_BYTES, |text| {
            number += 1;
            let value = match text {
                Text::TooLong => None,
                Text::Whole(line) if !is_wanted(line) => return,
                Text::Whole(line) => match read_line(line) {
                    Line::Entry(entry) => return self.entries.push(*entry),
                    Line::Incomplete => return,
                    Line::Unreadable(value) => value,
                },
            };
            let after = if omitted > 0 { " after that" } else { "" };
            self.add_unreadable(format!("line {number}{after} of {}", path.display()), value);
        })?;
        Ok(())
    }

    /// The finished work of this deployment, oldest first.
    pub(crate) fn events_of(self, deployment: &Label) -> Vec<Event> {
        let finished = self.entries.into_iter().filter_map(|entry| match entry {
            Entry::Finished(event) if event.identity.deployment == *deployment => Some(event),
            Entry::Finished(_) | Entry::Started(_) => None,
        });
        finished.collect()
    }

    fn add_unreadable(&mut self, what: String, value: Option<serde_json::Value>) {
        // A large file of nothing but damage needs no more memory than its first lines.
        if self.unreadable.len() < MAX_UNREADABLE {
            self.unreadable.push(Unreadable { place: self.entries.len(), what, value });
        } else if let Some(last) = self.unreadable.last_mut() {
            *last = Unreadable { place: self.entries.len(), what, value: None };
        }
    }
}

fn rotated(n: u32) -> String {
    format!("journal.{n}.jsonl")
}

/// The journal while this process has its lock.
#[derive(Debug)]
pub struct LockedJournal {
    folder: PrivateDir,
    _lock: Lock,
}

impl LockedJournal {
    /// Appends one record.
    pub fn append(&self, record: &impl Serialize) -> io::Result<()> {
        let current = self.folder.open_file(CURRENT)?;
        if current.is_some_and(|file| file.metadata().is_ok_and(|meta| meta.len() >= ROTATE_AT_BYTES)) {
            self.rotate()?;
        }
        jsonl::append(&self.folder, CURRENT, record).map(drop)
    }

    /// Whether the journal contains the event. Reads only the newest files, because the event was being written when its
    /// tool was killed.
    pub fn has(&self, id: &EventId) -> io::Result<bool> {
        let mut found = false;
        for name in [CURRENT.to_owned(), rotated(1)] {
            let Some(file) = self.folder.open_file(&name)? else { continue };
            bounded::last_lines(file, MAX_READ_BYTES, |text| {
                found =
                    found || matches!(text, Text::Whole(line) if parse(line).is_some_and(|it| it.has_id(id)));
            })?;
        }
        Ok(found)
    }

    fn rotate(&self) -> io::Result<()> {
        for n in (1..MAX_ROTATED).rev() {
            if self.folder.has(&rotated(n))? {
                self.folder.rename(&rotated(n), &rotated(n + 1))?;
            }
        }
        self.folder.rename(CURRENT, &rotated(1))
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
        let line = |number: usize| format!("line {number} of {}", journal.path().display());
        let value = Some(serde_json::json!({"v": 2}));
        let expected =
            [(line(2), None), (line(3), value)].map(|(what, value)| Unreadable { place: 1, what, value });
        assert_eq!(contents.unreadable, expected);
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

    #[test]
    fn of_a_huge_file_the_end_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::new(folder.path());
        journal.append(&stage_event("build")).unwrap();
        let mut file = OpenOptions::new().append(true).open(journal.path()).unwrap();
        file.set_len(1 << 40).unwrap();
        let event = stage_event("deploy");
        io::Write::write_all(&mut file, format!("\n{}\n", serde_json::to_string(&event).unwrap()).as_bytes())
            .unwrap();
        let contents = journal.read_all().unwrap();
        assert_eq!(contents.entries, [Entry::Finished(event.clone())]);
        assert!(contents.unreadable[0].what.starts_with("the beginning of /"), "{:?}", contents.unreadable);
        assert!(contents.unreadable.iter().all(|it| it.place == 0));
        assert!(journal.lock().unwrap().has(&event.id).unwrap());
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
