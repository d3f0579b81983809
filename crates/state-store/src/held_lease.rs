//! Acquiring a lease, holding it while the work runs, and releasing it.

use std::io;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use common::identity::random_hex;
use common::runtime;
use tokio::time::{Instant, sleep};

use crate::error::StoreError;
use crate::expiry::{ExpiryWatch, Sign};
use crate::lease::{Acquired, Lease, LeaseRequest};
use crate::shared_state::SharedState;

/// The time between two renewals is at most this, and a third of the validity.
const MAX_RENEWAL: Duration = Duration::from_mins(1);

/// How long one renewal, and the release, may take.
const RENEWAL_LIMIT: Duration = Duration::from_secs(30);

/// Why a lease was not acquired.
#[derive(Debug, thiserror::Error)]
pub enum AcquireError {
    /// Another holder has it.
    #[error("deployment {} holds the lease", .0.holder.deployment)]
    Held(Box<Lease>),
    /// The store cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A lease that a thread renews until it is released or this process dies.
#[derive(Debug)]
pub struct HeldLease {
    fence: u64,
    /// Asks the thread to release the lease. Dropping it only ends the renewals.
    stop: Sender<()>,
    thread: JoinHandle<Result<bool, StoreError>>,
}

impl SharedState {
    /// Acquires the lease. Waits at most `wait` for another holder; takes over from one that is dead. `limit` is how long
    /// the store may take each time.
    ///
    /// # Errors
    /// The lease is held, or the store cannot be used.
    pub async fn acquire_lease(
        &mut self,
        request: &LeaseRequest,
        wait: Duration,
        limit: Duration,
        mut on_wait: impl FnMut(&Lease),
    ) -> Result<Acquired, AcquireError> {
        let until = Instant::now() + wait;
        let mut watch = ExpiryWatch::default();
        loop {
            let result = self
                .update(Instant::now() + limit, |document| {
                    document
                        .acquire(request, |lease| watch.is_expired(lease, Instant::now()))
                        .map_err(AcquireError::Held)
                })
                .await;
            let held = match result {
                Err(AcquireError::Held(held)) => held,
                result => return result,
            };
            let now = Instant::now();
            if now >= until {
                return Err(AcquireError::Held(held));
            }
            if watch.observe(&held, now) != Sign::Expired {
                on_wait(&held);
                sleep(held.poll_interval().min(until - now)).await;
            }
        }
    }
}

impl HeldLease {
    /// Renews the lease with this fencing number, which is valid for `ttl`, from now on.
    ///
    /// # Errors
    /// No thread can be started.
    pub fn keep(mut state: SharedState, fence: u64, ttl: Duration) -> io::Result<Self> {
        let renewal = MAX_RENEWAL.min(ttl / 3);
        let mut pause = renewal;
        let (stop, stopped) = mpsc::channel::<()>();
        let runtime = runtime::new()?;
        let thread = thread::Builder::new().name("lease".to_owned()).spawn(move || {
            loop {
                match stopped.recv_timeout(pause) {
                    Ok(()) => return runtime.block_on(release(&mut state, fence)),
                    Err(RecvTimeoutError::Disconnected) => return Ok(true),
                    Err(RecvTimeoutError::Timeout) => {
                        let renewed = runtime.block_on(renew(&mut state, fence, RENEWAL_LIMIT.min(ttl / 3)));
                        // The lease is valid for longer than one renewal that fails.
                        pause = if renewed.is_ok() { renewal } else { renewal / 5 };
                    }
                }
            }
        })?;
        Ok(Self { fence, stop, thread })
    }

    /// The fencing number.
    pub fn fence(&self) -> u64 {
        self.fence
    }

    /// Ends the renewals. The caller releases the lease, together with another change.
    pub fn stop(self) {
        drop(self.stop);
        let _ = self.thread.join();
    }

    /// Releases the lease. Returns whether it was held to the end: `false` if somebody took it over.
    ///
    /// # Errors
    /// The store cannot be used. The lease then expires.
    pub fn release(self) -> Result<bool, StoreError> {
        let _ = self.stop.send(());
        let died = || StoreError::Unavailable("the thread that renews the lease died".to_owned());
        self.thread.join().unwrap_or_else(|_| Err(died()))
    }
}

/// A renewal is not patient: another attempt soon is better than one that waits for the others.
async fn renew(state: &mut SharedState, fence: u64, limit: Duration) -> Result<bool, StoreError> {
    let nonce = random_hex(8);
    let deadline = Instant::now() + limit;
    state.update_with(deadline, Duration::ZERO, |document| Ok(document.renew(fence, &nonce))).await
}

async fn release(state: &mut SharedState, fence: u64) -> Result<bool, StoreError> {
    state
        .update(Instant::now() + RENEWAL_LIMIT, |document| {
            let is_held = document.holds(fence);
            document.release(fence);
            Ok(is_held)
        })
        .await
}
