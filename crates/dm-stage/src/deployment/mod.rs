//! A deployment, as the journals tell it.

mod records;
mod row;
mod source;

use chrono::{DateTime, Utc};
use common::event::Event;
use common::identity::Identity;
use telemetry::{Entry, Unfinished};

pub(crate) use records::Records;
pub(crate) use row::{Progress, Row};
pub(crate) use source::{Source, at_end};

/// A deployment.
#[derive(Debug)]
pub(crate) struct Deployment<'a> {
    /// That of the deployment as a whole, if it is on record; otherwise of its first stage.
    pub(crate) identity: &'a Identity,
    /// When it began, or its first stage.
    pub(crate) began: DateTime<Utc>,
    /// When it ended, or the last that is known of it.
    pub(crate) until: DateTime<Utc>,
    /// How it ended.
    pub(crate) ending: Ending<'a>,
    /// The deployment as a whole before its stages, the others in the order of their starts.
    pub(crate) rows: Vec<Row<'a>>,
}

/// The end of a deployment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Ending<'a> {
    /// This is its end.
    Ended(&'a Event),
    /// It runs.
    Running,
    /// It was killed.
    Interrupted,
    /// Its end is not on record: another machine may finish it, or no stage `deployment` was run.
    Unknown,
}

impl<'a> Deployment<'a> {
    /// The deployment of these entries; `None` if there are none.
    pub(crate) fn of(
        entries: &[&'a Entry],
        unfinished: &[&'a Unfinished],
        now: DateTime<Utc>,
    ) -> Option<Self> {
        let rows = Row::of(entries, unfinished, now);
        // An id can be used again: what counts is the last run.
        let whole = rows.iter().filter(|row| row.is_whole()).max_by_key(|row| row.began);
        let identity = whole.or(rows.first())?.identity;
        // If its start is not on record, all that is known belongs to it.
        let known_start = whole.filter(|row| row.event.is_none_or(|event| event.duration_s.is_some()));
        let began = known_start.map(|row| row.began).or(rows.iter().map(|row| row.began).min())?;
        let until = whole.map(|row| row.until).or(rows.iter().map(|row| row.until).max())?;
        let ending = match whole.map(|row| (row.progress, row.event)) {
            Some((Progress::Ended(_), Some(event))) => Ending::Ended(event),
            Some((Progress::Interrupted, _)) => Ending::Interrupted,
            Some((Progress::Running, _)) => Ending::Running,
            None if rows.iter().any(|row| row.progress == Progress::Running) => Ending::Running,
            _ => Ending::Unknown,
        };
        Some(Self { identity, began, until, ending, rows })
    }

    /// Its end as a whole, if that is on record.
    pub(crate) fn whole(&self) -> Option<&'a Event> {
        match self.ending {
            Ending::Ended(event) => Some(event),
            _ => None,
        }
    }

    /// The rows of its last run.
    pub(crate) fn last_run(&self) -> impl Iterator<Item = &Row<'a>> {
        self.rows.iter().filter(|row| row.until >= self.began)
    }

    /// The stages of its last run that ended, oldest first.
    pub(crate) fn events(&self) -> Vec<&'a Event> {
        let stages = self.last_run().filter(|row| !row.is_deployment).filter_map(|row| row.event);
        let mut events: Vec<&Event> = stages.collect();
        events.sort_by_key(|event| event.ts);
        events
    }

    /// The stages that were cut off, or run.
    pub(crate) fn open_stages(&self) -> Vec<&Row<'a>> {
        let is_open = |row: &&Row<'_>| !row.is_deployment && !matches!(row.progress, Progress::Ended(_));
        self.last_run().filter(is_open).collect()
    }
}
