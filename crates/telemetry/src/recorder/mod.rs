//! The recorder: writes an event to the journal, the textfile and the Pushgateway. It changes no verdict: all problems
//! become one warning.
//!
//! The recorder alone writes the journal. With a Pushgateway it writes journal and outbox in one step, so that a kill in
//! between loses or repeats nothing.

mod collectors;
mod sinks;
mod worker;

use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use chrono::{DateTime, Utc};
use common::clock::Clock;
use common::duration::format_duration;
use common::event::{Event, Started};
use state_store::StoreError;

use crate::exporter::{Failure, Job, launch};
use crate::metrics::exposition::Remark;
use crate::otlp_export;
use crate::pushgateway::{Endpoint, GroupKey, PushError, PushSession, journal_and_enqueue, run_of};
use crate::running::Mark;
use crate::shared::{ShareError, SharedSession, Spool, Usable};
use crate::statsd;
use crate::textfile::Textfile;
use crate::work::WorkItem;
use collectors::CollectorThread;
pub use sinks::Sinks;
use worker::{Patience, PushReport, PushWorker};

/// Set for the command of a tool that shares everything that was recorded on its machine when it ends: its state directory.
pub(crate) const SHARED_BY: &str = "DM_SHARED_BY";

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
    /// The work in progress, for whoever finds that this process was killed.
    mark: Option<Mark>,
}

impl Recorder {
    /// Starts recording work that is already running. Does not wait for anything outside this machine.
    pub fn begin(sinks: &Sinks, work: WorkItem, clock: &dyn Clock) -> Self {
        let mut recorder = Self::new(sinks, work);
        let worker = if sinks.state_url.is_some() {
            let talk = async |session: &SharedSession, end, usable: &dyn Fn() -> Usable| {
                session.run(end, usable).await
            };
            PushWorker::for_shared_state(sinks, &recorder.work, talk)
        } else {
            let talk = async |session: &PushSession, end| session.run(end).await;
            let patience = if recorder.is_detached() { Patience::ForLongWork } else { Patience::None };
            PushWorker::for_gateway(sinks, &recorder.work, clock.now(), patience, talk)
        };
        recorder.worker = recorder.started(worker);
        recorder.open_textfile();
        // A state directory that cannot be written is reported by the journal.
        recorder.mark = sinks.state_dir.as_ref().and_then(|folder| Mark::set(folder, &recorder.work).ok());
        recorder
    }

    /// Records the outcome within the budget. If an exporter pushes it, the tool does not wait.
    pub fn finish(mut self, event: &Event, clock: &dyn Clock) -> Recorded {
        let deadline = clock.instant() + self.sinks.budget;
        self.report_exporter();
        let unsaved = self.save(event);
        self.enqueue_for_collectors(event);
        self.send_to_statsd(event);
        if let Some(mark) = self.mark.take() {
            mark.clear();
        }
        if let Some(file) = self.textfile(deadline.saturating_duration_since(clock.instant())) {
            match file.close(&self.work, event) {
                Ok(refused) => self.warn_of_refused(&refused),
                Err(error) => self.warn(format!("{error:#}")),
            }
        }
        if unsaved.is_none() && self.is_detached() && self.hand_over(clock.now()).is_ok() {
            return self.recorded;
        }
        let collectors = CollectorThread::start(&self.sinks, clock.now());
        // If another tool has found the Pushgateway down during this work, that tool has waited and warned already.
        let worker = self.worker.take();
        if let Some(mut worker) = worker.filter(|it| self.sinks.is_usable(it.breaker.as_ref(), clock.now())) {
            // If the thread has died, waiting for its report ends at once.
            let _ = worker.end.take().map(|end| end.send(unsaved));
            self.await_push(&worker, deadline, clock);
        }
        if let Some(collectors) = collectors {
            let warnings = collectors.wait(deadline, || clock.instant(), self.sinks.budget);
            self.recorded.warnings.extend(warnings);
        }
        self.recorded
    }

