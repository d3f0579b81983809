//! One tool's conversation with the gateway, beside the work and after it.

use std::fs::File;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use chrono::{DateTime, Utc};
use tokio::sync::oneshot::Receiver;
use tokio::time::{MissedTickBehavior, interval_at, timeout};

use super::client::GatewayClient;
use super::key::Key;
use crate::lock;
use crate::metrics::exposition::UnequalBuckets;
use crate::metrics::{Contribution, Exposition, in_progress, zeros};
use crate::scope::Scope;

/// A run that says nothing for 120 s counts as dead, so four heartbeats may be lost.
const HEARTBEAT: Duration = Duration::from_secs(30);

/// Work that is over sooner needs no announcement: no scrape could see it.
const TOO_SHORT_TO_ANNOUNCE: Duration = Duration::from_millis(20);

/// A conversation with the gateway.
#[derive(Debug)]
pub struct Session {
    client: GatewayClient,
    scope: Scope,
    state_dir: Option<PathBuf>,
}

impl Session {
    /// Nothing is said yet. Group locks are kept in `state_dir`.
    pub fn new(client: GatewayClient, scope: Scope, state_dir: Option<PathBuf>) -> Self {
        Self { client, scope, state_dir }
    }

    /// Says that the work has begun: the deployment is in progress, and its counters exist, at zero.
    pub async fn open(&self) -> Result<()> {
        if self.is_whole_deployment() {
            self.beat_first().await?;
        }
        let key = self.counters_key();
        let _lock = self.lock(&key)?;
        if self.client.read(&key).await?.is_none() {
            let zeros = zeros(self.scope.work, &self.scope.stage, self.scope.parent.as_ref());
            self.client.put(&key, &zeros).await?;
        }
        Ok(())
    }

    /// Opens, keeps the run alive until `end` says what the work came to, and closes. The answer tells of
    /// histograms that could not be added to.
    pub async fn attend(&self, mut end: Receiver<Contribution>) -> Result<Vec<UnequalBuckets>> {
        if let Ok(ended) = timeout(TOO_SHORT_TO_ANNOUNCE, &mut end).await {
            return self.close(&ended.unwrap_or_default()).await;
        }
        // What goes wrong here is tried again at the end, and told of then.
        let _ = self.open().await;
        let mut beats = interval_at(tokio::time::Instant::now() + HEARTBEAT, HEARTBEAT);
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                ended = &mut end => return self.close(&ended.unwrap_or_default()).await,
                _ = beats.tick(), if self.is_whole_deployment() => {
                    let _ = self.client.post(&Key::run(&self.scope.identity), &Exposition::default()).await;
                }
            }
        }
    }

    /// Says what the work came to.
    async fn close(&self, contribution: &Contribution) -> Result<Vec<UnequalBuckets>> {
        let Contribution { state, counters } = contribution;
        if !state.is_empty() {
            self.client.post(&Key::state(&self.scope.identity, &self.scope.stage), state).await?;
        }
        let refused = self.count(counters).await?;
        if self.is_whole_deployment() {
            self.client.delete(&Key::run(&self.scope.identity)).await?;
        }
        Ok(refused)
    }

    async fn count(&self, counters: &Exposition) -> Result<Vec<UnequalBuckets>> {
        if counters.is_empty() {
            return Ok(Vec::new());
        }
        let key = self.counters_key();
        let _lock = self.lock(&key)?;
        let mut group = self.client.read(&key).await?.unwrap_or_default();
        let refused = group.add(counters);
        self.client.put(&key, &group).await?;
        Ok(refused)
    }

    async fn beat_first(&self) -> Result<()> {
        let run = in_progress(&self.scope.identity, epoch_seconds(self.scope.started_at));
        self.client.put(&Key::run(&self.scope.identity), &run).await
    }

    fn counters_key(&self) -> Key {
        Key::counters(&self.scope.identity, &self.scope.stage)
    }

    /// One writer a group on this machine. Waiting here is bounded by whoever waits for this thread.
    fn lock(&self, key: &Key) -> Result<Option<File>> {
        let Some(state_dir) = &self.state_dir else { return Ok(None) };
        Ok(Some(lock::exclusive(&state_dir.join("locks").join(key.file_name()))?))
    }

    fn is_whole_deployment(&self) -> bool {
        self.scope.stage.is_deployment()
    }
}

fn epoch_seconds(when: DateTime<Utc>) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "milliseconds since the epoch fit 53 bits")]
    let milliseconds = when.timestamp_millis() as f64;
    milliseconds / 1000.0
}
