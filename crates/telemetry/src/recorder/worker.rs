//! The thread that talks to the Pushgateway, and to the store of the shared state, while the work runs.

use std::io;
use std::sync::mpsc::{self, Receiver};
use std::thread;

use chrono::{DateTime, Utc};
use common::clock::{Clock as _, SystemClock};
use common::event::Event;
use common::runtime;
use tokio::sync::oneshot;
use tokio::sync::oneshot::error::TryRecvError;

use super::sinks::Sinks;
use crate::metrics::exposition::Remark;
use crate::pushgateway::{
    Answered, CircuitBreaker, GatewayClient, PushError, PushSession, TOO_SHORT_TO_ANNOUNCE,
};
use crate::shared::{Link, Report, ShareError, SharedSession, Usable};
use crate::work::WorkItem;

type PushResult = Result<Vec<Remark>, PushError>;

/// Reports the end of the work to the thread, with the event if it could not be saved.
type WorkEnd = oneshot::Receiver<Option<Box<Event>>>;

/// The thread that talks to the Pushgateway while the work runs.
#[derive(Debug)]
pub(super) struct PushWorker {
    /// Reports the end of the work, with the event if it could not be saved.
    pub(super) end: Option<oneshot::Sender<Option<Box<Event>>>>,
    pub(super) reports: Receiver<PushReport>,
    pub(super) answered: Answered,
    pub(super) breaker: Option<CircuitBreaker>,
}

/// When the thread sets up its conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Patience {
    /// At once: it pushes the outcome.
    None,
    /// Only for work that lasts: somebody else pushes the outcome.
    ForLongWork,
}

/// What the thread reports.
pub(super) enum PushReport {
    /// Something could not be added to the shared state.
    NotShared(ShareError),
    /// The result for the tool's own event.
    OwnEvent(PushResult),
    /// The thread has finished.
    Done,
}

impl PushWorker {
    /// Starts the thread that talks to the Pushgateway. `None` if there is no Pushgateway, or if it was found down a moment
    /// before `now`.
    pub(super) fn for_gateway(
        sinks: &Sinks,
        work: &WorkItem,
        now: DateTime<Utc>,
        patience: Patience,
        talk: impl AsyncFnOnce(&PushSession, WorkEnd) -> Option<PushResult> + Send + 'static,
    ) -> io::Result<Option<Self>> {
        let Some(endpoint) = sinks.gateway.clone() else { return Ok(None) };
        let breaker = sinks.gateway_breaker();
        if !sinks.is_usable(breaker.as_ref(), now) {
            return Ok(None);
        }
        let outbox = sinks.state_dir.as_ref().map(|dir| sinks.outbox(dir));
        let (work, budget) = (work.clone(), sinks.budget);
        let (end, ended) = oneshot::channel();
        let (reporter, reports) = mpsc::channel();
        let answered = Answered::default();
        let noted = answered.clone();
        let wait = move || if patience == Patience::ForLongWork { outlasting(ended) } else { Some(ended) };
        let conversation = async move |ended| {
            let client = match GatewayClient::new(&endpoint, budget) {
                Ok(client) => client.noting(&noted),
                Err(error) => {
                    let _ = reporter.send(PushReport::OwnEvent(Err(error)));
                    return None;
                }
            };
            let session = PushSession::new(client, work, outbox);
            let result = talk(&session, ended).await?;
            let is_pushed = result.is_ok();
            // After the budget is spent, the receiver has been dropped.
            let _ = reporter.send(PushReport::OwnEvent(result));
            if is_pushed {
                // The next tool continues what fails here.
                let _ = session.push_backlog().await;
            }
            reporter.send(PushReport::Done).ok()
        };
        spawn("gateway", wait, conversation)?;
        Ok(Some(Self { end: Some(end), reports, answered, breaker }))
    }

    /// Starts the thread that talks to the store and to the Pushgateway. It looks at the circuit breakers itself. `None` if
    /// there is no shared state.
    pub(super) fn for_shared_state(
        sinks: &Sinks,
        work: &WorkItem,
        talk: impl AsyncFnOnce(&SharedSession, WorkEnd, &dyn Fn() -> Usable) -> Report + Send + 'static,
    ) -> io::Result<Option<Self>> {
        let Some(url) = sinks.state_url.clone() else { return Ok(None) };
        let (sinks, work) = (sinks.clone(), work.clone());
        let (gateway_breaker, store_breaker) = (sinks.gateway_breaker(), sinks.store_breaker());
        let (end, ended) = oneshot::channel();
        let (reporter, reports) = mpsc::channel();
        let answered = Answered::default();
        let noted = answered.clone();
        let conversation = async move |ended| {
            let gateway = sinks.gateway.as_ref().map(|endpoint| GatewayClient::new(endpoint, sinks.budget));
            let (gateway, failure) = match gateway.transpose() {
                Ok(gateway) => (gateway.map(|client| client.noting(&noted)), None),
                Err(error) => (None, Some(error)),
            };
            let usable = || Usable {
                store: sinks.is_usable(store_breaker.as_ref(), SystemClock.now()),
                gateway: sinks.is_usable(gateway_breaker.as_ref(), SystemClock.now()),
            };
            let session = SharedSession {
                link: Link::new(&url, sinks.state_dir.as_deref()),
                gateway,
                work,
                budget: sinks.budget,
                is_deferred: sinks.is_deferred,
            };
            let report = talk(&session, ended, &usable).await;
            let not_shared = report.store.and_then(Result::err).map(PushReport::NotShared);
            let own = failure.map(Err).or(report.gateway).map(PushReport::OwnEvent);
            // After the budget is spent, the receiver has been dropped.
            for report in not_shared.into_iter().chain(own).chain([PushReport::Done]) {
                let _ = reporter.send(report);
            }
            Some(())
        };
        spawn("shared-state", || Some(ended), conversation)?;
        Ok(Some(Self { end: Some(end), reports, answered, breaker: None }))
    }
}

/// Waits until the work has lasted long enough to be announced. `None` if it ends before, and somebody else pushes the
/// outcome: most work is that short, and needs no event loop and no HTTP client.
fn outlasting(mut ended: WorkEnd) -> Option<WorkEnd> {
    // Nobody unparks this thread.
    thread::park_timeout(TOO_SHORT_TO_ANNOUNCE);
    match ended.try_recv() {
        Err(TryRecvError::Empty) => Some(ended),
        Err(TryRecvError::Closed) => None,
        Ok(unsaved) => {
            let (end, again) = oneshot::channel();
            end.send(unsaved).ok().map(|()| again)
        }
    }
}

fn spawn(
    name: &str,
    wait: impl FnOnce() -> Option<WorkEnd> + Send + 'static,
    conversation: impl AsyncFnOnce(WorkEnd) -> Option<()> + Send + 'static,
) -> io::Result<()> {
    let thread = thread::Builder::new().name(name.to_owned()).spawn(move || {
        let Some(ended) = wait() else { return };
        // Without a runtime the channel closes, which is reported as no response.
        if let Ok(runtime) = runtime::new() {
            let _ = runtime.block_on(conversation(ended));
        }
    });
    thread.map(drop)
}
