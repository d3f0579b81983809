//! What was sent about the deployments of a service to an environment: in the state directory, and in the shared state.

use std::collections::BTreeMap;
use std::path::PathBuf;

use chrono::{DateTime, Utc};
use common::fs::PrivateDir;
use common::label::Label;
use serde::{Deserialize, Serialize};
use state_store::{SharedState, StoreError, StoreUrl};
use tokio::time::Instant;

use crate::digest::digest;
use crate::notification::{Event, Notification};
use crate::record::Record;

/// The folder below the state directory.
const FOLDER: &str = "notify";

/// The field of the shared document.
const FIELD: &str = "notifications";

/// The largest file that is read.
const MAX_BYTES: u64 = 256 * 1024;

/// The most services that are remembered; settings that change leave some behind.
const MAX_RECORDS: usize = 64;

/// What was sent.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Memory {
    /// When it was last changed: between two machines, the later one counts.
    at: DateTime<Utc>,
    /// The deployment that the last notification was about.
    #[serde(default)]
    deployment: String,
    /// Whether the last deployment failed, and nothing has restored the service since.
    #[serde(default)]
    is_failing: bool,
    /// What each service got, by the service's key.
    #[serde(default)]
    sent: BTreeMap<String, Record>,
}

impl Memory {
    /// The same notification, as `restored` if it is a success after a failure.
    pub(crate) fn put_in_context(&self, notification: Notification) -> Notification {
        let event = match notification.event {
            Event::Succeeded if self.is_failing => Event::Restored,
            event => event,
        };
        Notification { event, ..notification }
    }

    /// What a service got last.
    pub(crate) fn record(&self, key: &str) -> Record {
        self.sent.get(key).cloned().unwrap_or_default()
    }

    /// The memory after these records of a notification.
    pub(crate) fn after(&self, notification: &Notification, records: Vec<(String, Record)>) -> Self {
        let mut after = self.clone();
        after.deployment.clone_from(&notification.deployment);
        after.is_failing = match notification.event {
            Event::Failed => true,
            Event::Succeeded | Event::Restored | Event::RolledBack => false,
            Event::Started | Event::Skipped => self.is_failing,
        };
        if after.sent.len() + records.len() > MAX_RECORDS {
            after.sent.clear();
        }
        after.sent.extend(records);
        if after != *self {
            after.at = notification.at;
        }
        after
    }

    /// Whether any message of its can be changed later.
    fn has_ids(&self) -> bool {
        self.sent.values().any(|record| record.id.is_some())
    }
}

/// Where the memory is.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) environment: Label,
    pub(crate) service: Label,
    pub(crate) state_dir: Option<PathBuf>,
    pub(crate) state_url: Option<StoreUrl>,
}

impl Place {
    /// What is remembered. What cannot be read is not known: a message may then be repeated. The shared state is asked only
    /// if this machine knows nothing of the deployment.
    pub(crate) async fn load(&self, deployment: &str, deadline: Instant) -> Memory {
        let own = self.read().unwrap_or_default();
        if own.deployment == deployment {
            return own;
        }
        let shared = self.read_shared(deadline).await.unwrap_or_default();
        if shared.at > own.at { shared } else { own }
    }

    /// Remembers what was sent. What fails here makes a later message a new one; recording reports a state directory or a
    /// shared state that cannot be written.
    pub(crate) async fn save(&self, memory: &Memory, event: Event, deadline: Instant) {
        let _ = self.write(memory);
        // Nothing that another machine would need is known at the start, but the ids of messages.
        if event != Event::Started || memory.has_ids() {
            let _ = self.write_shared(memory, deadline).await;
        }
    }

    fn read(&self) -> Option<Memory> {
        let folder = PrivateDir::open(self.state_dir.as_ref()?, &[FOLDER]).ok()??;
        serde_json::from_slice(&folder.read(&self.file_name(), MAX_BYTES).ok()??).ok()
    }

    fn write(&self, memory: &Memory) -> std::io::Result<()> {
        let Some(state_dir) = &self.state_dir else { return Ok(()) };
        PrivateDir::create(state_dir, &[FOLDER])?.replace(&self.file_name(), &serde_json::to_vec(memory)?)
    }

    async fn read_shared(&self, deadline: Instant) -> Option<Memory> {
        let mut state = self.shared_state()?;
        let document = state.read(deadline).await.ok()?;
        serde_json::from_value(document.more.get(FIELD)?.clone()).ok()
    }

    async fn write_shared(&self, memory: &Memory, deadline: Instant) -> Result<(), StoreError> {
        let (Some(mut state), Ok(value)) = (self.shared_state(), serde_json::to_value(memory)) else {
            return Ok(());
        };
        let change = state.update(deadline, |document| {
            document.more.insert(FIELD.to_owned(), value.clone());
            Ok::<_, StoreError>(())
        });
        change.await
    }

    fn shared_state(&self) -> Option<SharedState> {
        let (url, folder) = (self.state_url.as_ref()?, self.state_dir.as_ref()?);
        SharedState::open(url, folder, &self.environment, &self.service).ok()
    }

    fn file_name(&self) -> String {
        format!("{}.json", digest(&format!("{}\0{}", self.environment, self.service)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notification::tests::notification;

    #[test]
    fn a_success_after_a_failure_restores_the_service_once() {
        let memory = Memory::default();
        let event = |memory: &Memory| memory.put_in_context(notification(Event::Succeeded, "x")).event;
        assert_eq!(event(&memory), Event::Succeeded);
        let failed = memory.after(&notification(Event::Failed, "x"), vec![]);
        let started = failed.after(&notification(Event::Started, "x"), vec![]);
        assert_eq!(event(&started), Event::Restored);
        let rolled_back = started.after(&notification(Event::RolledBack, "x"), vec![]);
        assert_eq!(event(&rolled_back), Event::Succeeded);
    }

    #[test]
    fn a_machine_without_a_state_directory_of_its_own_asks_the_shared_one() {
        let [store, one, other] = [(); 3].map(|()| tempfile::tempdir().unwrap());
        let place = |folder: &tempfile::TempDir| Place {
            environment: "production".parse().unwrap(),
            service: "shop".parse().unwrap(),
            state_dir: Some(folder.path().to_owned()),
            state_url: format!("file://{}", store.path().display()).parse().ok(),
        };
        let record = Record { deployment: "d-42".to_owned(), id: Some("7".to_owned()), ..Record::default() };
        let started = notification(Event::Started, "x");
        let memory = Memory::default().after(&started, vec![("key".to_owned(), record.clone())]);
        let loaded = common::runtime::block_on(async {
            let deadline = Instant::now() + std::time::Duration::from_secs(30);
            place(&one).save(&memory, started.event, deadline).await;
            place(&other).load("d-42", deadline).await
        });
        assert_eq!(loaded.unwrap().record("key"), record);
    }
}
