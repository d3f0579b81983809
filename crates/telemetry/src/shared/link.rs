//! The store, and sharing what is spooled.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use chrono::{DateTime, TimeDelta};
use common::clock::{Clock as _, SystemClock};
use common::identity::Identity;
use common::label::Label;
use serde_json::Value;
use state_store::{Document, Renewal, Segment, SharedState, StoreError, StoreUrl};
use tokio::time::{Instant, timeout, timeout_at};

use super::batch::Batch;
use super::error::ShareError;
use super::spool::{Spool, Spooled};
use super::totals::{Base, Obstacle};
use crate::metrics::exposition::Remark;
use crate::pushgateway::{GatewayClient, Outbox, hand_over};

/// How many records one write adds. A document seals its older half when it has 400, so what is being written stays in it
/// until it is in the store.
const MAX_BATCH: usize = 100;

/// A segment whose records are all older than this, compared with what is searched, was sealed before. The clocks of two
/// machines may differ.
const CLOCK_TOLERANCE: TimeDelta = TimeDelta::days(1);

/// The store, for this machine.
#[derive(Debug, Clone)]
pub(crate) struct Link {
    url: StoreUrl,
    state_dir: Option<PathBuf>,
}

/// A document with its latest content.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) state: SharedState,
    pub(super) document: Document,
    /// The histograms that could not be added to.
    pub(super) refused: Vec<Remark>,
}

impl Link {
    pub(crate) fn new(url: &StoreUrl, state_dir: Option<&Path>) -> Self {
        Self { url: url.clone(), state_dir: state_dir.map(Path::to_owned) }
    }

    /// The document of this service in this environment. Does not connect yet.
    pub(super) fn open(&self, environment: &Label, service: &Label) -> Result<SharedState, StoreError> {
        // A folder that cannot be created: without a state directory nothing is remembered.
        let state_dir = self.state_dir.as_deref().unwrap_or_else(|| Path::new("/dev/null"));
        SharedState::open(&self.url, state_dir, environment, service)
    }

    /// Takes over the events that were to be pushed before this machine had a shared state. What fails is left to the next
    /// tool.
    pub(super) async fn adopt(&self, client: Option<&GatewayClient>, deadline: Instant) {
        let Some(folder) = &self.state_dir else { return };
        let limit = deadline.saturating_duration_since(Instant::now()) / 3;
        let outbox = Outbox::new(folder).waiting_at_most(limit);
        let _ = timeout(limit, hand_over(&outbox, client)).await;
    }

    /// The spool of this service; `None` without a state directory.
    pub(super) fn spool(&self, identity: &Identity) -> Option<Spool> {
        self.state_dir.as_deref().map(|folder| Spool::new(&Outbox::new(folder), identity))
    }

    /// What of this service waits in the state directory, as part of a sentence.
    pub(super) fn waiting(&self, environment: &Label, service: &Label) -> String {
        let Some(folder) = &self.state_dir else { return "nothing waits".to_owned() };
        let (records, entries) = Spool::of(&Outbox::new(folder), environment, service).count();
        let (events, place) = (records - entries, folder.display());
        format!("{events} events and {entries} ledger entries of {service} in {environment} wait in {place}")
    }

    /// The other services of this machine that have spooled events: stages of the same deployment may be theirs.
    pub(super) fn others(&self, identity: &Identity) -> Vec<(Label, Label)> {
        let Some(folder) = &self.state_dir else { return Vec::new() };
        let outbox = Outbox::new(folder);
        // Sharing the own events reports what is wrong with the state directory.
        let mut others = outbox.services_with_unshared().unwrap_or_default();
        others.retain(|(environment, service)| {
            (environment, service) != (&identity.environment, &identity.service)
                && !Spool::of(&outbox, environment, service).is_empty()
        });
        others
    }

