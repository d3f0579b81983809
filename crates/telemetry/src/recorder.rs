//! The recorder: writes an event to the journal, the textfile and the Pushgateway. It changes no verdict: all problems
//! become one warning.
//!
//! The recorder alone writes the journal. With a Pushgateway it writes journal and outbox in one step, so that a kill in
//! between loses or repeats nothing.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use common::clock::{Clock, SystemClock};
use common::duration::format_duration;
use common::event::{Event, FORMAT, StartTag, Started};
use common::runtime;
use state_store::{StoreError, StoreUrl};
use tokio::sync::oneshot;

use crate::journal::Journal;
use crate::metrics::exposition::UnequalBuckets;
use crate::pushgateway::{
    CircuitBreaker, Endpoint, GatewayClient, GroupKey, Outbox, PushError, PushSession, journal_and_enqueue,
};
use crate::shared::{Link, Report, SharedSession, Spool, Usable};
use crate::textfile::Textfile;
use crate::work::WorkItem;

/// Set for the command of a tool that shares everything that was recorded on its machine when it ends: its state directory.
pub(crate) const SHARED_BY: &str = "DM_SHARED_BY";

type PushResult = Result<Vec<UnequalBuckets>, PushError>;

/// Where events are recorded.
#[derive(Debug, Clone)]
pub struct Sinks {
    /// The state directory with the journal, the outbox and the locks. `None` if there is no home directory.
    pub state_dir: Option<PathBuf>,
    /// The state that all machines share, if there is one.
    pub state_url: Option<StoreUrl>,
    /// The textfile for `node_exporter`.
    pub textfile: Option<PathBuf>,
    /// The Pushgateway.
    pub gateway: Option<Endpoint>,
    /// Whether the tool fails if an event could not be pushed.
    pub required: bool,
    /// How long all exporting together may take after the work has ended.
    pub budget: Duration,
    /// Whether an enclosing tool with the same state directory shares what this one records.
    pub is_deferred: bool,
}

/// The result of recording.
#[derive(Debug, Default)]
pub struct Recorded {
    /// What went wrong, one message each.
    pub warnings: Vec<String>,
    /// Whether the Pushgateway accepted the event.
    pub is_pushed: bool,
}

/// Records one piece of work.
#[derive(Debug)]
pub struct Recorder {
    sinks: Sinks,
    work: WorkItem,
    recorded: Recorded,
    worker: Option<PushWorker>,
}

/// The thread that talks to the Pushgateway while the work runs.
#[derive(Debug)]
struct PushWorker {
    /// Reports the end of the work, with the event if it could not be saved.
    end: oneshot::Sender<Option<Box<Event>>>,
    reports: Receiver<PushReport>,
    breaker: Option<CircuitBreaker>,
}

/// What the thread reports.
enum PushReport {
    /// The store of the shared state could not be used.
    NotShared(StoreError),
    /// The result for the tool's own event.
    OwnEvent(PushResult),
    /// The thread has finished.
    Done,
}

impl Recorder {
    /// Starts recording work that is already running. Does not wait for anything outside this machine.
    pub fn begin(sinks: &Sinks, work: WorkItem, clock: &dyn Clock) -> Self {
        let mut recorder = Self::new(sinks, work);
        recorder.worker = if sinks.state_url.is_some() {
            recorder.start_sharing(async |session, end, usable| session.run(end, usable).await)
        } else {
            recorder.start_worker(clock, async |session, end| session.run(end).await)
        };
        recorder.open_textfile();
        recorder
    }

    /// Records the outcome within the budget.
    pub fn finish(mut self, event: &Event, clock: &dyn Clock) -> Recorded {
        let deadline = clock.instant() + self.sinks.budget;
        let unsaved = self.save(event);
        if let Some(file) = self.textfile() {
            match file.close(&self.work, event) {
                Ok(refused) => self.warn_of_refused(refused),
                Err(error) => self.warn(format!("{error:#}")),
            }
        }
        // If another tool has found the Pushgateway down during this work, that tool has waited and warned already.
        let worker = self.worker.take();
        if let Some(worker) = worker.filter(|it| !self.is_breaker_open(it.breaker.as_ref(), clock)) {
            // If the thread has died, waiting for its report ends at once.
            let _ = worker.end.send(unsaved);
            self.await_push(&worker.reports, deadline, clock);
        }
        self.recorded
    }

