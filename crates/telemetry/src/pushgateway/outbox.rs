//! Events to be sent to the Pushgateway, in the state directory: one folder per group, one file per event. The end of the
//! file name is the state. Each change of state is one rename, so a kill leaves either the old state or the new one.
//!
//! | name ends in | state |
//! | --- | --- |
//! | `.new` | draft: being journaled |
//! | `.unsent` | journaled, never sent |
//! | `.tried-TOKEN-BEFORE` | a PUT was begun |
//! | `.sent-TOKEN-BEFORE` | the Pushgateway acknowledged the PUT |
//! | no file | verified as counted, or too old to verify |
//!
//! With a shared state, events wait in folders of their own, `unshared`, until they are in the store; see `shared::spool`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::dedup::{PutRecord, RecentTokens, Token};
use super::group_key::{GroupKey, joined, split};
use crate::journal::Journal;
use common::event::Event;
use common::fs::atomic;
use common::fs::lock::{self, Lock};
use common::label::Label;

/// The outbox of one state directory.
#[derive(Debug, Clone)]
pub struct Outbox {
    state_dir: PathBuf,
}

/// The events of one group.
#[derive(Debug, Clone)]
pub struct GroupOutbox {
    folder: PathBuf,
    lock: PathBuf,
    journal: Journal,
}

/// An event that is being journaled.
#[derive(Debug)]
pub(super) struct Draft(PathBuf);

/// One event to be sent or verified.
#[derive(Debug)]
pub(super) struct OutboxEntry {
    path: PathBuf,
    /// The event.
    pub(super) event: Event,
    /// Its last PUT; `None` if it was never sent.
    pub(super) put: Option<PutRecord>,
}

impl Outbox {
    /// The outbox in `state_dir`, which need not exist yet.
    pub fn new(state_dir: &Path) -> Self {
        Self { state_dir: state_dir.to_owned() }
    }

    /// The outbox of the group `key`.
    pub fn group(&self, key: &GroupKey) -> GroupOutbox {
        self.group_in("outbox", &key.file_name())
    }

    /// The events of a service in an environment that are not in the shared state yet.
    pub(crate) fn unshared(&self, environment: &Label, service: &Label) -> GroupOutbox {
        self.group_in("unshared", &joined([environment.as_str(), service.as_str()]))
    }

    /// The environments and services that have events which are not in the shared state yet, sorted by name.
    pub(crate) fn services_with_unshared(&self) -> Vec<(Label, Label)> {
        let names = self.names_in("unshared").into_iter();
        names
            .filter_map(|name| {
                let parts = split(&name)?;
                let [environment, service] = parts.as_slice() else { return None };
                Some((environment.parse().ok()?, service.parse().ok()?))
            })
            .collect()
    }

    /// All groups that have a folder, sorted by name.
    pub(super) fn groups(&self) -> Vec<GroupOutbox> {
        self.names_in("outbox").iter().map(|name| self.group_in("outbox", name)).collect()
    }

    fn names_in(&self, area: &str) -> Vec<String> {
        let folders = fs::read_dir(self.state_dir.join(area)).into_iter().flatten().flatten();
        let mut names: Vec<String> =
            folders.filter_map(|entry| entry.file_name().into_string().ok()).collect();
        names.sort();
        names
    }

    fn group_in(&self, area: &str, name: &str) -> GroupOutbox {
        let lock = if area == "outbox" { name.to_owned() } else { format!("{area}.{name}") };
        GroupOutbox {
            folder: self.state_dir.join(area).join(name),
            lock: self.state_dir.join("locks").join(lock),
            journal: Journal::new(&self.state_dir),
        }
    }
}

impl GroupOutbox {
    /// Acquires the group's lock: one writer per group on this machine. The caller's own deadline bounds the wait.
    pub(super) fn lock(&self) -> io::Result<Lock> {
        lock::exclusive(&self.lock)
    }

    /// Acquires the group's lock; `None` if another tool has it.
    pub(crate) fn try_lock(&self) -> io::Result<Option<Lock>> {
        lock::try_exclusive(&self.lock)
    }

    /// The journal that the events of this outbox are also in.
    pub(crate) fn journal(&self) -> &Journal {
        &self.journal
    }

    /// The folder of the group.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Whether the group has no event.
    pub(crate) fn is_empty(&self) -> bool {
        self.file_names().is_empty()
    }

    /// Whether an event of the group was never sent, or its PUT was never acknowledged.
    pub(super) fn has_unsent(&self) -> bool {
        self.file_names().iter().any(|name| !name.contains(".sent-"))
    }

