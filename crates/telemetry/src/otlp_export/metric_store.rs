//! What was counted of each stage, for a collector: a file for each stage of a service, in a folder for each temporality.
//!
//! Counters are never read from a collector: this folder is their only memory, and its id tells a collector who counts.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use chrono::{DateTime, Utc};
use common::event::Event;
use common::fs::PrivateDir;
use common::identity::random_hex;
use otlp::{MetricSet, Temporality};

use super::counted::{Counted, StageName};
use super::queue::{Batch, FOLDER, Queue};
use crate::metrics::Outage;

/// The file with the id of whoever counts here.
const INSTANCE: &str = "instance-id";

/// The end of the name of a file with the time of the point of this stage that was not sent.
const UNSENT: &str = ".unsent";

/// The largest file of a stage.
const MAX_BYTES: u64 = 1024 * 1024;

/// The most stages. Each is a file, and none is ever removed.
const MAX_STAGES: usize = 1000;

/// How many events are added at once.
const BATCH: usize = 256;

/// The stages that were counted on this machine.
#[derive(Debug)]
pub(super) struct MetricStore {
    folder: PrivateDir,
    temporality: Temporality,
}

/// What became of the events that waited.
#[derive(Debug, Default)]
pub(super) struct Added {
    /// How many files contained no event.
    pub(super) damaged: usize,
    /// A stage that is not counted, because there are too many.
    pub(super) uncounted: Option<String>,
}

impl MetricStore {
    /// The store of a state directory.
    ///
    /// # Errors
    /// The state directory cannot be written.
    pub(super) fn open(state_dir: &Path, temporality: Temporality) -> io::Result<Self> {
        let name = match temporality {
            Temporality::Cumulative => "totals",
            Temporality::Delta => "deltas",
        };
        Ok(Self { folder: PrivateDir::create(state_dir, &[FOLDER, name])?, temporality })
    }

    /// Adds what waits in the queue, and removes it there. A delta that may have arrived stays as it is until that is known,
    /// and the events after it wait: a collector that gets it twice can then see that. The caller has the queue's lock.
    ///
    /// # Errors
    /// The state directory cannot be read or written.
    pub(super) fn add_all(&self, queue: &Queue, now: DateTime<Utc>) -> io::Result<Added> {
        let mut result = Added::default();
        loop {
            let batch = queue.oldest(BATCH)?;
            result.damaged += queue.remove_damaged(&batch);
            let mut done = Vec::new();
            for (name, events) in by_stage(&batch) {
                if self.temporality == Temporality::Delta && self.unsent_point(&name.file())?.is_some() {
                    continue;
                }
                if !self.add(&name, &events, now)? {
                    result.uncounted.get_or_insert(name.stage);
                }
                done.extend(events.into_iter().map(|(file, _)| file.to_owned()));
            }
            if done.is_empty() {
                return Ok(result);
            }
            queue.remove_files(&done);
        }
    }

    /// Adds events of one stage. Returns whether the stage is counted.
    fn add(&self, name: &StageName, events: &[(&str, &Event)], now: DateTime<Utc>) -> io::Result<bool> {
        let file = name.file();
        let before = self.read(&file)?;
        if before.is_none() && self.stages()? >= MAX_STAGES {
            return Ok(false);
        }
        let is_deployment = events.iter().any(|(_, event)| event.stage.is_deployment());
        let outage = is_deployment.then(|| self.outage(name));
        let clock = (self.temporality, now);
        if let Some(counted) = Counted::after(before.as_ref(), (name, events), clock, outage)? {
            // If the tool is killed after this, the two times differ, and the events still wait.
            self.folder.replace_unsynced(&(file.clone() + UNSENT), counted.time.to_rfc3339().as_bytes())?;
            self.folder.replace_unsynced(&file, &serde_json::to_vec(&counted)?)?;
        }
        Ok(true)
    }

    /// The outage that a deployment ends or begins.
    fn outage(&self, deployment: &StageName) -> Outage {
        Outage::from_state(|stage, family| {
            let counted = self.read(&deployment.sibling(stage).file()).ok().flatten()?;
            counted.state().number(family, &[])
        })
    }

    /// Whether something was not sent.
    ///
    /// # Errors
    /// The state directory cannot be read.
    pub(super) fn has_unsent(&self) -> io::Result<bool> {
        Ok(self.folder.names()?.iter().any(|name| name.ends_with(UNSENT)))
    }

    /// What was not sent: the metrics of at most `most` stages, each with the name of its file. The caller has the queue's
    /// lock.
    ///
    /// # Errors
    /// The state directory cannot be read or written.
    pub(super) fn unsent(&self, most: usize) -> io::Result<Vec<(String, MetricSet)>> {
        let instance = self.instance()?;
        let mut sets = Vec::new();
        for marker in self.folder.names()? {
            let Some(file) = marker.strip_suffix(UNSENT) else { continue };
            if sets.len() == most {
                break;
            }
            match self.unsent_point(file)? {
                Some(counted) => {
                    sets.push((file.to_owned(), counted.into_set(instance.clone(), self.temporality)));
                }
                None => self.folder.remove(&marker)?,
            }
        }
        Ok(sets)
    }

    /// Remembers that these stages have nothing more to send.
    pub(super) fn mark_sent(&self, files: &[String]) {
        for file in files {
            // If that fails, the same point is sent again.
            let _ = self.folder.remove(&format!("{file}{UNSENT}"));
        }
    }

    /// What was counted of a stage; `None` if nothing was, or its file is damaged.
    fn read(&self, file: &str) -> io::Result<Option<Counted>> {
        let bytes = self.folder.read(file, MAX_BYTES)?;
        Ok(bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
    }

    /// The same, if it was not sent.
    fn unsent_point(&self, file: &str) -> io::Result<Option<Counted>> {
        let Some(time) = self.folder.read(&format!("{file}{UNSENT}"), 64)? else { return Ok(None) };
        Ok(self.read(file)?.filter(|counted| counted.time.to_rfc3339().as_bytes() == time))
    }

    /// The id of whoever counts in this folder: random, and the same as long as the folder exists.
    fn instance(&self) -> io::Result<String> {
        let known = self.folder.read(INSTANCE, 64)?.and_then(|bytes| String::from_utf8(bytes).ok());
        if let Some(known) = known.filter(|text| text.len() == 36) {
            return Ok(known);
        }
        let id = uuid(&random_hex(16));
        self.folder.replace_unsynced(INSTANCE, id.as_bytes())?;
        Ok(id)
    }

    /// How many stages are counted.
    fn stages(&self) -> io::Result<usize> {
        let is_stage = |name: &&String| *name != INSTANCE && !name.ends_with(UNSENT);
        Ok(self.folder.names()?.iter().filter(is_stage).count())
    }
}

/// The events of a batch with their files, by their stage.
fn by_stage(batch: &Batch) -> BTreeMap<StageName, Vec<(&str, &Event)>> {
    let mut stages: BTreeMap<StageName, Vec<(&str, &Event)>> = BTreeMap::new();
    for (file, event) in batch.names.iter().zip(&batch.events) {
        stages.entry(StageName::of(event)).or_default().push((file, event));
    }
    stages
}

/// A UUID of version 4 (RFC 9562) of 32 random digits, as the semantic conventions recommend.
fn uuid(digits: &str) -> String {
    let [one, two, three, four, five] =
        [&digits[..8], &digits[8..12], &digits[13..16], &digits[17..20], &digits[20..]];
    format!("{one}-{two}-4{three}-8{four}-{five}")
}

#[cfg(test)]
mod tests;
