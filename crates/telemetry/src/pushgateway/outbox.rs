//! Events to be sent to the Pushgateway, in the state directory: one folder per group, one file per event. The end of the
//! file name is the state. Each change of state is one rename, so a kill leaves either the old state or the new one.
//!
//! | name ends in | state |
//! | --- | --- |
//! | `.new` | draft: being journaled |
//! | `.unsent` | journaled, never sent |
//! | `.tried-TOKENS-BEFORE` | a PUT was begun |
//! | `.sent-TOKENS-BEFORE` | the Pushgateway acknowledged the last PUT |
//! | no file | verified as counted, or too old to verify |
//!
//! With a shared state, events wait in folders of their own, `unshared`, until they are in the store; see `shared::spool`.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};

use super::dedup::{PutRecord, RecentTokens};
use super::ended_runs::EndedRuns;
use super::folder_name::FolderName;
use super::group_key::{GroupKey, joined, split};
use crate::args::EXPORT_BUDGET;
use crate::async_lock;
use crate::journal::Journal;
use common::event::Event;
use common::fs::PrivateDir;
use common::fs::bounded::MAX_LINE_BYTES;
use common::fs::lock::Lock;
use common::label::Label;

/// The folder of the outbox in the state directory.
const FOLDER: &str = "outbox";

/// The folder of the events that are not in the shared state yet.
const UNSHARED: &str = "unshared";

/// The folder of the locks in the state directory.
const LOCKS: &str = "locks";

/// The largest file with an event.
pub(crate) const MAX_EVENT_BYTES: u64 = MAX_LINE_BYTES as u64;

/// The outbox of one state directory.
#[derive(Debug, Clone)]
pub struct Outbox {
    state_dir: PathBuf,
    lock_limit: Duration,
}

/// The events of one group.
#[derive(Debug, Clone)]
pub struct GroupOutbox {
    state_dir: PathBuf,
    /// The folder of its folder.
    area: &'static str,
    name: FolderName,
    journal: Journal,
    lock_limit: Duration,
}

/// An event that is being journaled.
#[derive(Debug)]
pub(super) struct Draft {
    folder: Arc<PrivateDir>,
    name: String,
}

/// The file of an event to be sent or verified. Its name says how far the event is; the event need not be read for that.
#[derive(Debug)]
pub(super) struct OutboxFile {
    folder: Arc<PrivateDir>,
    name: String,
    /// Its last PUT; `None` if it was never sent.
    pub(super) put: Option<PutRecord>,
}

/// One event to be sent or verified.
#[derive(Debug)]
pub(super) struct OutboxEntry {
    pub(super) file: OutboxFile,
    /// The event.
    pub(super) event: Event,
}

impl Outbox {
    /// The outbox in `state_dir`, which need not exist yet.
    pub fn new(state_dir: &Path) -> Self {
        Self { state_dir: state_dir.to_owned(), lock_limit: EXPORT_BUDGET }
    }

    /// The same outbox; it waits for each lock for at most `limit`.
    #[must_use]
    pub fn waiting_at_most(self, limit: Duration) -> Self {
        Self { lock_limit: limit, ..self }
    }

    /// The outbox of the group `key`.
    pub fn group(&self, key: &GroupKey) -> GroupOutbox {
        self.group_in(FOLDER, key.file_name())
    }

    /// The events of a service in an environment that are not in the shared state yet.
    pub(crate) fn unshared(&self, environment: &Label, service: &Label) -> GroupOutbox {
        self.group_in(UNSHARED, joined([environment.as_str(), service.as_str()]))
    }

    /// The environments and services that have events which are not in the shared state yet, sorted by name.
    ///
    /// # Errors
    /// The state directory cannot be used.
    pub(crate) fn services_with_unshared(&self) -> io::Result<Vec<(Label, Label)>> {
        let names = self.names_in(UNSHARED)?.into_iter();
        let services = names.filter_map(|name| {
            let parts = split(&self.group_in(UNSHARED, name).whole_name()?)?;
            let [environment, service] = parts.as_slice() else { return None };
            Some((environment.parse().ok()?, service.parse().ok()?))
        });
        Ok(services.collect())
    }

    /// The runs that have ended.
    pub(crate) fn ended_runs(&self) -> EndedRuns {
        EndedRuns(self.state_dir.clone())
    }

    /// All groups that have a folder, sorted by name.
    ///
    /// # Errors
    /// The state directory cannot be used.
    pub(crate) fn groups(&self) -> io::Result<Vec<GroupOutbox>> {
        Ok(self.names_in(FOLDER)?.into_iter().map(|name| self.group_in(FOLDER, name)).collect())
    }

    fn names_in(&self, area: &str) -> io::Result<Vec<String>> {
        PrivateDir::open(&self.state_dir, &[area])?.map_or_else(|| Ok(Vec::new()), |folder| folder.names())
    }