    /// Records the start of work that another process will finish.
    pub fn announce(sinks: &Sinks, work: WorkItem, tool: &str, clock: &dyn Clock) -> Recorded {
        let mut recorder = Self::new(sinks, work);
        let deadline = clock.instant() + sinks.budget;
        let started = Started {
            v: FORMAT,
            r#type: StartTag::Start,
            ts: recorder.work.started_at,
            tool: tool.to_owned(),
            identity: recorder.work.identity.clone(),
            stage: recorder.work.stage.clone(),
        };
        if let Some(folder) = &sinks.state_dir
            && let Err(error) = save_start(folder, &started, sinks.state_url.is_some())
        {
            recorder.warn_of_journal(&error);
        }
        recorder.open_textfile();
        let worker = if sinks.state_url.is_some() {
            recorder.start_sharing(async |session, _, usable| session.announce(usable()).await)
        } else {
            recorder.start_worker(clock, async |session, _| session.announce().await.map(|()| Vec::new()))
        };
        if let Some(worker) = worker {
            recorder.await_push(&worker.reports, deadline, clock);
        }
        recorder.recorded
    }

    fn new(sinks: &Sinks, work: WorkItem) -> Self {
        let mut recorded = Recorded::default();
        if sinks.state_dir.is_none() {
            recorded.warnings.push("there is no journal: set DM_STATE_DIR or HOME".to_owned());
        }
        Self { sinks: sinks.clone(), work, recorded, worker: None }
    }

    /// Writes the event to the journal and, if there is a Pushgateway, to the outbox. Returns an event that could not be
    /// saved: it is pushed all the same.
    fn save(&mut self, event: &Event) -> Option<Box<Event>> {
        let unsaved = || Some(Box::new(event.clone()));
        let Some(folder) = &self.sinks.state_dir else { return unsaved() };
        let journal = Journal::new(folder);
        let saved = if self.sinks.state_url.is_some() {
            Spool::new(folder, &event.identity).save(&journal, event)
        } else if self.sinks.gateway.is_some() {
            let group = Outbox::new(folder).group(&GroupKey::counters(&event.identity, &event.stage));
            journal_and_enqueue(&journal, &group, event)
        } else {
            journal.append(event)
        };
        match saved {
            Ok(()) => None,
            Err(error) => {
                self.warn_of_journal(&error);
                unsaved()
            }
        }
    }

    /// Starts the thread that talks to the Pushgateway, unless there is none or the circuit breaker is open.
    fn start_worker(
        &mut self,
        clock: &dyn Clock,
        talk: impl AsyncFnOnce(&PushSession, oneshot::Receiver<Option<Box<Event>>>) -> PushResult + Send + 'static,
    ) -> Option<PushWorker> {
        let endpoint = self.sinks.gateway.clone()?;
        let state_dir = self.sinks.state_dir.clone();
        let breaker = self.gateway_breaker();
        if self.is_breaker_open(breaker.as_ref(), clock) {
            return None;
        }
        let (work, budget) = (self.work.clone(), self.sinks.budget);
        let (end, ended) = oneshot::channel();
        let (reporter, reports) = mpsc::channel();
        let conversation = async move || {
            let client = match GatewayClient::new(&endpoint, budget) {
                Ok(client) => client,
                Err(error) => return drop(reporter.send(PushReport::OwnEvent(Err(error)))),
            };
            let session = PushSession::new(client, work, state_dir.as_deref().map(Outbox::new));
            let result = talk(&session, ended).await;
            let is_pushed = result.is_ok();
            // After the budget is spent, the receiver has been dropped.
            let _ = reporter.send(PushReport::OwnEvent(result));
            if is_pushed {
                // The next tool continues what fails here.
                let _ = session.push_backlog().await;
            }
            drop(reporter.send(PushReport::Done));
        };
        self.spawn("gateway", conversation).then_some(PushWorker { end, reports, breaker })
    }

    /// Starts the thread that talks to the store and to the Pushgateway. It looks at the circuit breakers itself.
    fn start_sharing(
        &mut self,
        talk: impl AsyncFnOnce(
            &SharedSession,
            oneshot::Receiver<Option<Box<Event>>>,
            &dyn Fn() -> Usable,
        ) -> Report
        + Send
        + 'static,
    ) -> Option<PushWorker> {
        let url = self.sinks.state_url.clone()?;
        let (sinks, work) = (self.sinks.clone(), self.work.clone());
        let gateway_breaker = self.gateway_breaker();
        let store_breaker = self.store_breaker();
        let (end, ended) = oneshot::channel();
        let (reporter, reports) = mpsc::channel();
        let conversation = async move || {
            let gateway = sinks.gateway.as_ref().map(|endpoint| GatewayClient::new(endpoint, sinks.budget));
            let (gateway, failure) = match gateway.transpose() {
                Ok(gateway) => (gateway, None),
                Err(error) => (None, Some(error)),
            };
            let is_usable = |breaker: &Option<CircuitBreaker>| {
                sinks.required || !breaker.as_ref().is_some_and(|breaker| breaker.is_open(SystemClock.now()))
            };
            let usable = || Usable { store: is_usable(&store_breaker), gateway: is_usable(&gateway_breaker) };
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
        };
        self.spawn("shared-state", conversation).then_some(PushWorker { end, reports, breaker: None })
    }

