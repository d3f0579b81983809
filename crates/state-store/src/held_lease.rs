//! A lease that a thread renews until it is released or this process dies.

use std::io;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use common::clock::{Clock as _, SystemClock};
use common::runtime;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep};

use crate::document::Document;
use crate::error::StoreError;
use crate::lease::{Acquired, Lease, Renewal, renewal_interval};
use crate::moment::Moment;
use crate::shared_state::SharedState;

/// How long one renewal may take.
const RENEWAL_LIMIT: Duration = Duration::from_secs(30);

/// A lease that a thread renews until it is released or this process dies.
#[derive(Debug)]
pub struct HeldLease {
    fence: u64,
    ttl: Duration,
    /// Since when the lease is certainly held: the beginning of the last change that acquired or renewed it.
    confirmed: Arc<Mutex<Moment>>,
    /// Asks the thread to release the lease, within a limit. Dropping it only ends the renewals.
    stop: oneshot::Sender<Duration>,
    thread: JoinHandle<Result<bool, StoreError>>,
}

/// What a holder has to know at once.
#[derive(Debug)]
pub enum Trouble {
    /// The lease is gone: somebody else has taken it over, or it was released.
    Lost(Option<Box<Lease>>),
    /// The lease was not renewed for its whole validity: somebody else may take it over.
    NotRenewed(StoreError),
}

/// What the thread needs.
struct Keeper {
    state: SharedState,
    fence: u64,
    ttl: Duration,
    confirmed: Arc<Mutex<Moment>>,
}

impl HeldLease {
    /// Renews the lease that was acquired, which is valid for `ttl`, from now on. `on_trouble` is called on another thread,
    /// once for each kind of trouble.
    ///
    /// # Errors
    /// No thread can be started.
    pub fn keep(
        state: SharedState,
        acquired: &Acquired,
        ttl: Duration,
        on_trouble: impl FnMut(Trouble) + Send + 'static,
    ) -> io::Result<Self> {
        let fence = acquired.fence;
        let confirmed = Arc::new(Mutex::new(acquired.since.clone()));
        let keeper = Keeper { state, fence, ttl, confirmed: Arc::clone(&confirmed) };
        let (stop, stopped) = oneshot::channel();
        let runtime = runtime::new()?;
        let thread = thread::Builder::new()
            .name("lease".to_owned())
            .spawn(move || runtime.block_on(keeper.run(stopped, on_trouble)))?;
        Ok(Self { fence, ttl, confirmed, stop, thread })
    }

    /// The fencing number.
    pub fn fence(&self) -> u64 {
        self.fence
    }

    /// Whether nobody can have taken the lease over, by the clock of this machine: it was renewed a moment ago.
    pub fn is_certain(&self) -> bool {
        is_certain(&self.confirmed, self.ttl)
    }

    /// Ends the renewals. The caller releases the lease, together with another change. Returns whether the loss of the lease
    /// was reported.
    pub fn stop(self) -> bool {
        drop(self.stop);
        matches!(self.thread.join(), Ok(Ok(false)))
    }

    /// Releases the lease, within `limit`. Returns whether it was held to the end; otherwise its loss was reported.
    ///
    /// # Errors
    /// The store cannot be used. The lease then expires.
    pub fn release(self, limit: Duration) -> Result<bool, StoreError> {
        let _ = self.stop.send(limit);
        let died = || StoreError::Unavailable("the thread that renews the lease died".to_owned());
        self.thread.join().unwrap_or_else(|_| Err(died()))
    }
}

impl Keeper {
    /// Renews the lease until the other end of `stopped` is used or dropped. A renewal that is under way does not delay
    /// that.
    async fn run(
        mut self,
        mut stopped: oneshot::Receiver<Duration>,
        mut on_trouble: impl FnMut(Trouble),
    ) -> Result<bool, StoreError> {
        let mut is_reported = false;
        let interval = renewal_interval(self.ttl);
        let mut pause = interval;
        loop {
            let renewed = {
                let mut renewal = pin!(async {
                    sleep(pause).await;
                    renew(&mut self.state, self.fence, self.ttl, &self.confirmed).await
                });
                tokio::select! {
                    order = &mut stopped => Err(order),
                    renewed = &mut renewal => Ok(renewed),
                }
            };
            // The lease is valid for longer than one renewal that fails.
            pause = if matches!(renewed, Ok(Ok(_))) { interval } else { interval / 5 };
            match renewed {
                Err(Ok(limit)) => {
                    let present = self.release(limit).await?;
                    return Ok(present.map_err(|present| on_trouble(Trouble::Lost(present))).is_ok());
                }
                Err(Err(_)) => return Ok(true),
                Ok(Ok(Renewed::Held)) => is_reported = false,
                Ok(Ok(Renewed::Lost(present))) => {
                    on_trouble(Trouble::Lost(present));
                    let _ = stopped.await;
                    return Ok(false);
                }
                Ok(Err(_)) if is_reported || is_certain(&self.confirmed, self.ttl) => {}
                Ok(Err(error)) => {
                    is_reported = true;
                    on_trouble(Trouble::NotRenewed(error));
                }
            }
        }
    }

    /// Releases the lease; if it is lost, the inner error is who has it.
    async fn release(&mut self, limit: Duration) -> Result<Result<(), Present>, StoreError> {
        let fence = self.fence;
        let release = self.state.update(Instant::now() + limit, |document| {
            Ok(if document.release(fence) { Ok(()) } else { Err(present(document)) })
        });
        release.await
    }
}

/// The present lease, if there is one.
type Present = Option<Box<Lease>>;

/// The result of a renewal.
enum Renewed {
    Held,
    Lost(Present),
}

fn present(document: &Document) -> Present {
    document.lease.clone().map(Box::new)
}

/// A renewal is not patient: another attempt soon is better than one that waits for other writers.
async fn renew(
    state: &mut SharedState,
    fence: u64,
    ttl: Duration,
    confirmed: &Mutex<Moment>,
) -> Result<Renewed, StoreError> {
    let (began, renewal) = (Moment::now(), Renewal::new(SystemClock.now()));
    let deadline = Instant::now() + RENEWAL_LIMIT.min(ttl / 3);
    let renewed = state.update_with(deadline, Duration::ZERO, |document| {
        let is_held = document.renew(fence, &renewal);
        Ok::<_, StoreError>(if is_held { Renewed::Held } else { Renewed::Lost(present(document)) })
    });
    let renewed = renewed.await?;
    if matches!(renewed, Renewed::Held) {
        *confirmed.lock().unwrap_or_else(PoisonError::into_inner) = began;
    }
    Ok(renewed)
}

fn is_certain(confirmed: &Mutex<Moment>, ttl: Duration) -> bool {
    let since = confirmed.lock().unwrap_or_else(PoisonError::into_inner);
    since.until(&Moment::now()) < ttl
}