    fn group_in(&self, area: &'static str, name: String) -> GroupOutbox {
        GroupOutbox {
            state_dir: self.state_dir.clone(),
            area,
            name: FolderName::new(name),
            journal: Journal::new(&self.state_dir).waiting_at_most(self.lock_limit),
            lock_limit: self.lock_limit,
        }
    }
}

impl GroupOutbox {
    /// Acquires the group's lock: one writer per group on this machine. Whatever else its thread has to do goes on in the
    /// meantime.
    pub(crate) async fn lock(&self) -> io::Result<Lock> {
        let locks = PrivateDir::create(&self.state_dir, &[LOCKS])?;
        async_lock::acquire(&locks, &self.lock_name(), self.lock_limit).await
    }

    fn lock_name(&self) -> String {
        if self.area == FOLDER { self.name().to_owned() } else { format!("{}.{}", self.area, self.name()) }
    }

    /// The journal that the events of this outbox are also in.
    pub(crate) fn journal(&self) -> &Journal {
        &self.journal
    }

    /// The folder of the group.
    #[cfg(test)]
    pub(super) fn folder(&self) -> PathBuf {
        self.state_dir.join(self.area).join(self.name())
    }

    /// The name of the folder, which no other group has.
    pub(crate) fn name(&self) -> &str {
        self.name.as_str()
    }

    /// Whether the group has no event.
    pub(crate) fn is_empty(&self) -> bool {
        self.names().is_ok_and(|names| names.is_empty())
    }

    /// The time and the id of the oldest event of the group that was never sent, or whose PUT was never acknowledged.
    pub(crate) fn oldest_unsent(&self) -> Option<String> {
        let oldest = self.names().ok()?.into_iter().find(|name| !name.contains(".sent-"))?;
        oldest.rsplit_once('.').map(|(event, _)| event.to_owned())
    }

    /// Removes all events. Needs the group's lock.
    pub(super) fn clear(&self) -> io::Result<()> {
        let Some(folder) = self.open()? else { return Ok(()) };
        self.names()?.iter().try_for_each(|name| folder.remove(name))
    }

    /// Writes the event as a draft.
    pub(super) fn draft(&self, event: &Event) -> io::Result<Draft> {
        let line = serde_json::to_vec(event)?;
        let folder = self.create()?;
        let name = format!("{:013}-{}.new", event.ts.timestamp_millis(), event.id.as_str());
        folder.create_file(&name, &line)?;
        Ok(Draft { folder, name })
    }

    /// The drafts that tools have not committed, oldest first.
    pub(super) fn drafts(&self) -> io::Result<Vec<Draft>> {
        let Some(folder) = self.open()? else { return Ok(Vec::new()) };
        let names = self
            .names()?
            .into_iter()
            .filter(|name| name.rsplit_once('.').is_some_and(|(_, state)| state == "new"));
        Ok(names.map(|name| Draft { folder: Arc::clone(&folder), name }).collect())
    }

    /// The group on the Pushgateway; `None` if this is not the folder of one.
    pub(super) fn key(&self) -> Option<GroupKey> {
        GroupKey::counters_with_file_name(&self.whole_name()?)
    }

    /// The events that are not drafts, oldest first. Needs the group's lock.
    pub(super) fn entries(&self) -> Result<Vec<OutboxEntry>> {
        Ok(self.files()?.into_iter().filter_map(OutboxFile::read).collect())
    }

    /// The files of the events that are not drafts, oldest first. Needs the group's lock.
    pub(super) fn files(&self) -> Result<Vec<OutboxFile>> {
        let unreadable = || format!("cannot read the outbox of {}", self.name());
        let Some(folder) = self.open().with_context(unreadable)? else { return Ok(Vec::new()) };
        let names = self.names().with_context(unreadable)?;
        Ok(names.into_iter().filter_map(|name| OutboxFile::parse(&folder, name)).collect())
    }

    /// Opens the folder of the group; `None` if it does not exist.
    pub(crate) fn open(&self) -> io::Result<Option<Arc<PrivateDir>>> {
        Ok(PrivateDir::open(&self.state_dir, &[self.area, self.name()])?.map(Arc::new))
    }

    /// Opens the folder of the group, and creates it if necessary.
    pub(crate) fn create(&self) -> io::Result<Arc<PrivateDir>> {
        let folder = PrivateDir::create(&self.state_dir, &[self.area, self.name()])?;
        self.name.note_in(&folder)?;
        Ok(Arc::new(folder))
    }

    /// The name before it was shortened; `None` if that is unknown.
    fn whole_name(&self) -> Option<String> {
        self.name.whole(|| PrivateDir::open(&self.state_dir, &[self.area, self.name()]).ok()?)
    }

    /// The files, oldest event first, without temporary files of tools that were killed while they replaced one.
    pub(crate) fn names(&self) -> io::Result<Vec<String>> {
        let Some(folder) = self.open()? else { return Ok(Vec::new()) };
        Ok(folder.names()?.into_iter().filter(|name| !name.starts_with('.')).collect())
    }
}