    /// The files, without temporary files of tools that were killed while they replaced one.
    fn file_names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
        names.filter(|name| !name.starts_with('.')).collect()
    }

    /// Writes the event as a draft.
    pub(super) fn draft(&self, event: &Event) -> io::Result<Draft> {
        let line = serde_json::to_vec(event)?;
        fs::create_dir_all(&self.folder)?;
        let name = format!("{:013}-{}.new", event.ts.timestamp_millis(), event.id.as_str());
        let path = self.folder.join(name);
        #[expect(clippy::disallowed_methods, reason = "a reader expects that a draft may be incomplete")]
        fs::write(&path, &line)?;
        Ok(Draft(path))
    }

    /// The drafts that tools have not committed, oldest first.
    pub(super) fn drafts(&self) -> io::Result<Vec<Draft>> {
        let is_draft = |path: &PathBuf| path.extension().is_some_and(|end| end == "new");
        Ok(self.paths()?.into_iter().filter(is_draft).map(Draft).collect())
    }

    /// The events that are not drafts, oldest first. Needs the group's lock.
    pub(super) fn entries(&self) -> Result<Vec<OutboxEntry>> {
        let paths = self.paths().with_context(|| format!("cannot read {}", self.folder.display()))?;
        Ok(paths.into_iter().filter_map(OutboxEntry::read).collect())
    }

    /// The files, oldest event first.
    pub(crate) fn paths(&self) -> io::Result<Vec<PathBuf>> {
        let mut paths: Vec<PathBuf> = match fs::read_dir(&self.folder) {
            Ok(entries) => entries.flatten().map(|entry| entry.path()).collect(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error),
        };
        paths.sort();
        Ok(paths)
    }
}

impl Draft {
    /// The event; `None` if the file is incomplete.
    pub(super) fn read(&self) -> io::Result<Option<Event>> {
        Ok(serde_json::from_slice(&fs::read(&self.0)?).ok())
    }

    /// Turns the draft into an unsent event.
    pub(super) fn commit(self) -> io::Result<()> {
        fs::rename(&self.0, self.0.with_extension("unsent"))
    }

    /// Removes the draft.
    pub(super) fn discard(self) -> io::Result<()> {
        fs::remove_file(self.0)
    }
}

impl OutboxEntry {
    fn read(path: PathBuf) -> Option<Self> {
        let put = match path.extension()?.to_str()?.split('-').collect::<Vec<_>>().as_slice() {
            ["unsent"] => None,
            [state @ ("tried" | "sent"), token, before] => Some(PutRecord {
                token: Token::parse(token)?,
                before: RecentTokens::parse(before),
                acknowledged: *state == "sent",
            }),
            _ => return None,
        };
        let event = serde_json::from_slice(&fs::read(&path).ok()?).ok()?;
        Some(Self { path, event, put })
    }

    /// Saves a change to the event. Only before its first PUT: a PUT is repeated unchanged.
    pub(super) fn save_event(&self) -> io::Result<()> {
        atomic::write(&self.path, &serde_json::to_vec(&self.event)?)
    }

    /// Saves the progress of its PUT.
    pub(super) fn save_put(&mut self, put: PutRecord) -> io::Result<()> {
        let state = if put.acknowledged { "sent" } else { "tried" };
        let renamed = self.path.with_extension(format!("{state}-{}-{}", put.token, put.before));
        fs::rename(&self.path, &renamed)?;
        self.path = renamed;
        self.put = Some(put);
        Ok(())
    }

    /// Removes the event: there is nothing more to do for it.
    pub(super) fn remove(self) -> io::Result<()> {
        fs::remove_file(self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::Entry;
    use crate::pushgateway::enqueue::journal_and_enqueue;
    use crate::testing::{build_outbox, stage_event};

    #[test]
    fn an_event_goes_from_unsent_to_tried_to_sent_to_gone() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::new(folder.path());
        let group = build_outbox(&Outbox::new(folder.path()));
        let event = stage_event("build");
        journal_and_enqueue(&journal, &group, &event).unwrap();
        assert_eq!(journal.read().unwrap(), [Entry::Finished(event.clone())]);
        let [mut entry] = group.entries().unwrap().try_into().unwrap();
        assert_eq!((&entry.event, &entry.put), (&event, &None));
        for acknowledged in [false, true] {
            let token = Token::from_event_id(&event.id);
            let mut before = RecentTokens::default();
            (0..20).for_each(|_| before.push(token));
            let put = PutRecord { token, before, acknowledged };
            entry.save_put(put.clone()).unwrap();
            [entry] = group.entries().unwrap().try_into().unwrap();
            assert_eq!(entry.put, Some(put));
        }
        entry.remove().unwrap();
        assert!(group.is_empty());
    }
}
