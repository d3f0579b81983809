//! The ledger in the state that all machines share.

use std::cell::RefCell;
use std::time::Duration;

use chrono::{DateTime, Utc};
use common::runtime;
use serde_json::Value;
use state_store::{
    Acquired, Document, ExpiryWatch, HeldLease, LeaseRequest, SharedState, Sign, StoreError, StoreUrl,
};
use tokio::runtime::Runtime;
use tokio::time::{Instant, sleep};

use crate::ledger::stamps::TOLERANCE;

/// How long the store may take for one reading or change.
const LIMIT: Duration = Duration::from_secs(30);

/// How much longer a change may take while others change the same ledger.
const PATIENCE: Duration = Duration::from_mins(2);

/// The field that says when an entry from the future was seen, by the clock of the reader.
const SEEN: &str = "seen";

/// The ledger of one service in one environment, in its document.
#[derive(Debug)]
pub(super) struct SharedLedger {
    runtime: Runtime,
    state: RefCell<SharedState>,
    open: OpenState,
}

/// How to open the document once more, for the thread that renews a lease.
#[derive(Debug, Clone)]
pub(super) struct OpenState {
    pub url: StoreUrl,
    pub environment: common::label::Label,
    pub service: common::label::Label,
    pub state_dir: std::path::PathBuf,
}

/// Why a change was not made.
#[derive(Debug)]
pub(super) enum Refused<E> {
    /// Another holder has the lease.
    Held(Box<state_store::Lease>),
    /// The caller's own check refused it.
    Judged(E),
    /// The store cannot be used.
    Store(StoreError),
}

impl<E> From<StoreError> for Refused<E> {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl OpenState {
    pub(super) fn open(&self) -> Result<SharedState, StoreError> {
        let state = SharedState::open(&self.url, &self.state_dir, &self.environment, &self.service)?;
        Ok(state.with_patience(PATIENCE))
    }
}

impl SharedLedger {
    pub(super) fn new(open: OpenState) -> Result<Self, StoreError> {
        let runtime = runtime::new().map_err(|error| StoreError::Unavailable(error.to_string()))?;
        Ok(Self { runtime, state: RefCell::new(open.open()?), open })
    }

    /// The URL, without credentials.
    pub(super) fn display_url(&self) -> String {
        self.open.url.to_string()
    }

    /// The entries, oldest first.
    pub(super) fn read(&self, now: DateTime<Utc>) -> Result<Vec<Value>, StoreError> {
        let mut state = self.state.borrow_mut();
        let entries = self.runtime.block_on(async {
            state.read(Instant::now() + LIMIT).await.map(|document| document.ledger.clone())
        })?;
        if !entries.iter().any(|entry| is_from_the_future(entry, now) && entry[SEEN].is_null()) {
            return Ok(entries);
        }
        // Its age is counted from now on, or a clock that was wrong by years would forbid rollbacks for years.
        self.runtime.block_on(state.update(Instant::now() + LIMIT, |document| {
            for entry in &mut document.ledger {
                if is_from_the_future(entry, now) && entry[SEEN].is_null() {
                    entry[SEEN] = Value::from(now.to_rfc3339());
                }
            }
            Ok(document.ledger.clone())
        }))
    }

    /// Adds these entries, unless they are present, and releases the lease with this fencing number.
    pub(super) fn add(&self, entries: &[Value], fence: Option<u64>) -> Result<(), StoreError> {
        self.update(|document| {
            for entry in entries {
                document.add_ledger_entry(entry.clone());
            }
            if let Some(fence) = fence {
                document.release(fence);
            }
            Ok::<_, StoreError>(())
        })
    }

    /// Acquires the lease, and changes the document in the same step. `change` may be called several times.
    pub(super) fn acquire_and<T, E>(
        &self,
        request: &LeaseRequest,
        mut change: impl FnMut(&mut Document, &Acquired) -> Result<T, E>,
    ) -> Result<(HeldLease, T), Refused<E>> {
        let mut watch = ExpiryWatch::default();
        let (acquired, result) = loop {
            let attempt = self.update(|document| {
                let acquired = document
                    .acquire(request, |lease| watch.is_expired(lease, Instant::now()))
                    .map_err(Refused::Held)?;
                let result = change(document, &acquired).map_err(Refused::Judged)?;
                Ok((acquired, result))
            });
            let held = match attempt {
                Err(Refused::Held(held)) => held,
                other => break other?,
            };
            // A holder that lives renews its lease. One that does not may be dead: wait until that is known.
            match watch.observe(&held, Instant::now()) {
                Sign::Silent if held.is_renewed => {
                    self.runtime.block_on(async { sleep(held.poll_interval()).await });
                }
                Sign::Expired => {}
                Sign::Silent | Sign::Renewed => return Err(Refused::Held(held)),
            }
        };
        let keeper = self.open.open()?;
        let lease = HeldLease::keep(keeper, acquired.fence, Duration::from_secs(request.ttl_s))
            .map_err(|error| StoreError::Unavailable(format!("the lease cannot be renewed: {error}")))?;
        Ok((lease, result))
    }

    fn update<T, E: From<StoreError>>(
        &self,
        change: impl FnMut(&mut Document) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut state = self.state.borrow_mut();
        self.runtime.block_on(state.update(Instant::now() + LIMIT, change))
    }
}

fn is_from_the_future(entry: &Value, now: DateTime<Utc>) -> bool {
    let ts = entry["ts"].as_str().and_then(|text| text.parse::<DateTime<Utc>>().ok());
    ts.is_some_and(|ts| ts > now + TOLERANCE)
}

/// When an entry counts as written, if its own stamp is in the future.
pub(super) fn seen(entry: &Value) -> Option<DateTime<Utc>> {
    entry[SEEN].as_str()?.parse().ok()
}
