//! One tool's conversation with the gateway, beside the work and after it.

use std::time::Duration;

use anyhow::Result;
use tokio::sync::oneshot::Receiver;
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};

use super::client::{GatewayClient, Rejected};
use super::group_key::GroupKey;
use super::outbox::{GroupBox, Outbox};
use super::push::{deliver, deliver_unkept, verify};
use super::snapshot::Snapshot;
use crate::metrics::exposition::UnequalBuckets;
use crate::metrics::{Exposition, in_progress, migration_in_progress, zeros};
use crate::work::{WorkItem, WorkKind};
use common::event::Event;

/// A run that says nothing for 120 s counts as dead, so three heartbeats may be lost.
const HEARTBEAT: Duration = Duration::from_secs(30);

/// Work that is over sooner needs no announcement: no scrape could see it.
const TOO_SHORT_TO_ANNOUNCE: Duration = Duration::from_millis(20);

/// So many dead runs are cleared away by one deployment.
const MOST_CLEARED: usize = 5;

/// So often the closing read of a deployment repairs what other machines wrote over.
const REPAIRS: usize = 3;

/// A conversation with the gateway.
#[derive(Debug)]
pub struct Session {
    client: GatewayClient,
    scope: WorkItem,
    outbox: Option<Outbox>,
}

impl Session {
    /// Nothing is said yet. Without an outbox an event is pushed once, and nothing is known of it afterwards.
    pub fn new(client: GatewayClient, scope: WorkItem, outbox: Option<Outbox>) -> Self {
        Self { client, scope, outbox }
    }

    /// Says that the work has begun: the deployment is in progress, and its counters exist, at zero.
    pub async fn open(&self) -> Result<()> {
        if let Some((key, run)) = self.own_run() {
            self.client.put(&key, &run).await?;
        }
        self.beat_for_run().await?;
        // Where there is no place for a lock, nobody else on this machine takes one either.
        let _lock = self.group().and_then(|group| group.lock().ok());
        let store = self.client.read().await?;
        let key = self.key();
        if store.group(&key).is_none() {
            let zeros = zeros(self.scope.work, &self.scope.stage, self.scope.parent.as_ref());
            self.client.put(&key, &zeros).await?;
        }
        if self.is_whole_deployment() {
            for dead in store.dead_runs(&self.scope.identity, self.scope.started_at).iter().take(MOST_CLEARED)
            {
                self.client.delete(dead).await?;
            }
        }
        Ok(())
    }

    /// Opens, keeps the run alive until the work has ended, and says what it came to. `end` gives the event where it
    /// could not be kept in the outbox, and nothing where it could.
    pub async fn attend(&self, mut end: Receiver<Option<Box<Event>>>) -> Result<Vec<UnequalBuckets>> {
        if let Ok(ended) = timeout(TOO_SHORT_TO_ANNOUNCE, &mut end).await {
            return self.tell(ended.unwrap_or_default().as_deref()).await;
        }
        let _ = self.open().await;
        let mut beats = interval_at(Instant::now() + HEARTBEAT, HEARTBEAT);
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                ended = &mut end => return self.tell(ended.unwrap_or_default().as_deref()).await,
                _ = beats.tick(), if self.own_run().is_some() || self.scope.beats_for_run => {
                    let _ = self.beat().await;
                }
            }
        }
    }

    /// Says what the work came to.
    async fn tell(&self, unkept: Option<&Event>) -> Result<Vec<UnequalBuckets>> {
        let refused = match (unkept, self.group()) {
            (Some(event), _) => deliver_unkept(&self.client, event).await?,
            (None, Some(group)) => {
                let _lock = group.lock()?;
                deliver(&self.client, &group).await?
            }
            (None, None) => Vec::new(),
        };
        if let Some((key, _)) = self.own_run() {
            self.client.delete(&key).await?;
        }
        Ok(refused)
    }

    /// After the tool's own event: sends what an outage left behind in other groups, and after a whole deployment makes
    /// sure of all that was sent. What the budget cuts off here is left to the next tool.
    pub async fn tidy(&self) -> Result<Left> {
        let Some(outbox) = &self.outbox else { return Ok(Left(0)) };
        if !self.is_whole_deployment() {
            let unsent = outbox.groups().into_iter().filter(GroupBox::has_unsent);
            for group in unsent {
                send(&self.client, &group).await?;
            }
            return Ok(Left(0));
        }
        settle(&self.client, outbox).await
    }

    async fn beat(&self) -> Result<()> {
        if let Some((key, _)) = self.own_run() {
            self.client.post(&key, &Exposition::default()).await?;
        }
        self.beat_for_run().await
    }

    /// For a deployment of which no tool runs all the time.
    async fn beat_for_run(&self) -> Result<()> {
        if self.scope.beats_for_run && !self.is_whole_deployment() {
            self.client.post(&GroupKey::run(&self.scope.identity), &Exposition::default()).await?;
        }
        Ok(())
    }

    /// The group that says that this work runs, and lives as long as it does.
    fn own_run(&self) -> Option<(GroupKey, Exposition)> {
        let WorkItem { identity, work, .. } = &self.scope;
        if self.is_whole_deployment() {
            return Some((GroupKey::run(identity), in_progress(identity, self.scope.started_s())));
        }
        let migration =
            || (GroupKey::migration(identity), migration_in_progress(1.0, self.scope.started_s()));
        (*work == WorkKind::Migration).then(migration)
    }

    fn group(&self) -> Option<GroupBox> {
        self.outbox.as_ref().map(|outbox| outbox.group(&self.key()))
    }

    fn key(&self) -> GroupKey {
        GroupKey::counters(&self.scope.identity, &self.scope.stage)
    }

    fn is_whole_deployment(&self) -> bool {
        self.scope.stage.is_deployment()
    }
}

/// Sends a group's events. One group that the gateway does not want is no reason to keep back the others.
async fn send(client: &GatewayClient, group: &GroupBox) -> Result<()> {
    let _lock = group.lock()?;
    match deliver(client, group).await {
        Err(error) if error.is::<Rejected>() => Ok(()),
        told => told.map(drop),
    }
}

/// The number of groups of which something is still on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Left(pub usize);

/// Reads what the gateway holds, forgets what is counted, and sends again what is not: one read for all groups.
pub async fn settle(client: &GatewayClient, outbox: &Outbox) -> Result<Left> {
    let mut left: Vec<GroupBox> = outbox.groups().into_iter().filter(|group| !group.is_empty()).collect();
    for _ in 0..=REPAIRS {
        if left.is_empty() {
            break;
        }
        let store: Snapshot = client.read().await?;
        let mut unsettled = Vec::new();
        for group in left {
            let is_settled = {
                let _lock = group.lock()?;
                verify(&group, &store)?
            };
            if !is_settled {
                send(client, &group).await?;
                unsettled.push(group);
            }
        }
        left = unsettled;
    }
    Ok(Left(left.len()))
}
