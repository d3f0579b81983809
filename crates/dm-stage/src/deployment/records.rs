//! Everything that the journals say, and what runs on this machine.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;

use anyhow::{Result, bail};
use chrono::{DateTime, Utc};
use common::event::Event;
use common::identity::Identity;
use common::label::Label;
use telemetry::{Entry, Unfinished};

use super::Deployment;

/// How many ids are listed if the wanted one is unknown.
const LISTED: usize = 5;

/// What was read.
#[derive(Debug)]
pub(crate) struct Records {
    pub(super) entries: Vec<Entry>,
    /// What is not in the journal: it runs, or was killed.
    pub(super) unfinished: Vec<Unfinished>,
}

impl Records {
    /// What is known at the end of a deployment, before all of it is on record.
    pub(crate) fn at_end(events: Vec<Event>, whole: &Event) -> Self {
        let is_recorded = events.iter().any(|event| event.id == whole.id);
        let whole = (!is_recorded).then(|| whole.clone());
        Self {
            entries: events.into_iter().chain(whole).map(Entry::Finished).collect(),
            unfinished: Vec::new(),
        }
    }

    /// The same, with the work of these that is not on record.
    pub(crate) fn with_unfinished(mut self, mut unfinished: Vec<Unfinished>) -> Self {
        unfinished.retain(|work| !work.is_recorded(&self.entries));
        self.unfinished = unfinished;
        self
    }

    /// The finished work, oldest first.
    pub(crate) fn into_events(self) -> Vec<Event> {
        let finished = self.entries.into_iter().filter_map(|entry| match entry {
            Entry::Finished(event) => Some(event),
            Entry::Started(_) => None,
        });
        let mut events: Vec<Event> = finished.collect();
        events.sort_by_key(|event| event.ts);
        events
    }

    /// Whether nothing was read.
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.unfinished.is_empty()
    }

    /// The deployment with this id, or the last one. `place` is where the records are from.
    ///
    /// # Errors
    /// There is none; the message names those that are known.
    pub(crate) fn find(
        &self,
        id: Option<&Label>,
        place: &impl Display,
        now: DateTime<Utc>,
    ) -> Result<Deployment<'_>> {
        let known = self.ids();
        let Some(id) = id.or(known.first().copied()) else {
            bail!("{place} is empty: no deployment has been recorded yet");
        };
        if let Some(deployment) = self.deployment(id, now) {
            return Ok(deployment);
        }
        let listed: Vec<String> = known.iter().take(LISTED).map(ToString::to_string).collect();
        let listed = match listed.as_slice() {
            [] => "it is empty".to_owned(),
            ids => format!("the newest are {}", ids.join(", ")),
        };
        bail!("{place} has no deployment {id}; {listed}");
    }

    /// The deployment with this id.
    pub(crate) fn deployment(&self, id: &Label, now: DateTime<Utc>) -> Option<Deployment<'_>> {
        let entries: Vec<&Entry> =
            self.entries.iter().filter(|entry| identity(entry).deployment == *id).collect();
        let unfinished: Vec<&Unfinished> =
            self.unfinished.iter().filter(|work| work.started.identity.deployment == *id).collect();
        Deployment::of(&entries, &unfinished, now)
    }

    /// All deployments, newest first.
    pub(crate) fn deployments(&self, now: DateTime<Utc>) -> Vec<Deployment<'_>> {
        let mut by_id: BTreeMap<&Label, (Vec<&Entry>, Vec<&Unfinished>)> = BTreeMap::new();
        for entry in &self.entries {
            by_id.entry(&identity(entry).deployment).or_default().0.push(entry);
        }
        for work in &self.unfinished {
            by_id.entry(&work.started.identity.deployment).or_default().1.push(work);
        }
        let mut deployments: Vec<Deployment<'_>> = by_id
            .values()
            .filter_map(|(entries, unfinished)| Deployment::of(entries, unfinished, now))
            .collect();
        deployments
            .sort_by_key(|deployment| std::cmp::Reverse((deployment.began, &deployment.identity.deployment)));
        deployments
    }

    /// The ids of the deployments, those first whose last record is the newest.
    fn ids(&self) -> Vec<&Label> {
        let entries =
            self.entries.iter().enumerate().map(|(place, entry)| (ts(entry), place, identity(entry)));
        let running = self.unfinished.iter().enumerate();
        let running = running.map(|(place, work)| (work.started.ts, place, &work.started.identity));
        let mut all: Vec<_> = entries.chain(running).collect();
        all.sort_by_key(|(ts, place, _)| std::cmp::Reverse((*ts, *place)));
        let mut seen = BTreeSet::new();
        all.into_iter().map(|(.., identity)| &identity.deployment).filter(|id| seen.insert(*id)).collect()
    }
}

fn identity(entry: &Entry) -> &Identity {
    match entry {
        Entry::Finished(event) => &event.identity,
        Entry::Started(started) => &started.identity,
    }
}

fn ts(entry: &Entry) -> DateTime<Utc> {
    match entry {
        Entry::Finished(event) => event.ts,
        Entry::Started(started) => started.ts,
    }
}
