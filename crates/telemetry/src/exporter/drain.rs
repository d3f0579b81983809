//! Sends all that waits in the outbox, group by group.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use chrono::{DateTime, Utc};
use common::clock::{Clock as _, SystemClock};

use super::failure::Failure;
use super::job::Job;
use crate::metrics::exposition::Remark;
use crate::pushgateway::{
    CircuitBreaker, Endpoint, GatewayClient, GroupOutbox, Outbox, PushError, push_group,
};

/// How long one answer may take. Nobody waits for it.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);

/// How long another process may be busy with a group.
const LOCK_LIMIT: Duration = Duration::from_secs(20);

/// Sends what waits in one outbox.
#[derive(Debug)]
pub(super) struct Drain {
    state_dir: PathBuf,
    endpoint: Endpoint,
    client: GatewayClient,
    outbox: Outbox,
    /// The oldest unsent event of each group, at the start.
    oldest: Vec<String>,
    /// The groups that the Pushgateway has rejected. They are not tried again, so that this ends.
    rejected: BTreeSet<String>,
}

/// How far sending has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    /// Nothing waits, apart from what was rejected.
    Sent,
    /// Something failed that would fail again.
    Failed,
}

impl Drain {
    /// Prepares for the Pushgateway of the job.
    ///
    /// # Errors
    /// The job is damaged, or the HTTP client cannot be set up.
    pub(super) fn new(job: Job) -> Result<Self, PushError> {
        let endpoint = Endpoint::from_portable(job.gateway)?;
        let outbox = Outbox::new(&job.state_dir).waiting_at_most(LOCK_LIMIT);
        Ok(Self {
            client: GatewayClient::new(&endpoint, ANSWER_LIMIT)?,
            endpoint,
            oldest: oldest(&outbox.groups()?),
            outbox,
            state_dir: job.state_dir,
            rejected: BTreeSet::new(),
        })
    }

    /// The job for another exporter.
    pub(super) fn job(&self) -> Job {
        Job { state_dir: self.state_dir.clone(), gateway: self.endpoint.to_portable() }
    }

    /// Whether some events that waited at the start have left.
    pub(super) fn has_progressed(&self) -> bool {
        let now = self.outbox.groups().map(|groups| oldest(&groups)).unwrap_or_default();
        self.oldest.iter().any(|event| !now.contains(event))
    }

    /// Whether something waits that was not rejected.
    pub(super) fn has_more(&self) -> bool {
        !self.outbox.ended_runs().is_empty() || self.waiting().is_ok_and(|groups| !groups.is_empty())
    }

    /// Sends all that waits. Leaves what failed for the next tool to report.
    pub(super) async fn send_all(&mut self) -> Progress {
        let mut failure = Failure::default();
        let result = self.send_groups(&mut failure).await;
        if let Err(error) = &result {
            self.note(&mut failure, error, SystemClock.now());
        }
        failure.save(&self.state_dir);
        if result.is_ok() { Progress::Sent } else { Progress::Failed }
    }

    async fn send_groups(&mut self, failure: &mut Failure) -> Result<(), PushError> {
        for group in self.waiting()? {
            let _lock = group.lock().await?;
            match push_group(&self.client, &group).await {
                Ok(remarks) => failure.extend(remarks.iter().map(Remark::to_string)),
                Err(error @ PushError::Rejected(_)) => {
                    self.note(failure, &error, SystemClock.now());
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
    fn note(&self, failure: &mut Failure, error: &PushError, now: DateTime<Utc>) {
        if matches!(error, PushError::Unavailable(_)) {
            let breaker = CircuitBreaker::new(&self.state_dir, self.endpoint.display_url());
            if breaker.is_open(now) {
                return;
            }
            breaker.trip(now);
        }
        failure.extend([format!("not pushed to {} yet: {error}", self.endpoint.display_url())]);
    }
}

/// The oldest unsent event of each group.
fn oldest(groups: &[GroupOutbox]) -> Vec<String> {
    groups.iter().filter_map(GroupOutbox::oldest_unsent).collect()
}
