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
use std::path::Path;
use std::sync::Arc;

use chrono::DateTime;
use common::event::{Event, EventId, Started};
use common::fs::PrivateDir;
use common::fs::lock::Lock;
use common::identity::Identity;
use common::label::Label;
use serde_json::{Value, json};

use crate::journal::Journal;
use crate::pushgateway::{
    GroupOutbox, MAX_EVENT_BYTES, Outbox, complete_interrupted, journal_and_enqueue, with_state,
};

/// The events of one service in one environment that are not in the store yet.
#[derive(Debug)]
pub(crate) struct Spool(GroupOutbox);

/// The field of a record that is a ledger entry of dm-rollback.
const LEDGER_ENTRY: &str = "ledger_entry";

/// Ledger entries that are not in the shared state yet: whichever tool of this machine writes to it next adds them.
#[derive(Debug)]
pub struct PendingEntries(Spool);

impl PendingEntries {
    /// Those of the service and the environment of `identity`.
    pub fn new(state_dir: &Path, identity: &Identity) -> Self {
        Self(Spool::new(&Outbox::new(state_dir), identity))
    }

    /// Adds one, which has an `id`.
    ///
    /// # Errors
    /// The state directory cannot be written.
    pub fn add(&self, entry: &Value) -> io::Result<()> {
        self.0.save_ledger_entry(entry)
    }

    /// All of them, oldest first.
    pub fn all(&self) -> Vec<Value> {
        let records = self.0.read().unwrap_or_default().into_iter();
        records.filter_map(|record| ledger_entry(&record.value).cloned()).collect()
    }

    /// Removes one that is in the shared state now. If that fails, it is recognised there.
    pub fn remove(&self, entry: &Value) {
        let Ok(Some(folder)) = self.0.0.open() else { return };
        let name = ledger_file(entry);
        for name in [with_state(&name, "tried"), name] {
            let _ = folder.remove(&name);
        }
    }
}

/// The ledger entry in a record; `None` if it is an event.
pub(super) fn ledger_entry(record: &Value) -> Option<&Value> {
    record.get(LEDGER_ENTRY)
}

fn ledger_file(entry: &Value) -> String {
    let ts = entry["ts"].as_str().and_then(|ts| DateTime::parse_from_rfc3339(ts).ok()).unwrap_or_default();
    let id = entry["id"].as_str().unwrap_or_default();
    let id: String = id.chars().filter(char::is_ascii_alphanumeric).collect();
    format!("{:013}-{id}.unsent", ts.timestamp_millis())
}

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

    /// Spools a ledger entry of dm-rollback.
    fn save_ledger_entry(&self, entry: &Value) -> io::Result<()> {
        let record = json!({ LEDGER_ENTRY: entry, "ts": entry["ts"] });
        self.0.create()?.replace(&ledger_file(entry), &serde_json::to_vec(&record)?)
    }

    /// Acquires the spool's lock: one tool on this machine shares it.
    pub(super) async fn lock(&self) -> io::Result<Lock> {
        self.0.lock().await
    }

    /// How many records there are, and how many of them are ledger entries.
    pub(super) fn count(&self) -> (usize, usize) {
        let records = self.read().unwrap_or_default();
        let entries = records.iter().filter(|record| ledger_entry(&record.value).is_some()).count();
        (records.len(), entries)
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
