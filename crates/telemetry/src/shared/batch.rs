//! Adding events to a document, each exactly once, whatever happened to earlier attempts.
//!
//! The document contains the newest events; older ones have been sealed. An event whose write was begun before may be in
//! either, so the segments that were sealed since then are searched before it is added.

use std::collections::HashSet;

use common::event::Event;
use serde_json::Value;
use state_store::Document;

use super::spool::ledger_entry;
use super::totals::{self, Base, Obstacle};
use crate::journal::Entry;
use crate::metrics::exposition::Remark;
use crate::metrics::{Outage, contribution};
use crate::pushgateway::{GroupKey, combined_state};

/// Records to add to the document in one write.
#[derive(Debug)]
pub(super) struct Batch {
    records: Vec<Value>,
    /// Whether a write of one of them was begun before.
    is_tried: bool,
    /// How many segments cannot contain any of them, or have been searched.
    searched: Option<u64>,
    /// The ids that were found in segments.
    sealed: HashSet<String>,
}

impl Batch {
    pub(super) fn new(records: Vec<Value>, is_tried: bool) -> Self {
        Self { records, is_tried, searched: None, sealed: HashSet::new() }
    }

    /// The ids that segments may contain.
    pub(super) fn ids(&self) -> HashSet<String> {
        self.records.iter().filter_map(|record| Some(record["id"].as_str()?.to_owned())).collect()
    }

    /// The deployments of the records.
    pub(super) fn deployments(&self) -> HashSet<&str> {
        self.records.iter().filter_map(|record| record["deployment"].as_str()).collect()
    }

    /// The time of the oldest record.
    pub(super) fn oldest(&self) -> Option<&str> {
        self.records.iter().filter_map(|record| record["ts"].as_str()).min()
    }

    /// Notes that the segments up to `number` contain `found`.
    pub(super) fn searched(&mut self, number: u64, found: HashSet<String>) {
        self.searched = Some(number);
        self.sealed.extend(found);
    }

    /// Adds what the document does not contain yet, and its contribution to the totals. May be called again after a write
    /// whose effect is not known.
    pub(super) fn add_to(&mut self, document: &mut Document, base: &Base) -> Result<Vec<Remark>, Obstacle> {
        let unsearched = *self.searched.get_or_insert(if self.is_tried { 0 } else { document.sealed });
        if document.sealed > unsearched {
            return Err(Obstacle::NeedsSearch(document.sealed));
        }
        totals::add_bases(document, base)?;
        let mut refused = Vec::new();
        for record in &self.records {
            if let Some(entry) = ledger_entry(record) {
                document.add_ledger_entry(entry.clone());
                continue;
            }
            if record["id"].as_str().is_some_and(|id| self.sealed.contains(id)) {
                continue;
            }
            let mut record = record.clone();
            let event = finished(&record);
            let event = event.map(|event| with_outage(event, document, base, &mut record));
            if document.add_event(record)
                && let Some(event) = event
            {
                let key = GroupKey::counters(&event.identity, &event.stage);
                refused.extend(totals::add(document, &key, &contribution(&event).counters, base)?);
            }
        }
        Ok(refused)
    }
}

/// The event in a record; `None` for the start of a deployment, and for what another version of the tools wrote.
fn finished(record: &Value) -> Option<Event> {
    match Entry::from_value(record)? {
        Entry::Finished(event) => Some(event),
        Entry::Started(_) => None,
    }
}

/// The event with what it says about an outage, if it is a deployment: the document knows those before it, whichever
/// machine they ran on.
fn with_outage(mut event: Event, document: &Document, base: &Base, record: &mut Value) -> Event {
    if !event.stage.is_deployment() {
        return event;
    }
    let known = events(document);
    let identity = &event.identity;
    let mut outage = Outage::from_state(|stage, family| {
        let of_stage = combined_state(known.iter().filter(|known| known.stage.as_str() == stage));
        of_stage.number(family, &[]).or_else(|| {
            let Base::Shown(snapshot) = base else { return None };
            snapshot.group(&GroupKey::state(identity, &stage.parse().ok()?))?.number(family, &[])
        })
    });
    outage.add(&mut event);
    for (name, seconds) in [("restored_s", event.restored_s), ("failing_since_s", event.failing_since_s)] {
        if let Some(seconds) = seconds {
            record[name] = Value::from(seconds);
        }
    }
    event
}

/// The events of the document, by the time at which they ended.
pub(super) fn events(document: &Document) -> Vec<Event> {
    let mut events: Vec<Event> = document.events.iter().filter_map(finished).collect();
    events.sort_by_key(|event| event.ts);
    events
}
