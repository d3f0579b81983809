//! The ledger in the state that all machines share.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use chrono::{DateTime, Utc};
use common::runtime;
use serde_json::Value;
use state_store::{
    AcquireError, Acquired, Document, HeldLease, Lease, LeaseRequest, Patience, SharedState, StoreError,
    StoreUrl, Trouble,
};
use tokio::runtime::Runtime;
use tokio::time::Instant;

use crate::ledger::stamps::TOLERANCE;

/// How long the store may take for one reading or change.
const LIMIT: Duration = Duration::from_secs(30);

/// How much longer a change may take while others change the same ledger.
const PATIENCE: Duration = Duration::from_mins(2);

/// How long the last look at the lease may take before the command runs.
const CONFIRMATION_LIMIT: Duration = Duration::from_secs(10);

/// The field that says when an entry from the future was seen, by the clock of the reader.
const SEEN: &str = "seen";

/// The ledger of one service in one environment, in its document.
#[derive(Debug)]
pub(super) struct SharedLedger {
    runtime: Runtime,
    state: RefCell<SharedState>,
    open: OpenState,
    /// Whether this run goes on without it, after it could not be used.
    is_given_up: Cell<bool>,
}

/// How to open the document once more, for the thread that renews a lease.
#[derive(Debug, Clone)]
pub(super) struct OpenState {
    pub url: StoreUrl,
    pub environment: common::label::Label,
    pub service: common::label::Label,
    pub state_dir: std::path::PathBuf,
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
        Ok(Self { runtime, state: RefCell::new(open.open()?), open, is_given_up: Cell::new(false) })
    }

    /// The URL, without credentials.
    pub(super) fn display_url(&self) -> String {
        self.open.url.to_string()
    }

    /// Goes on without it: nothing is asked of a store again that took its time to fail.
    pub(super) fn give_up(&self) {
        self.is_given_up.set(true);
    }

    pub(super) fn is_given_up(&self) -> bool {
        self.is_given_up.get()
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

    /// Adds these entries, unless they are present, and releases the lease with this fencing number. Returns whether it was
    /// still held.
    pub(super) fn add(&self, entries: &[Value], fence: Option<u64>) -> Result<bool, StoreError> {
        self.update(|document| {
            for entry in entries {
                document.add_ledger_entry(entry.clone());
            }
            Ok::<_, StoreError>(fence.is_none_or(|fence| document.release(fence)))
        })
    }

    /// Whether the lease with this fencing number is still held. Otherwise the inner error is who has it now.
    pub(super) fn confirm(&self, fence: u64) -> Result<Result<(), Option<Lease>>, StoreError> {
        let mut state = self.state.borrow_mut();
        let document = self.runtime.block_on(state.read(Instant::now() + CONFIRMATION_LIMIT))?;
        Ok(if document.holds(fence) { Ok(()) } else { Err(document.lease.clone()) })
    }

    /// Acquires the lease, and changes the document in the same step. `change` may be called several times. `on_wait` is
    /// called for a holder that may be dead, and `on_trouble` if the lease is lost.
    pub(super) fn acquire_and<T, E>(
        &self,
        request: &LeaseRequest,
        on_wait: impl FnMut(&Lease, Duration),
        on_trouble: impl FnMut(Trouble) + Send + 'static,
        change: impl FnMut(&mut Document, &Acquired) -> Result<T, E>,
    ) -> Result<(HeldLease, T), AcquireError<E>> {
        let mut state = self.state.borrow_mut();
        let patience = Patience { living: Duration::ZERO, doubts_all: true };
        let acquiring = state.acquire_lease(request, patience, LIMIT, on_wait, change);
        let (acquired, result) = self.runtime.block_on(acquiring)?;
        let keeper = self.open.open()?;
        let ttl = Duration::from_secs(request.ttl_s);
        let lease = HeldLease::keep(keeper, &acquired, ttl, on_trouble)
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
