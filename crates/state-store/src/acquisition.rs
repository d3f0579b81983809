//! Acquiring a lease: waiting for a holder that lives, and taking over from one that is dead.

use std::time::Duration;

use common::clock::{Clock as _, SystemClock};
use tokio::time::{Instant, sleep};

use crate::document::Document;
use crate::error::StoreError;
use crate::expiry::{Sign, seems_dead};
use crate::lease::{Acquired, Lease, LeaseRequest};
use crate::moment::Moment;
use crate::shared_state::SharedState;

/// How long to watch at most whether a holder is dead.
const MAX_WATCH: Duration = Duration::from_mins(5);

/// Why a lease was not acquired.
#[derive(Debug)]
pub enum AcquireError<E> {
    /// Another holder has it.
    Held {
        /// Its lease.
        lease: Box<Lease>,
        /// How long it takes until the lease has expired, if it is not renewed.
        rest: Duration,
    },
    /// The caller's own check refused it.
    Refused(E),
    /// The store cannot be used.
    Store(StoreError),
}

impl<E> From<StoreError> for AcquireError<E> {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// How to treat another holder.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// How long to wait for one that lives.
    pub living: Duration,
    /// Whether to watch one that has renewed its lease a moment ago, too, before it is known to live.
    pub doubts_all: bool,
}

impl SharedState {
    /// Acquires the lease, and changes the document in the same step. Waits for another holder as `patience` says, and as
    /// long as one that seems dead may live; calls `on_wait` with the longest time. `limit` is how long the store may take
    /// each time. `change` may be called several times.
    ///
    /// # Errors
    /// The lease is held, `change` refuses, or the store cannot be used.
    pub async fn acquire_lease<T, E>(
        &mut self,
        request: &LeaseRequest,
        patience: Patience,
        limit: Duration,
        mut on_wait: impl FnMut(&Lease, Duration),
        mut change: impl FnMut(&mut Document, &Acquired) -> Result<T, E>,
    ) -> Result<(Acquired, T), AcquireError<E>> {
        let until = Instant::now() + patience.living;
        let mut watch = self.expiry_watch();
        loop {
            let since = Moment::now();
            let result = self
                .update(Instant::now() + limit, |document| {
                    let is_expired =
                        |lease: &Lease| watch.is_expired(lease, &Moment::now(), SystemClock.now());
                    let mut acquired = document
                        .acquire(request, is_expired)
                        .map_err(|lease| AcquireError::Held { lease, rest: Duration::ZERO })?;
                    acquired.since.clone_from(&since);
                    let result = change(document, &acquired).map_err(AcquireError::Refused)?;
                    Ok((acquired, result))
                })
                .await;
            let lease = match result {
                Err(AcquireError::Held { lease, .. }) => lease,
                result => return result,
            };
            let (now, wall) = (Moment::now(), SystemClock.now());
            let sign = watch.observe(&lease, &now, wall);
            if sign == Sign::Expired {
                continue;
            }
            let rest = watch.rest(&lease, &now, wall);
            let is_doubted = lease.is_renewed
                && sign == Sign::Silent
                && rest <= MAX_WATCH
                && (patience.doubts_all || seems_dead(&lease, wall));
            let left = until.saturating_duration_since(Instant::now());
            let at_most = if is_doubted { left.max(rest) } else { left };
            if at_most.is_zero() {
                return Err(AcquireError::Held { lease, rest: whole_seconds(rest) });
            }
            on_wait(&lease, whole_seconds(at_most));
            sleep(lease.poll_interval().min(at_most)).await;
        }
    }
}

/// Rounded up, for messages.
fn whole_seconds(duration: Duration) -> Duration {
    Duration::from_secs(duration.as_secs() + u64::from(duration.subsec_nanos() > 0))
}
