//! Events that are not in the store yet, in the state directory: one folder for each service in an environment, one file
//! for each event. The files are those of the outbox, with fewer states.
//!
//! | name ends in | state |
//! | --- | --- |
//! | `.new` | draft: being journaled |
//! | `.unsent` | journaled, never sent |
//! | `.tried` | a write to the store was begun |
//! | no file | in the store |

use std::io;
use std::sync::Arc;

use common::event::{Event, EventId, Started};
use common::fs::PrivateDir;
use common::fs::lock::Lock;
use common::identity::Identity;
use common::label::Label;
use serde_json::Value;

use crate::journal::Journal;
use crate::pushgateway::{
    GroupOutbox, MAX_EVENT_BYTES, Outbox, complete_interrupted, journal_and_enqueue, with_state,
};

/// The events of one service in one environment that are not in the store yet.
#[derive(Debug)]
pub(crate) struct Spool(GroupOutbox);

/// An event, or the start of one, that is not known to be in the store.
#[derive(Debug)]
pub(super) struct Spooled {
    folder: Arc<PrivateDir>,
    name: String,
    /// The record.
    pub(super) value: Value,
    /// Whether a write was begun: the store may contain it.
    pub(super) is_tried: bool,
}

impl Spool {
    /// The spool of this service in this environment. It waits for locks as long as `outbox` does.
    pub(crate) fn new(outbox: &Outbox, identity: &Identity) -> Self {
        Self::of(outbox, &identity.environment, &identity.service)
    }

    pub(super) fn of(outbox: &Outbox, environment: &Label, service: &Label) -> Self {
        Self(outbox.unshared(environment, service))
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
        let name = format!("{:013}-{}.unsent", started.ts.timestamp_millis(), id.as_str());
        self.0.create()?.replace(&name, &serde_json::to_vec(&value)?)
    }

    /// Acquires the spool's lock: one tool on this machine shares it.
    pub(super) async fn lock(&self) -> io::Result<Lock> {
        self.0.lock().await
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Completes what killed tools left half done. Returns all records, oldest first.
    pub(super) fn entries(&self) -> io::Result<Vec<Spooled>> {
        complete_interrupted(&self.0)?;
        self.read()
    }

    /// The events of this spool, oldest first, without waiting for anybody.
    pub(super) fn peek(&self) -> Vec<Event> {
        let spooled = self.read().unwrap_or_default().into_iter();
        spooled.filter_map(|spooled| serde_json::from_value(spooled.value).ok()).collect()
    }

    fn read(&self) -> io::Result<Vec<Spooled>> {
        let Some(folder) = self.0.open()? else { return Ok(Vec::new()) };
        let names = self.0.names()?.into_iter();
        Ok(names.filter_map(|name| Spooled::read(&folder, name)).collect())
    }
}

impl Spooled {
    fn read(folder: &Arc<PrivateDir>, name: String) -> Option<Self> {
        let is_tried = match name.rsplit_once('.')?.1 {
            "unsent" => false,
            "tried" => true,
            _ => return None,
        };
        let value = serde_json::from_slice(&folder.read(&name, MAX_EVENT_BYTES).ok()??).ok()?;
        Some(Self { folder: Arc::clone(folder), name, value, is_tried })
    }

    /// Notes that a write begins. From now on the store may contain the record.
    pub(super) fn mark_tried(&mut self) -> io::Result<()> {
        let renamed = with_state(&self.name, "tried");
        self.folder.rename(&self.name, &renamed)?;
        self.name = renamed;
        Ok(())
    }

    /// Removes the record: it is in the store.
    pub(super) fn remove(self) -> io::Result<()> {
        self.folder.remove(&self.name)
    }
}