    /// Leaves the event for the collectors. Each tool, or an exporter, sends what waits.
    fn enqueue_for_collectors(&mut self, event: &Event) {
        let Some(settings) = &self.sinks.otlp else { return };
        let Some(folder) = &self.sinks.state_dir else {
            return self.warn("nothing is sent by OTLP: set DM_STATE_DIR or HOME".to_owned());
        };
        if let Err(error) = otlp_export::enqueue(folder, settings, event) {
            self.warn(format!("nothing is sent by OTLP: cannot write to {}: {error}", folder.display()));
        }
    }

    fn send_to_statsd(&mut self, event: &Event) {
        if let Some(address) = &self.sinks.statsd
            && let Err(error) = statsd::send(address, event)
        {
            self.warn(format!("not sent to StatsD at {address}: {error}"));
        }
    }

    /// Whether an exporter pushes the outcome. What was done in a whole deployment is exported when that ends: a CI system
    /// may then kill what still runs.
    fn is_detached(&self) -> bool {
        let Sinks { is_detached, gateway, otlp, state_dir, .. } = &self.sinks;
        let has_sink = gateway.is_some() || otlp.is_some();
        *is_detached && has_sink && state_dir.is_some() && !self.work.stage.is_deployment()
    }

    /// Leaves the outcome, which is in the outbox, to an exporter. If the Pushgateway was found down, to a later one.
    fn hand_over(&self, now: DateTime<Utc>) -> Result<()> {
        let Sinks { state_dir, gateway, otlp, .. } = &self.sinks;
        let Some(state_dir) = state_dir else { return Ok(()) };
        if let Some((run, _)) = run_of(&self.work).filter(|_| gateway.is_some()) {
            self.sinks.outbox(state_dir).ended_runs().add(&run)?;
        }
        let is_up = self.sinks.is_usable(self.sinks.gateway_breaker().as_ref(), now);
        let gateway = gateway.as_ref().filter(|_| is_up).map(Endpoint::to_portable);
        let is_some_collector_up = || {
            let senders = otlp.as_ref().map(|settings| otlp_export::Sender::all(state_dir, settings));
            senders.into_iter().flatten().any(|sender| sender.is_usable(now))
        };
        if gateway.is_none() && !is_some_collector_up() {
            return Ok(());
        }
        launch(&Job { state_dir: std::path::absolute(state_dir)?, gateway })
    }

    /// Reports what an exporter has left to be reported.
    fn report_exporter(&mut self) {
        if let Some(folder) = self
            .sinks
            .state_dir
            .as_ref()
            .filter(|_| self.sinks.gateway.is_some() || self.sinks.otlp.is_some())
        {
            self.recorded.warnings.extend(Failure::take(folder));
        }
    }

    /// Records the start of work that another process will finish.
    pub fn announce(sinks: &Sinks, work: WorkItem, clock: &dyn Clock) -> Recorded {
        let mut recorder = Self::new(sinks, work);
        let deadline = clock.instant() + sinks.budget;
        if let Some(folder) = &sinks.state_dir
            && let Err(error) = save_start(folder, &recorder.work.started(), sinks)
        {
            recorder.warn_of_journal(&error);
        }
        recorder.open_textfile();
        let worker = if sinks.state_url.is_some() {
            let talk = async |session: &SharedSession, _, usable: &dyn Fn() -> Usable| {
                session.announce(usable()).await
            };
            PushWorker::for_shared_state(sinks, &recorder.work, talk)
        } else {
            let talk = async |session: &PushSession, _| Some(session.announce().await.map(|()| Vec::new()));
            PushWorker::for_gateway(sinks, &recorder.work, clock.now(), Patience::None, talk)
        };
        if let Some(worker) = recorder.started(worker) {
            recorder.await_push(&worker, deadline, clock);
        }
        recorder.recorded
    }

    fn new(sinks: &Sinks, work: WorkItem) -> Self {
        let mut recorded = Recorded::default();
        if sinks.state_dir.is_none() {
            recorded.warnings.push("there is no journal: set DM_STATE_DIR or HOME".to_owned());
        }
        Self { sinks: sinks.clone(), work, recorded, worker: None, mark: None }
    }

