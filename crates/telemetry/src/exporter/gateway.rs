//! Sends all that waits for the Pushgateway, group by group.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::{DateTime, Utc};
use common::clock::{Clock as _, SystemClock};

use crate::metrics::exposition::Remark;
use crate::pushgateway::{
    CircuitBreaker, Endpoint, GatewayClient, GroupOutbox, Outbox, PortableEndpoint, PushError, push_group,
};

/// How long one answer may take. Nobody waits for it.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);

/// How long another process may be busy with a group.
const LOCK_LIMIT: Duration = Duration::from_secs(20);

/// Sends what waits in one outbox.
#[derive(Debug)]
pub(super) struct GatewaySender {
    state_dir: PathBuf,
    endpoint: Endpoint,
    client: GatewayClient,
    outbox: Outbox,
    /// The oldest unsent event of each group, at the start.
    oldest: Vec<String>,
    /// The groups that the Pushgateway has rejected. They are not tried again, so that this ends.
    rejected: BTreeSet<String>,
    /// Whether something failed that would fail again.
    has_failed: bool,
}

impl GatewaySender {
    /// Prepares for this Pushgateway.
    ///
    /// # Errors
    /// The job is damaged, or the HTTP client cannot be set up.
    pub(super) fn new(state_dir: &Path, gateway: PortableEndpoint) -> Result<Self, PushError> {
        let endpoint = Endpoint::from_portable(gateway)?;
        let outbox = Outbox::new(state_dir).waiting_at_most(LOCK_LIMIT);
        Ok(Self {
            client: GatewayClient::new(&endpoint, ANSWER_LIMIT)?,
            endpoint,
            oldest: oldest(&outbox.groups()?),
            outbox,
            state_dir: state_dir.to_owned(),
            rejected: BTreeSet::new(),
            has_failed: false,
        })
    }

    /// The Pushgateway, for another exporter.
    pub(super) fn gateway(&self) -> PortableEndpoint {
        self.endpoint.to_portable()
    }

    /// Whether some events that waited at the start have left.
    pub(super) fn has_progressed(&self) -> bool {
        let now = self.outbox.groups().map(|groups| oldest(&groups)).unwrap_or_default();
        self.oldest.iter().any(|event| !now.contains(event))
    }

    /// Whether something waits that may be sent.
    pub(super) fn has_more(&self) -> bool {
        if self.has_failed {
            return false;
        }
        !self.outbox.ended_runs().is_empty() || self.waiting().is_ok_and(|groups| !groups.is_empty())
    }

    /// Sends all that waits. Returns what went wrong, a message each.
    pub(super) async fn send_all(&mut self) -> Vec<String> {
        let mut messages = Vec::new();
        if self.has_failed {
            return messages;
        }
        let result = self.send_groups(&mut messages).await;
        if let Err(error) = &result {
            self.note(&mut messages, error, SystemClock.now());
        }
        self.has_failed = result.is_err();
        messages
    }

    async fn send_groups(&mut self, messages: &mut Vec<String>) -> Result<(), PushError> {
        for group in self.waiting()? {
            let _lock = group.lock().await?;
            match push_group(&self.client, &group).await {
                Ok(remarks) => messages.extend(remarks.iter().map(Remark::to_string)),
                Err(error @ PushError::Rejected(_)) => {
                    self.note(messages, &error, SystemClock.now());
                    self.rejected.insert(group.name().to_owned());
                }
                Err(error) => return Err(error),
            }
        }
        self.outbox.ended_runs().send(&self.client).await
    }

    fn waiting(&self) -> Result<Vec<GroupOutbox>, PushError> {
        let mut groups = self.outbox.groups()?;
        groups.retain(|group| !self.rejected.contains(group.name()) && group.oldest_unsent().is_some());
        Ok(groups)
    }

    /// Remembers that the Pushgateway is down. Who has found that before has reported it.
    fn note(&self, messages: &mut Vec<String>, error: &PushError, now: DateTime<Utc>) {
        if matches!(error, PushError::Unavailable(_)) {
            let breaker = CircuitBreaker::new(&self.state_dir, self.endpoint.display_url());
            if breaker.is_open(now) {
                return;
            }
            breaker.trip(now);
        }
        messages.extend([format!("not pushed to {} yet: {error}", self.endpoint.display_url())]);
    }
}

/// The oldest unsent event of each group.
fn oldest(groups: &[GroupOutbox]) -> Vec<String> {
    groups.iter().filter_map(GroupOutbox::oldest_unsent).collect()
}