    /// Adds what is spooled for this service, and `unsaved`, to its document, and removes it from the spool. Reads the
    /// Pushgateway if the document needs that.
    pub(super) async fn share(
        &self,
        (environment, service): (&Label, &Label),
        unsaved: Vec<Value>,
        base: &mut Base,
        client: Option<&GatewayClient>,
        deadline: Instant,
    ) -> Result<Shared, ShareError> {
        let sharing = async {
            let mut state = self.open(environment, service)?;
            // A lock that somebody holds is reported before the time has ended.
            let lock_limit = deadline.saturating_duration_since(Instant::now()) * 3 / 4;
            let spool = self.state_dir.as_deref().map(|folder| {
                let outbox = Outbox::new(folder).waiting_at_most(lock_limit);
                Spool::of(&outbox, environment, service)
            });
            let _lock = match &spool {
                Some(spool) => Some(spool.lock().await?),
                None => None,
            };
            let mut entries = spool.map_or_else(|| Ok(Vec::new()), |spool| spool.entries())?;
            let mut refused = Vec::new();
            let mut unsaved = Some(unsaved);
            loop {
                let rest = entries.split_off(entries.len().min(MAX_BATCH));
                let more = unsaved.take().unwrap_or_default();
                let (document, unequal) = write(&mut state, entries, more, base, client, deadline).await?;
                refused.extend(unequal);
                if rest.is_empty() {
                    return Ok(Shared { state, document, refused });
                }
                entries = rest;
            }
        };
        // Not every request of every store ends by itself.
        timeout_at(deadline, sharing)
            .await
            .unwrap_or_else(|_| Err(StoreError::Unavailable("no response in time".to_owned()).into()))
    }
}

/// Adds these records to the document.
async fn write(
    state: &mut SharedState,
    mut entries: Vec<Spooled>,
    unsaved: Vec<Value>,
    base: &mut Base,
    client: Option<&GatewayClient>,
    deadline: Instant,
) -> Result<(Document, Vec<Remark>), ShareError> {
    let is_tried = entries.iter().any(|entry| entry.is_tried);
    for entry in &mut entries {
        entry.mark_tried()?;
    }
    let records = entries.iter().map(|entry| entry.value.clone()).chain(unsaved).collect();
    let mut batch = Batch::new(records, is_tried);
    let renewal = Renewal::new(SystemClock.now());
    let written = loop {
        let attempt = state.update(deadline, |document| {
            let refused = batch.add_to(document, base)?;
            for deployment in batch.deployments() {
                document.renew_between(deployment, &renewal);
            }
            Ok((document.clone(), refused))
        });
        match attempt.await {
            Ok(written) => break written,
            Err(Obstacle::NeedsBase) => *base = read_base(client, deadline).await,
            Err(Obstacle::NeedsSearch(number)) => {
                let found = search(state, &batch, deadline).await?;
                batch.searched(number, found);
            }
            Err(Obstacle::Store(error)) => return Err(error.into()),
        }
    };
    for entry in entries {
        entry.remove()?;
    }
    Ok(written)
}

/// Reads the Pushgateway. If it does not respond, there is still time to write to the store.
async fn read_base(client: Option<&GatewayClient>, deadline: Instant) -> Base {
    let Some(client) = client else { return Base::Unreadable };
    let limit = deadline.saturating_duration_since(Instant::now()) / 2;
    match timeout(limit, client.read()).await {
        Ok(Ok(snapshot)) => Base::Shown(Box::new(snapshot)),
        Ok(Err(_)) | Err(_) => Base::Unreadable,
    }
}

/// The ids of the batch that segments contain.
async fn search(
    state: &mut SharedState,
    batch: &Batch,
    deadline: Instant,
) -> Result<HashSet<String>, StoreError> {
    let (wanted, mut found) = (batch.ids(), HashSet::new());
    let oldest = batch.oldest().and_then(|ts| DateTime::parse_from_rfc3339(ts).ok());
    let since = oldest.map(|oldest| oldest - CLOCK_TOLERANCE);
    let is_before = |event: &Value| {
        let at = event["ts"].as_str().and_then(|ts| DateTime::parse_from_rfc3339(ts).ok());
        at.zip(since).is_some_and(|(at, since)| at < since)
    };
    state
        .sealed(deadline, |Segment { events, .. }| {
            let ids = events.iter().filter_map(|event| event["id"].as_str());
            found.extend(ids.filter(|id| wanted.contains(*id)).map(str::to_owned));
            found.len() == wanted.len() || (!events.is_empty() && events.iter().all(is_before))
        })
        .await?;
    Ok(found)
}
