//! The document of one service in one environment: everything that its deployments share.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::error::StoreError;
use crate::lease::{self, Acquired, Lease, LeaseRequest, Renewal};

/// The version of the format.
const FORMAT: u32 = 1;

/// The largest number that every reader of JSON keeps.
const MAX_NUMBER: u64 = 1 << 53;

/// With more events than this, the oldest leave the document.
const MAX_EVENTS: usize = 400;

/// With more ledger entries than this, the oldest leave the document.
const MAX_LEDGER: usize = 1000;

/// With more bytes of events, or of ledger entries, than this, the oldest leave the document.
const MAX_PART_BYTES: usize = 768 * 1024;

/// The document. One conditional write changes all of it, so a ledger entry, its fencing number and the events before it
/// never contradict each other.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Document {
    /// The version of the format: 1.
    pub v: u32,
    /// The number of changes so far.
    pub sequence: u64,
    /// The last fencing number that was given out.
    pub last_fence: u64,
    /// The present lease.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease: Option<Lease>,
    /// The ledger of dm-rollback, oldest first. Each entry has an `id`.
    #[serde(default)]
    pub ledger: Vec<Value>,
    /// The events of the journal, in the order in which they arrived. Each has an `id`.
    #[serde(default)]
    pub events: Vec<Value>,
    /// The sums of all events so far: the text of each group of counters, by the group's name.
    #[serde(default)]
    pub counters: BTreeMap<String, String>,
    /// The number of sealed segments, which contain what has left this document.
    #[serde(default)]
    pub sealed: u64,
    /// What a newer version of the tools has added.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

/// What leaves a document: an immutable object.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Segment {
    /// The version of the format: 1.
    pub v: u32,
    /// Ledger entries, oldest first.
    #[serde(default)]
    pub ledger: Vec<Value>,
    /// Events, oldest first.
    #[serde(default)]
    pub events: Vec<Value>,
}

impl Default for Document {
    fn default() -> Self {
        Self {
            v: FORMAT,
            sequence: 0,
            last_fence: 0,
            lease: None,
            ledger: Vec::new(),
            events: Vec::new(),
            counters: BTreeMap::new(),
            sealed: 0,
            more: Map::new(),
        }
    }
}

impl Document {
    /// Reads a document.
    ///
    /// # Errors
    /// It is damaged, or has another format.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, StoreError> {
        let value: Value =
            serde_json::from_slice(bytes).map_err(|error| StoreError::Damaged(error.to_string()))?;
        if value["v"] != FORMAT {
            return Err(StoreError::Format(value["v"].to_string()));
        }
        let document: Self =
            serde_json::from_value(value).map_err(|error| StoreError::Damaged(error.to_string()))?;
        document.check()?;
        Ok(document)
    }

    /// Whether its numbers can still be increased. No tool comes near the limit.
    pub(crate) fn check(&self) -> Result<(), StoreError> {
        let numbers = [("sequence", self.sequence), ("last_fence", self.last_fence), ("sealed", self.sealed)];
        match numbers.into_iter().find(|(_, number)| *number > MAX_NUMBER) {
            Some((name, number)) => {
                Err(StoreError::Damaged(format!("its `{name}` is {number}, which no tool has written")))
            }
            None => Ok(()),
        }
    }

    /// The text: a line for each entry, so that a person can read and compare it.
    pub(crate) fn to_bytes(&self) -> Result<Vec<u8>, StoreError> {
        serde_json::to_vec_pretty(self).map_err(|error| StoreError::Damaged(error.to_string()))
    }

    /// Adds an event, unless an event with its `id` is present. Returns whether it was added.
    pub fn add_event(&mut self, event: Value) -> bool {
        add(&mut self.events, event)
    }

    /// Adds a ledger entry, unless an entry with its `id` is present. Returns whether it was added.
    pub fn add_ledger_entry(&mut self, entry: Value) -> bool {
        add(&mut self.ledger, entry)
    }

    /// Acquires the lease. `is_expired` decides about the present one.
    ///
    /// # Errors
    /// The present lease, if it has not expired.
    pub fn acquire(
        &mut self,
        request: &LeaseRequest,
        is_expired: impl Fn(&Lease) -> bool,
    ) -> Result<Acquired, Box<Lease>> {
        lease::acquire(&mut self.lease, &mut self.last_fence, request, is_expired)
    }

    /// Renews the lease with this fencing number. Returns whether it is still held.
    pub fn renew(&mut self, fence: u64, renewal: &Renewal) -> bool {
        lease::renew(&mut self.lease, fence, renewal)
    }

    /// Renews the lease that this deployment holds between its processes, if it holds one.
    pub fn renew_between(&mut self, deployment: &str, renewal: &Renewal) {
        lease::renew_between(&mut self.lease, deployment, renewal);
    }

    /// Whether the lease with this fencing number is held.
    pub fn holds(&self, fence: u64) -> bool {
        let outer = self.lease.as_ref().and_then(|lease| lease.outer.as_ref());
        self.lease.as_ref().is_some_and(|lease| lease.fence == fence)
            || outer.is_some_and(|lease| lease.fence == fence)
    }

    /// Releases the lease with this fencing number. Returns whether it was still held.
    pub fn release(&mut self, fence: u64) -> bool {
        lease::release(&mut self.lease, fence)
    }

    /// Releases the lease that this deployment holds between its processes. Returns whether it held one.
    pub fn release_deployment(&mut self, deployment: &str) -> bool {
        lease::release_deployment(&mut self.lease, deployment)
    }

    /// The oldest entries of a document that has become too large: what its next change takes out.
    ///
    /// This depends on nothing that the change adds. So whoever makes it, and how often, writes the same segment, and a
    /// segment whose document was never written contains only what the document still has.
    pub(crate) fn sealable(&self) -> Option<Segment> {
        let events = older_half(&self.events, MAX_EVENTS);
        let ledger = older_half(&self.ledger, MAX_LEDGER);
        (events + ledger > 0).then(|| Segment {
            v: FORMAT,
            ledger: self.ledger[..ledger].to_vec(),
            events: self.events[..events].to_vec(),
        })
    }

    /// Takes out what the segment of this number contains. Changes only add to the end of a document.
    pub(crate) fn seal(&mut self, segment: &Segment, number: u64) {
        self.events.drain(..segment.events.len());
        self.ledger.drain(..segment.ledger.len());
        self.sealed = number + 1;
    }
}

/// How many entries are the older half, if there are too many, or they are too heavy. What else the document contains
/// does not count: sealing entries would not make it lighter.
fn older_half(entries: &[Value], max: usize) -> usize {
    let is_heavy = || serde_json::to_vec(entries).is_ok_and(|bytes| bytes.len() > MAX_PART_BYTES);
    if entries.len() > max || is_heavy() { entries.len() / 2 } else { 0 }
}

fn add(entries: &mut Vec<Value>, entry: Value) -> bool {
    // An entry that an older version of the tools wrote has no id.
    let is_same = |present: &Value| {
        if entry["id"].is_null() { *present == entry } else { present["id"] == entry["id"] }
    };
    let is_present = entries.iter().any(is_same);
    if !is_present {
        entries.push(entry);
    }
    !is_present
}
