//! The journal of all machines: that of this machine, with the events of the document.

use std::io;
use std::path::Path;
use std::time::Duration;

use chrono::{DateTime, Utc};
use common::event::Event;
use common::identity::Identity;
use common::label::Label;
use common::runtime;
use serde_json::Value;
use state_store::{StoreError, StoreUrl};
use tokio::time::{Instant, timeout_at};

use super::link::Link;
use super::merge::merge;
use crate::journal::{Contents, Journal};
use crate::recorder::Sinks;

/// What is in the journal, and a warning if the part of other machines is missing.
pub type JournalOfAll = (Contents, Option<String>);

/// The journal of this machine and, with a shared state, of all others that deploy the same service to the same environment:
/// their newest few hundred events. Takes no longer than the budget for exporting.
///
/// # Errors
/// The journal of this machine exists but cannot be read.
pub fn read_journal(sinks: &Sinks, identity: &Identity) -> io::Result<JournalOfAll> {
    read(sinks, identity, Wanted::Recent, sinks.budget)
}

/// Like [`read_journal`], but goes back as far as necessary to find the events of `deployment`, for at most `limit`.
///
/// # Errors
/// The journal of this machine exists but cannot be read.
pub fn read_deployment(
    sinks: &Sinks,
    identity: &Identity,
    deployment: &Label,
    limit: Duration,
) -> io::Result<JournalOfAll> {
    read(sinks, identity, Wanted::Deployment(deployment), limit)
}

/// Like [`read_journal`], but goes back as far as necessary to find all events since this time, for at most `limit`.
///
/// # Errors
/// The journal of this machine exists but cannot be read.
pub fn read_since(
    sinks: &Sinks,
    identity: &Identity,
    since: DateTime<Utc>,
    limit: Duration,
) -> io::Result<JournalOfAll> {
    read(sinks, identity, Wanted::Since(since), limit)
}

/// The events of the deployment of `identity`, oldest first: those of all services on this machine and, with a shared
/// state, those of its service on others. Takes no longer than the budget for exporting. If the shared state cannot be
/// read, the events of this machine have to do.
///
/// # Errors
/// The journal of this machine exists but cannot be read.
pub fn deployment_events(sinks: &Sinks, identity: &Identity) -> io::Result<Vec<Event>> {
    let own = match &sinks.state_dir {
        Some(folder) => Journal::new(folder).read_deployment(&identity.deployment)?,
        None => Contents::default(),
    };
    let deployment = Wanted::Deployment(&identity.deployment);
    let (contents, _) = with_shared(own, sinks, identity, deployment, sinks.budget)?;
    Ok(contents.events_of(&identity.deployment))
}

/// What is looked for in the shared state, which has old events in segments of their own.
#[derive(Debug, Clone, Copy)]
enum Wanted<'a> {
    /// What is at hand.
    Recent,
    /// All of this deployment.
    Deployment(&'a Label),
    /// All since this time.
    Since(DateTime<Utc>),
}

impl Wanted<'_> {
    /// Whether this record is looked for.
    fn includes(self, record: &Value) -> bool {
        match self {
            Self::Recent => false,
            Self::Deployment(deployment) => record["deployment"] == deployment.as_str(),
            Self::Since(since) => ts(record).is_none_or(|ts| ts >= since),
        }
    }

    /// Whether nothing is missing that is older than these records, oldest first.
    fn is_complete(self, records: &[Value]) -> bool {
        let starts_before = records.first().is_none_or(|oldest| !self.includes(oldest));
        match self {
            Self::Recent => true,
            // If the oldest event is of the deployment, others may be older.
            Self::Deployment(_) => records.iter().any(|record| self.includes(record)) && starts_before,
            Self::Since(_) => !records.is_empty() && starts_before,
        }
    }

    /// Whether the segments before this one have nothing of it. `found` tells whether anything was found before this segment,
    /// and with it.
    fn ends_with(self, segment: &[Value], found: (bool, bool)) -> bool {
        match self {
            Self::Recent => true,
            Self::Deployment(_) => found.0 || (found.1 && self.is_complete(segment)),
            Self::Since(_) => self.is_complete(segment),
        }
    }
}

fn ts(record: &Value) -> Option<DateTime<Utc>> {
    DateTime::parse_from_rfc3339(record["ts"].as_str()?).ok().map(|ts| ts.to_utc())
}

fn read(sinks: &Sinks, identity: &Identity, wanted: Wanted<'_>, limit: Duration) -> io::Result<JournalOfAll> {
    let own = match &sinks.state_dir {
        Some(folder) => Journal::new(folder).read_all()?,
        None => Contents::default(),
    };
    with_shared(own, sinks, identity, wanted, limit)
}

/// The same, with what other machines have recorded.
fn with_shared(
    own: Contents,
    sinks: &Sinks,
    identity: &Identity,
    wanted: Wanted<'_>,
    limit: Duration,
) -> io::Result<JournalOfAll> {
    let Some(url) = &sinks.state_url else { return Ok((own, None)) };
    let records = records(url, sinks.state_dir.as_deref(), identity, wanted, limit);
    match runtime::block_on(records)? {
        Ok(records) => Ok((merge(own, &records, &url.to_string()), None)),
        Err(error) => {
            let warning = format!("only the journal of this machine was read, not the one in {url}: {error}");
            Ok((own, Some(warning)))
        }
    }
}

/// The events of the document and, if it does not have all that are wanted, those of segments: from the newest one to the one
/// after which there are no more.
async fn records(
    url: &StoreUrl,
    state_dir: Option<&Path>,
    identity: &Identity,
    wanted: Wanted<'_>,
    limit: Duration,
) -> Result<Vec<Value>, StoreError> {
    let deadline = Instant::now() + limit;
    let reading = async {
        let mut state = Link::new(url, state_dir).open(&identity.environment, &identity.service)?;
        let mut records = state.read(deadline).await?.events.clone();
        if !wanted.is_complete(&records) {
            let mut older: Vec<Vec<Value>> = Vec::new();
            let mut is_found = records.iter().any(|record| wanted.includes(record));
            state
                .sealed(deadline, |segment| {
                    let found: Vec<Value> =
                        segment.events.iter().filter(|record| wanted.includes(record)).cloned().collect();
                    let was_found = is_found;
                    is_found |= !found.is_empty();
                    older.push(found);
                    wanted.ends_with(&segment.events, (was_found, is_found))
                })
                .await?;
            records.splice(0..0, older.into_iter().rev().flatten());
        }
        Ok(records)
    };
    timeout_at(deadline, reading)
        .await
        .unwrap_or_else(|_| Err(StoreError::Unavailable("no response in time".to_owned())))
}
