//! The journal of all machines: that of this machine, with the events of the document.

use std::io;
use std::path::Path;
use std::time::Duration;

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
    read(sinks, identity, None, sinks.budget)
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
    read(sinks, identity, Some(deployment), limit)
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
    let deployment = Some(&identity.deployment);
    let (contents, _) = with_shared(own, sinks, identity, deployment, sinks.budget)?;
    Ok(contents.events_of(&identity.deployment))
}

fn read(
    sinks: &Sinks,
    identity: &Identity,
    deployment: Option<&Label>,
    limit: Duration,
) -> io::Result<JournalOfAll> {
    let own = match &sinks.state_dir {
        Some(folder) => Journal::new(folder).read_all()?,
        None => Contents::default(),
    };
    with_shared(own, sinks, identity, deployment, limit)
}

/// The same, with what other machines have recorded.
fn with_shared(
    own: Contents,
    sinks: &Sinks,
    identity: &Identity,
    deployment: Option<&Label>,
    limit: Duration,
) -> io::Result<JournalOfAll> {
    let Some(url) = &sinks.state_url else { return Ok((own, None)) };
    let records = records(url, sinks.state_dir.as_deref(), identity, deployment, limit);
    match runtime::block_on(records)? {
        Ok(records) => Ok((merge(own, &records, &url.to_string()), None)),
        Err(error) => {
            let warning = format!("only the journal of this machine was read, not the one in {url}: {error}");
            Ok((own, Some(warning)))
        }
    }
}

/// The events of the document and, if it has none of the deployment, those of segments: from the newest one to the one
/// after which there are no more of it.
async fn records(
    url: &StoreUrl,
    state_dir: Option<&Path>,
    identity: &Identity,
    deployment: Option<&Label>,
    limit: Duration,
) -> Result<Vec<Value>, StoreError> {
    let deadline = Instant::now() + limit;
    let reading = async {
        let mut state = Link::new(url, state_dir).open(&identity.environment, &identity.service)?;
        let mut records = state.read(deadline).await?.events.clone();
        let Some(deployment) = deployment else { return Ok(records) };
        let is_its = |record: &Value| record["deployment"] == deployment.as_str();
        // If the oldest event of the document is of the deployment, others may be in the segment before.
        let has_all = |records: &[Value]| {
            records.iter().any(is_its) && records.first().is_none_or(|oldest| !is_its(oldest))
        };
        if !has_all(&records) {
            let mut older: Vec<Vec<Value>> = Vec::new();
            let mut is_found = records.iter().any(is_its);
            state
                .sealed(deadline, |segment| {
                    older.push(segment.events.iter().filter(|record| is_its(record)).cloned().collect());
                    let was_found = is_found;
                    is_found |= segment.events.iter().any(is_its);
                    is_found && (has_all(&segment.events) || was_found)
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
