//! What one tool says to the Pushgateway, while the work runs and after it.

use std::io::ErrorKind;
use std::time::Duration;

use tokio::sync::oneshot::Receiver;
use tokio::sync::oneshot::error::RecvError;
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};

use super::client::GatewayClient;
use super::error::PushError;
use super::group_key::GroupKey;
use super::outbox::{GroupOutbox, Outbox};
use super::push::{push_group, push_unsaved, verify};
use crate::metrics::exposition::Remark;
use crate::metrics::{Exposition, in_progress, migration_in_progress, stage_start, zeros};
use crate::work::{WorkItem, WorkKind};
use common::event::Event;

/// The time between two heartbeats. A run without a heartbeat for 120 s counts as dead, so three may be lost.
const HEARTBEAT: Duration = Duration::from_secs(30);

/// Shorter work is not announced: no scrape could see it.
pub(crate) const TOO_SHORT_TO_ANNOUNCE: Duration = Duration::from_millis(20);

/// How many groups of dead runs one deployment deletes.
const MAX_DEAD_RUNS_DELETED: usize = 5;

/// How often [`settle`] repairs what other machines have overwritten.
const MAX_REPAIRS: usize = 3;

/// The conversation of one tool with the Pushgateway, about one piece of work.
#[derive(Debug)]
pub(crate) struct PushSession {
    client: GatewayClient,
    work: WorkItem,
    outbox: Option<Outbox>,
    /// What the counters are set to if their group does not exist.
    initial: Option<Exposition>,
}

impl PushSession {
    /// A session that has not sent anything yet. Without an outbox, an event is pushed once and never verified.
    pub(crate) fn new(client: GatewayClient, work: WorkItem, outbox: Option<Outbox>) -> Self {
        let initial = Some(zeros(work.kind, &work.stage, work.parent.as_ref()));
        Self { client, work, outbox, initial }
    }

    /// The same session with these counters for a group that does not exist; `None` leaves it to whoever knows them.
    pub(crate) fn with_initial(self, initial: Option<Exposition>) -> Self {
        Self { initial, ..self }
    }

    /// Announces the work: the deployment is in progress, and its counters exist with value 0.
    ///
    /// # Errors
    /// The Pushgateway does not respond, or refuses a request.
    pub(crate) async fn announce(&self) -> Result<(), PushError> {
        if let Some((key, run)) = self.own_run() {
            self.client.put(&key, &run).await?;
        }
        self.beat_for_deployment().await?;
        if let Some(start) = stage_start(&self.work) {
            self.client.post(&GroupKey::stage_start(&self.work.identity), &start).await?;
        }
        let group = self.group();
        let _lock = match &group {
            Some(group) => match group.lock().await {
                Err(error) if error.kind() == ErrorKind::TimedOut => return Err(error.into()),
                // If the lock file cannot be created, no other tool on this machine has the lock either.
                lock => lock.ok(),
            },
            None => None,
        };
        let snapshot = self.client.read().await?;
        let key = self.key();
        if let Some(initial) = self.initial.as_ref().filter(|_| snapshot.group(&key).is_none()) {
            self.client.put(&key, initial).await?;
        }
        if self.is_whole_deployment() {
            let dead_runs = snapshot.dead_runs(&self.work.identity, self.work.started_at);
            for dead in dead_runs.iter().take(MAX_DEAD_RUNS_DELETED) {
                self.client.delete(dead).await?;
            }
        }
        Ok(())
    }

    /// Announces the work, sends heartbeats until the work has ended, then pushes the outcome. `end` carries the event if
    /// it could not be saved in the outbox. `None` if somebody else pushes the outcome.
    ///
    /// # Errors
    /// The outcome could not be pushed.
    pub(crate) async fn run(
        &self,
        mut end: Receiver<Option<Box<Event>>>,
    ) -> Option<Result<Vec<Remark>, PushError>> {
        let ended = match timeout(TOO_SHORT_TO_ANNOUNCE, &mut end).await {
            Ok(ended) => ended,
            Err(_) => self.accompany(&mut end).await,
        };
        Some(self.push_outcome(ended.ok()?.as_deref()).await)
    }

