//! Retires a service: deletes what the Pushgateway has about it, which otherwise stays there for ever.

use anyhow::anyhow;
use chrono::{DateTime, TimeDelta, Utc};

use super::client::GatewayClient;
use super::error::PushError;
use super::group_key::GroupKey;
use super::outbox::{GroupOutbox, Outbox};
use super::snapshot::Snapshot;
use common::clock::epoch_seconds;
use common::label::Label;

/// A run without a heartbeat for this long counts as dead.
const DEAD_AFTER: TimeDelta = TimeDelta::seconds(120);

/// A service, in one environment or in all.
#[derive(Debug, Clone)]
pub struct Retired {
    /// The service.
    pub service: Label,
    /// Its environment; `None` for all.
    pub environment: Option<Label>,
}

impl Retired {
    /// Whether the group belongs to it.
    pub(super) fn has(&self, key: &GroupKey) -> bool {
        let is = |name: &str, value: &Label| key.labels().any(|label| label == (name, value.as_str()));
        is("service", &self.service)
            && self.environment.iter().all(|environment| is("environment", environment))
    }
}

/// Deletes the groups of a service, and the events that wait for them on this machine: pushed later, they would bring the
/// groups back. The journal stays. Returns a description of each; if `is_dry_run`, nothing is deleted.
///
/// # Errors
/// A deployment of the service is in progress, the Pushgateway does not respond, or the state directory cannot be used.
pub async fn retire(
    client: &GatewayClient,
    outbox: Option<&Outbox>,
    retired: &Retired,
    is_dry_run: bool,
    now: DateTime<Utc>,
) -> Result<Vec<String>, PushError> {
    let snapshot = client.read().await?;
    let keys: Vec<GroupKey> = snapshot.groups().into_iter().filter(|key| retired.has(key)).collect();
    if let Some(run) = keys.iter().find(|key| is_in_progress(key, &snapshot, now)) {
        return Err(PushError::Local(anyhow!(
            "a deployment is in progress: {run}; try again when it has ended"
        )));
    }
    let waiting = waiting(outbox, retired)?;
    let mut done: Vec<String> = keys.iter().map(ToString::to_string).collect();
    for group in &waiting {
        let key = group.key().map(|key| key.to_string()).unwrap_or_default();
        done.push(format!("{key}: events that wait on this machine"));
    }
    if !is_dry_run {
        for group in &waiting {
            let _lock = group.lock().await?;
            group.clear()?;
        }
        for key in &keys {
            client.delete(key).await?;
        }
    }
    Ok(done)
}

/// The groups of the outbox that have events.
fn waiting(outbox: Option<&Outbox>, retired: &Retired) -> Result<Vec<GroupOutbox>, PushError> {
    let Some(outbox) = outbox else { return Ok(Vec::new()) };
    let mut groups = outbox.groups()?;
    groups.retain(|group| !group.is_empty() && group.key().is_some_and(|key| retired.has(&key)));
    Ok(groups)
}

fn is_in_progress(key: &GroupKey, snapshot: &Snapshot, now: DateTime<Utc>) -> bool {
    let alive_since = epoch_seconds(now - DEAD_AFTER);
    key.is_run() && snapshot.pushed_at(key).is_some_and(|pushed_at| pushed_at > alive_since)
}