    fn spawn(&mut self, name: &str, conversation: impl AsyncFnOnce() + Send + 'static) -> bool {
        let thread = thread::Builder::new().name(name.to_owned()).spawn(move || {
            // Without a runtime the channel closes, which is reported as no response.
            if let Ok(runtime) = runtime::new() {
                runtime.block_on(conversation());
            }
        });
        let error = thread.err();
        let is_started = error.is_none();
        self.recorded.warnings.extend(error.map(|error| error.to_string()));
        is_started
    }

    fn gateway_breaker(&self) -> Option<CircuitBreaker> {
        let (dir, endpoint) = (self.sinks.state_dir.as_ref()?, self.sinks.gateway.as_ref()?);
        Some(CircuitBreaker::new(dir, endpoint.display_url()))
    }

    fn store_breaker(&self) -> Option<CircuitBreaker> {
        let (dir, url) = (self.sinks.state_dir.as_ref()?, self.sinks.state_url.as_ref()?);
        Some(CircuitBreaker::of_store(dir, url.to_string()))
    }

    /// Whether some tool has found the Pushgateway down a moment ago. With `--require-export` it is tried all the same.
    fn is_breaker_open(&self, breaker: Option<&CircuitBreaker>, clock: &dyn Clock) -> bool {
        !self.sinks.required && breaker.is_some_and(|breaker| breaker.is_open(clock.now()))
    }

    /// Waits for the thread until `deadline`.
    fn await_push(&mut self, reports: &Receiver<PushReport>, deadline: Instant, clock: &dyn Clock) {
        let next = || reports.recv_timeout(deadline.saturating_duration_since(clock.instant()));
        let mut is_answered = false;
        loop {
            match next() {
                Ok(PushReport::OwnEvent(Ok(refused))) => {
                    self.recorded.is_pushed = true;
                    self.warn_of_refused(refused);
                }
                Ok(PushReport::OwnEvent(Err(error))) => return self.warn_of_push(&error, clock),
                Ok(PushReport::NotShared(error)) => self.warn_of_store(&error, clock),
                Ok(PushReport::Done) if self.sinks.state_url.is_some() => return,
                Ok(PushReport::Done) | Err(_) => break,
            }
            is_answered = true;
        }
        if !is_answered {
            let message = format!("no response within {}", format_duration(self.sinks.budget));
            if self.sinks.gateway.is_some() {
                self.warn_of_push(&PushError::Unavailable(message), clock);
            } else {
                self.warn_of_store(&StoreError::Unavailable(message), clock);
            }
        }
    }

    fn warn_of_push(&mut self, error: &PushError, clock: &dyn Clock) {
        if let Some(breaker) = self.gateway_breaker().filter(|_| !matches!(error, PushError::Rejected(_))) {
            breaker.trip(clock.now());
        }
        let gateway = self.sinks.gateway.as_ref().map(Endpoint::display_url).unwrap_or_default();
        let yet = if self.sinks.state_dir.is_some() { " yet" } else { "" };
        self.warn(format!("not pushed to {gateway}{yet}: {error}"));
    }

    fn warn_of_store(&mut self, error: &StoreError, clock: &dyn Clock) {
        if let Some(breaker) = self.store_breaker() {
            breaker.trip(clock.now());
        }
        let url = self.sinks.state_url.as_ref().map(ToString::to_string).unwrap_or_default();
        let yet = if self.sinks.state_dir.is_some() { " yet" } else { "" };
        self.warn(format!("not shared to {url}{yet}: {error}"));
    }

    fn open_textfile(&mut self) {
        if let Some(file) = self.textfile()
            && let Err(error) = file.open(&self.work)
        {
            self.warn(format!("{error:#}"));
        }
    }

    fn textfile(&self) -> Option<Textfile> {
        self.sinks.textfile.as_deref().map(Textfile::new)
    }

    fn warn_of_refused(&mut self, refused: Vec<UnequalBuckets>) {
        for UnequalBuckets(name) in refused {
            self.warn(format!(
                "{name} exists with other buckets, so nothing was added; delete its group once"
            ));
        }
    }

    fn warn_of_journal(&mut self, error: &io::Error) {
        let folder = self.sinks.state_dir.as_deref().unwrap_or_else(|| Path::new("")).display();
        self.warn(format!("cannot write the journal in {folder}: {error}"));
    }

    fn warn(&mut self, message: String) {
        self.recorded.warnings.push(message);
    }
}

fn save_start(folder: &Path, started: &Started, is_shared: bool) -> io::Result<()> {
    Journal::new(folder).append(started)?;
    if is_shared { Spool::new(folder, &started.identity).save_start(started) } else { Ok(()) }
}
