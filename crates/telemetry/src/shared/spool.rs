//! Events that are not in the store yet, in the state directory: one folder for each service in an environment, one file
//! for each event. The files are those of the outbox, with fewer states.
//!
//! | name ends in | state |
//! | --- | --- |
//! | `.new` | draft: being journaled |
//! | `.unsent` | journaled, never sent |
//! | `.tried` | a write to the store was begun |
//! | no file | in the store |

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use common::event::{Event, EventId, Started};
use common::fs::atomic;
use common::fs::lock::Lock;
use common::identity::Identity;
use common::label::Label;
use serde_json::Value;

use crate::journal::Journal;
use crate::pushgateway::{GroupOutbox, Outbox, complete_interrupted, journal_and_enqueue};

/// The events of one service in one environment that are not in the store yet.
#[derive(Debug)]
pub(crate) struct Spool(GroupOutbox);

/// An event, or the start of one, that is not known to be in the store.
#[derive(Debug)]
pub(super) struct Spooled {
    path: PathBuf,
    /// The record.
    pub(super) value: Value,
    /// Whether a write was begun: the store may contain it.
    pub(super) is_tried: bool,
}

impl Spool {
    /// The spool of this service in this environment.
    pub(crate) fn new(state_dir: &Path, identity: &Identity) -> Self {
        Self::of(state_dir, &identity.environment, &identity.service)
    }

    pub(super) fn of(state_dir: &Path, environment: &Label, service: &Label) -> Self {
        Self(Outbox::new(state_dir).unshared(environment, service))
    }

    /// Appends the event to the journal, and spools it, as if in one step.
    pub(crate) fn save(&self, journal: &Journal, event: &Event) -> io::Result<()> {
        journal_and_enqueue(journal, &self.0, event)
    }

    /// Spools the start of a deployment. A tool that is killed before that has started nothing.
    pub(crate) fn save_start(&self, started: &Started) -> io::Result<()> {
        let id = EventId::random();
        let mut value = serde_json::to_value(started)?;
        value["id"] = Value::from(id.as_str());
        fs::create_dir_all(self.0.folder())?;
        let name = format!("{:013}-{}.unsent", started.ts.timestamp_millis(), id.as_str());
        atomic::write(&self.0.folder().join(name), &serde_json::to_vec(&value)?)
    }

    /// Acquires the spool's lock: one tool on this machine shares it. `None` if another tool has it.
    pub(super) fn try_lock(&self) -> io::Result<Option<Lock>> {
        self.0.try_lock()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Completes what killed tools left half done. Returns all records, oldest first.
    pub(super) fn entries(&self) -> io::Result<Vec<Spooled>> {
        complete_interrupted(&self.0)?;
        Ok(self.0.paths()?.into_iter().filter_map(Spooled::read).collect())
    }

    /// The events of this spool, oldest first, without waiting for anybody.
    pub(super) fn peek(&self) -> Vec<Event> {
        let paths = self.0.paths().unwrap_or_default();
        let values = paths.into_iter().filter_map(Spooled::read);
        values.filter_map(|spooled| serde_json::from_value(spooled.value).ok()).collect()
    }
}

impl Spooled {
    fn read(path: PathBuf) -> Option<Self> {
        let is_tried = match path.extension()?.to_str()? {
            "unsent" => false,
            "tried" => true,
            _ => return None,
        };
        let value = serde_json::from_slice(&fs::read(&path).ok()?).ok()?;
        Some(Self { path, value, is_tried })
    }

    /// Notes that a write begins. From now on the store may contain the record.
    pub(super) fn mark_tried(&mut self) -> io::Result<()> {
        let renamed = self.path.with_extension("tried");
        fs::rename(&self.path, &renamed)?;
        self.path = renamed;
        Ok(())
    }

    /// Removes the record: it is in the store.
    pub(super) fn remove(self) -> io::Result<()> {
        fs::remove_file(self.path)
    }
}