    /// Announces the work, and sends heartbeats until it has ended. Returns the event if it could not be saved.
    ///
    /// # Errors
    /// Somebody else pushes the outcome.
    pub(crate) async fn accompany(
        &self,
        end: &mut Receiver<Option<Box<Event>>>,
    ) -> Result<Option<Box<Event>>, RecvError> {
        let _ = self.announce().await;
        let mut beats = interval_at(Instant::now() + HEARTBEAT, HEARTBEAT);
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                ended = &mut *end => return ended,
                _ = beats.tick(), if self.own_run().is_some() || self.work.beats_for_deployment => {
                    let _ = self.beat().await;
                }
            }
        }
    }

    async fn push_outcome(&self, unsaved: Option<&Event>) -> Result<Vec<Remark>, PushError> {
        let refused = match (unsaved, self.group()) {
            (Some(event), _) => push_unsaved(&self.client, event).await?,
            (None, Some(group)) => {
                let _lock = group.lock().await?;
                push_group(&self.client, &group).await?
            }
            (None, None) => Vec::new(),
        };
        self.end_run().await?;
        Ok(refused)
    }

    /// Deletes the group that exists as long as this work runs.
    pub(crate) async fn end_run(&self) -> Result<(), PushError> {
        match self.own_run() {
            Some((key, _)) => self.client.delete(&key).await,
            None => Ok(()),
        }
    }

    /// After the tool's own event: pushes what an outage left in other groups and, after a whole deployment, verifies
    /// everything that was sent. The next tool continues what the budget cuts off here.
    ///
    /// # Errors
    /// The Pushgateway does not respond.
    pub(crate) async fn push_backlog(&self) -> Result<(), PushError> {
        let Some(outbox) = &self.outbox else { return Ok(()) };
        if self.is_whole_deployment() {
            return settle(&self.client, outbox).await.map(drop);
        }
        for group in outbox.groups()? {
            if group.oldest_unsent().is_some() {
                push_unless_rejected(&self.client, &group).await?;
            }
        }
        outbox.ended_runs().send(&self.client).await
    }

    async fn beat(&self) -> Result<(), PushError> {
        if let Some((key, _)) = self.own_run() {
            self.client.post(&key, &Exposition::default()).await?;
        }
        self.beat_for_deployment().await
    }

    /// Sends the heartbeat of a deployment during which no `dm-stage` runs all the time.
    async fn beat_for_deployment(&self) -> Result<(), PushError> {
        if self.work.beats_for_deployment && !self.is_whole_deployment() {
            self.client.post(&GroupKey::run(&self.work.identity), &Exposition::default()).await?;
        }
        Ok(())
    }

    fn own_run(&self) -> Option<(GroupKey, Exposition)> {
        run_of(&self.work)
    }

    fn group(&self) -> Option<GroupOutbox> {
        self.outbox.as_ref().map(|outbox| outbox.group(&self.key()))
    }

    fn key(&self) -> GroupKey {
        GroupKey::counters(&self.work.identity, &self.work.stage)
    }

    fn is_whole_deployment(&self) -> bool {
        self.work.stage.is_deployment()
    }
}

/// The group that exists as long as the work runs, if it has one.
pub(crate) fn run_of(work: &WorkItem) -> Option<(GroupKey, Exposition)> {
    let WorkItem { identity, kind, .. } = work;
    if work.stage.is_deployment() {
        return Some((GroupKey::run(identity), in_progress(identity, work.started_s())));
    }
    let migration = || (GroupKey::migration(identity), migration_in_progress(1.0, work.started_s()));
    (*kind == WorkKind::Migration).then(migration)
}

/// Pushes a group. If the Pushgateway rejects it, the other groups can still be pushed.
async fn push_unless_rejected(client: &GatewayClient, group: &GroupOutbox) -> Result<(), PushError> {
    let _lock = group.lock().await?;
    match push_group(client, group).await {
        Err(PushError::Rejected(_)) => Ok(()),
        result => result.map(drop),
    }
}

/// Deletes the groups of runs that have ended. Reads the Pushgateway, removes counted events from the outbox, and pushes the
/// rest again: one read for all groups. Returns the number of groups that still have events.
///
/// # Errors
/// The Pushgateway does not respond, or the state directory cannot be used.
pub async fn settle(client: &GatewayClient, outbox: &Outbox) -> Result<usize, PushError> {
    outbox.ended_runs().send(client).await?;
    let mut unsettled: Vec<GroupOutbox> =
        outbox.groups()?.into_iter().filter(|group| !group.is_empty()).collect();
    for _ in 0..=MAX_REPAIRS {
        if unsettled.is_empty() {
            break;
        }
        let snapshot = client.read().await?;
        let mut remaining = Vec::new();
        for group in unsettled {
            let is_settled = {
                let _lock = group.lock().await?;
                verify(&group, &snapshot)?
            };
            if !is_settled {
                push_unless_rejected(client, &group).await?;
                remaining.push(group);
            }
        }
        unsettled = remaining;
    }
    Ok(unsettled.len())
}