    /// Writes the event to the journal and, if there is a Pushgateway, to the outbox. Returns an event that could not be
    /// saved: it is pushed all the same.
    fn save(&mut self, event: &Event) -> Option<Box<Event>> {
        let unsaved = || Some(Box::new(event.clone()));
        let Some(folder) = &self.sinks.state_dir else { return unsaved() };
        let journal = self.sinks.journal(folder);
        let saved = if self.sinks.state_url.is_some() {
            Spool::new(&self.sinks.outbox(folder), &event.identity).save(&journal, event)
        } else if self.sinks.gateway.is_some() {
            let group = self.sinks.outbox(folder).group(&GroupKey::counters(&event.identity, &event.stage));
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

    /// The worker, if there is one and its thread could be started.
    fn started(&mut self, worker: io::Result<Option<PushWorker>>) -> Option<PushWorker> {
        worker.unwrap_or_else(|error| {
            self.warn(error.to_string());
            None
        })
    }

    /// Waits for the thread until `deadline`.
    fn await_push(&mut self, worker: &PushWorker, deadline: Instant, clock: &dyn Clock) {
        let next = || worker.reports.recv_timeout(deadline.saturating_duration_since(clock.instant()));
        let mut is_answered = false;
        loop {
            match next() {
                Ok(PushReport::OwnEvent(Ok(refused))) => {
                    self.recorded.is_pushed = true;
                    self.warn_of_refused(&refused);
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
            if worker.answered.is_set() {
                let message = anyhow!("not done within {}", format_duration(self.sinks.budget));
                self.warn_of_push(&PushError::Local(message), clock);
            } else if self.sinks.gateway.is_some() {
                self.warn_of_push(&PushError::Unavailable(message), clock);
            } else {
                self.warn_of_store(&StoreError::Unavailable(message).into(), clock);
            }
        }
    }

    fn warn_of_push(&mut self, error: &PushError, clock: &dyn Clock) {
        if let Some(breaker) =
            self.sinks.gateway_breaker().filter(|_| matches!(error, PushError::Unavailable(_)))
        {
            breaker.trip(clock.now());
        }
        let gateway = self.sinks.gateway.as_ref().map(Endpoint::display_url).unwrap_or_default();
        let yet = if self.sinks.state_dir.is_some() { " yet" } else { "" };
        self.warn(format!("not pushed to {gateway}{yet}: {error}"));
    }

    fn warn_of_store(&mut self, error: &ShareError, clock: &dyn Clock) {
        if let Some(breaker) = self.sinks.store_breaker().filter(|_| matches!(error, ShareError::Store(_))) {
            breaker.trip(clock.now());
        }
        let url = self.sinks.state_url.as_ref().map(ToString::to_string).unwrap_or_default();
        let yet = if self.sinks.state_dir.is_some() { " yet" } else { "" };
        self.warn(format!("not shared to {url}{yet}: {error}"));
    }

    fn open_textfile(&mut self) {
        if let Some(file) = self.textfile(self.sinks.budget / 2)
            && let Err(error) = file.open(&self.work)
        {
            self.warn(format!("{error:#}"));
        }
    }

    fn textfile(&self, lock_limit: Duration) -> Option<Textfile> {
        self.sinks.textfile.as_deref().map(|path| Textfile::new(path, lock_limit))
    }

    fn warn_of_refused(&mut self, refused: &[Remark]) {
        self.recorded.warnings.extend(refused.iter().map(Remark::to_string));
    }

    fn warn_of_journal(&mut self, error: &io::Error) {
        let folder = self.sinks.state_dir.as_deref().unwrap_or_else(|| Path::new("")).display();
        self.warn(format!("cannot write the journal in {folder}: {error}"));
    }

    fn warn(&mut self, message: String) {
        self.recorded.warnings.push(message);
    }
}

/// Puts the start of a deployment into the journal, and into the spool of the shared state.
pub(crate) fn save_start(folder: &Path, started: &Started, sinks: &Sinks) -> io::Result<()> {
    sinks.journal(folder).append(started)?;
    if sinks.state_url.is_none() {
        return Ok(());
    }
    Spool::new(&sinks.outbox(folder), &started.identity).save_start(started)
}