impl Draft {
    /// The event; `None` if the file is incomplete.
    pub(super) fn read(&self) -> io::Result<Option<Event>> {
        let bytes = self.folder.read(&self.name, MAX_EVENT_BYTES)?.ok_or(ErrorKind::NotFound)?;
        Ok(serde_json::from_slice(&bytes).ok())
    }

    /// Turns the draft into an unsent event.
    pub(super) fn commit(self) -> io::Result<()> {
        self.folder.rename(&self.name, &with_state(&self.name, "unsent"))
    }

    /// Removes the draft.
    pub(super) fn discard(self) -> io::Result<()> {
        self.folder.remove(&self.name)
    }
}

impl OutboxFile {
    fn parse(folder: &Arc<PrivateDir>, name: String) -> Option<Self> {
        let (_, state) = name.rsplit_once('.')?;
        let put = match state.split('-').collect::<Vec<_>>().as_slice() {
            ["unsent"] => None,
            [state @ ("tried" | "sent"), tokens, before] => Some(PutRecord {
                tokens: RecentTokens::parse(tokens),
                before: RecentTokens::parse(before),
                acknowledged: *state == "sent",
            }),
            _ => return None,
        };
        Some(Self { folder: Arc::clone(folder), name, put })
    }

    /// The id of the event.
    pub(super) fn event_id(&self) -> &str {
        let (event, _) = self.name.rsplit_once('.').unwrap_or((&self.name, ""));
        event.rsplit_once('-').map_or("", |(_, id)| id)
    }

    /// The event; `None` if it cannot be read.
    pub(super) fn event(&self) -> Option<Event> {
        serde_json::from_slice(&self.folder.read(&self.name, MAX_EVENT_BYTES).ok()??).ok()
    }

    /// The file with its event; `None` if it cannot be read.
    pub(super) fn read(self) -> Option<OutboxEntry> {
        let event = self.event()?;
        Some(OutboxEntry { file: self, event })
    }

    /// Removes the event: there is nothing more to do for it.
    pub(super) fn remove(self) -> io::Result<()> {
        self.folder.remove(&self.name)
    }
}

impl OutboxEntry {
    /// Its last PUT; `None` if it was never sent.
    pub(super) fn put(&self) -> Option<&PutRecord> {
        self.file.put.as_ref()
    }

    /// Saves a change to the event. Only before its first PUT: a PUT is repeated unchanged.
    pub(super) fn save_event(&self) -> io::Result<()> {
        self.file.folder.replace(&self.file.name, &serde_json::to_vec(&self.event)?)
    }

    /// Saves the progress of its PUT.
    pub(super) fn save_put(&mut self, put: PutRecord) -> io::Result<()> {
        let state = if put.acknowledged { "sent" } else { "tried" };
        let file = &mut self.file;
        let renamed = with_state(&file.name, &format!("{state}-{}-{}", put.tokens, put.before));
        file.folder.rename(&file.name, &renamed)?;
        file.name = renamed;
        file.put = Some(put);
        Ok(())
    }

    /// Saves that the Pushgateway acknowledged its last PUT.
    pub(super) fn save_acknowledged(&mut self) -> io::Result<()> {
        match self.put().cloned() {
            Some(put) => self.save_put(PutRecord { acknowledged: true, ..put }),
            None => Ok(()),
        }
    }

    /// Makes the event an unsent one of another outbox.
    pub(super) fn hand_over(self, other: &GroupOutbox) -> io::Result<()> {
        let file = self.file;
        file.folder.move_to(&file.name, &*other.create()?, &with_state(&file.name, "unsent"))
    }

    /// Removes the event: there is nothing more to do for it.
    pub(super) fn remove(self) -> io::Result<()> {
        self.file.remove()
    }
}

/// The name of a file with another state at its end.
pub(crate) fn with_state(name: &str, state: &str) -> String {
    let (event, _) = name.rsplit_once('.').unwrap_or((name, ""));
    format!("{event}.{state}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::Entry;
    use crate::pushgateway::dedup::Token;
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
        assert_eq!((&entry.event, entry.put()), (&event, None));
        for acknowledged in [false, true] {
            let token = Token::from_event_id(&event.id);
            let mut before = RecentTokens::default();
            (0..20).for_each(|_| before.push(token));
            let tokens = before.with_put(Token::parse("1").unwrap());
            let put = PutRecord { tokens, before, acknowledged };
            entry.save_put(put.clone()).unwrap();
            [entry] = group.entries().unwrap().try_into().unwrap();
            assert_eq!(entry.put(), Some(&put));
            assert_eq!(entry.file.event_id(), event.id.as_str());
        }
        entry.remove().unwrap();
        assert!(group.is_empty());
    }
}
