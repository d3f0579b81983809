//! One event to everywhere it is kept: the journal, the textfile, the gateway. Nothing in here changes a verdict:
//! what goes wrong is told in one warning.

use std::path::PathBuf;
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use anyhow::{Result, anyhow};
use tokio::runtime::Builder;
use tokio::sync::oneshot;

use crate::journal::Journal;
use crate::metrics::exposition::UnequalBuckets;
use crate::pushgateway::{CircuitBreaker, Endpoint, GatewayClient, GroupKey, Outbox, Rejected, Session};
use crate::textfile::Textfile;
use crate::work::WorkItem;
use common::clock::Clock;
use common::duration::format_duration;
use common::event::{Event, FORMAT, StartTag, Started};

/// Where events go.
#[derive(Debug, Clone)]
pub struct Sinks {
    /// The state directory: the journal, the outbox and the locks. `None` where there is no home to keep it in.
    pub state_dir: Option<PathBuf>,
    /// The textfile.
    pub textfile: Option<PathBuf>,
    /// The Pushgateway.
    pub gateway: Option<Endpoint>,
    /// Whether an event that could not be pushed is a failure of the tool.
    pub required: bool,
    /// What all exporting together may take, once the work is over.
    pub budget: Duration,
}

/// What came of recording.
#[derive(Debug, Default)]
pub struct Recorded {
    /// What went wrong, for people.
    pub warnings: Vec<String>,
    /// Whether the gateway took the event.
    pub is_pushed: bool,
}

/// Records one piece of work.
#[derive(Debug)]
pub struct Recorder {
    sinks: Sinks,
    scope: WorkItem,
    recorded: Recorded,
    worker: Option<PushWorker>,
}

/// The thread that talks to the gateway while the work runs.
#[derive(Debug)]
struct PushWorker {
    end: oneshot::Sender<Option<Box<Event>>>,
    news: Receiver<PushReport>,
    down: Option<CircuitBreaker>,
}

/// What the thread tells.
enum PushReport {
    /// What became of the tool's own event.
    Own(Result<Vec<UnequalBuckets>>),
    /// There is nothing more to wait for.
    Done,
}

impl Recorder {
    /// Begins, beside work that is already running: does not wait for anything outside this machine.
    pub fn begin(sinks: &Sinks, scope: WorkItem, clock: &dyn Clock) -> Self {
        let mut recorder = Self::new(sinks, scope);
        recorder.worker = recorder.attend(clock, async |session, end| session.attend(end).await);
        recorder.open_textfile();
        recorder
    }

    /// Records what the work came to, within the budget.
    pub fn finish(mut self, event: &Event, clock: &dyn Clock) -> Recorded {
        let deadline = clock.instant() + self.sinks.budget;
        let unkept = self.keep(event);
        if let Some(file) = self.textfile() {
            let told = file.close(&self.scope, event);
            self.told(told);
        }
        // What another tool found dead while this one's work ran is told of, and waited for, by that one.
        let worker = self.worker.take();
        if let Some(worker) = worker.filter(|it| !self.is_known_dead(it.down.as_ref(), clock)) {
            // The thread only ever ends by telling; without it there is nothing to wait for.
            let _ = worker.end.send(unkept);
            self.await_gateway(&worker.news, worker.down.as_ref(), deadline, clock);
        }
        self.recorded
    }

    /// Says that work has begun which another run of the tool will finish.
    pub fn announce(sinks: &Sinks, scope: WorkItem, tool: &str, clock: &dyn Clock) -> Recorded {
        let mut recorder = Self::new(sinks, scope);
        let deadline = clock.instant() + sinks.budget;
        let started = Started {
            v: FORMAT,
            r#type: StartTag::Start,
            ts: recorder.scope.started_at,
            tool: tool.to_owned(),
            identity: recorder.scope.identity.clone(),
            stage: recorder.scope.stage.clone(),
        };
        if let Some(folder) = &sinks.state_dir
            && let Err(error) = Journal::new(folder).append(&started)
        {
            recorder.warn_of_journal(&error);
        }
        recorder.open_textfile();
        let opened = recorder.attend(clock, async |session, _| session.open().await.map(|()| Vec::new()));
        if let Some(worker) = opened {
            recorder.await_gateway(&worker.news, worker.down.as_ref(), deadline, clock);
        }
        recorder.recorded
    }

    fn new(sinks: &Sinks, scope: WorkItem) -> Self {
        let mut recorded = Recorded::default();
        if sinks.state_dir.is_none() {
            recorded.warnings.push("no journal is kept: set DM_STATE_DIR, or HOME".to_owned());
        }
        Self { sinks: sinks.clone(), scope, recorded, worker: None }
    }

    /// Writes the event to the journal and, where there is a gateway, to the outbox. An event that cannot be kept is
    /// given back: it is pushed all the same.
    fn keep(&mut self, event: &Event) -> Option<Box<Event>> {
        let unkept = || Some(Box::new(event.clone()));
        let Some(folder) = &self.sinks.state_dir else { return unkept() };
        let kept = if self.sinks.gateway.is_some() {
            Outbox::new(folder).group(&GroupKey::counters(&event.identity, &event.stage)).add(event)
        } else {
            Journal::new(folder).append(event)
        };
        match kept {
            Ok(()) => None,
            Err(error) => {
                self.warn_of_journal(&error);
                unkept()
            }
        }
    }

    /// Starts the thread that talks to the gateway, unless there is none, or it is known to be dead.
    fn attend(
        &mut self,
        clock: &dyn Clock,
        talk: impl AsyncFnOnce(&Session, oneshot::Receiver<Option<Box<Event>>>) -> Result<Vec<UnequalBuckets>>
        + Send
        + 'static,
    ) -> Option<PushWorker> {
        let endpoint = self.sinks.gateway.clone()?;
        let state_dir = self.sinks.state_dir.clone();
        let down = state_dir.as_ref().map(|dir| CircuitBreaker::new(dir, endpoint.shown()));
        if self.is_known_dead(down.as_ref(), clock) {
            return None;
        }
        let (scope, budget) = (self.scope.clone(), self.sinks.budget);
        let (end, ended) = oneshot::channel();
        let (tell, news) = mpsc::channel();
        let work = async move || {
            let client = match GatewayClient::new(&endpoint, budget) {
                Ok(client) => client,
                Err(error) => return drop(tell.send(PushReport::Own(Err(error)))),
            };
            let session = Session::new(client, scope, state_dir.as_deref().map(Outbox::new));
            let told = talk(&session, ended).await;
            let is_reached = told.is_ok();
            // Nobody listens any more when the budget is spent.
            let _ = tell.send(PushReport::Own(told));
            if is_reached {
                // What is left over is the next tool's.
                let _ = session.tidy().await;
            }
            drop(tell.send(PushReport::Done));
        };
        let thread = thread::Builder::new().name("gateway".to_owned()).spawn(move || {
            // Without a runtime the channel closes, which is told of as no answer.
            if let Ok(runtime) = Builder::new_current_thread().enable_all().build() {
                runtime.block_on(work());
            }
        });
        match thread {
            Ok(_) => Some(PushWorker { end, news, down }),
            Err(error) => {
                self.warn(&error.into());
                None
            }
        }
    }

    /// Whether the gateway was found dead a moment ago, by whatever tool. Who must have it exported wants it tried.
    fn is_known_dead(&self, down: Option<&CircuitBreaker>, clock: &dyn Clock) -> bool {
        !self.sinks.required && down.is_some_and(|down| down.is_remembered(clock.now()))
    }

    /// Waits for the thread until `deadline`.
    fn await_gateway(
        &mut self,
        news: &Receiver<PushReport>,
        down: Option<&CircuitBreaker>,
        deadline: std::time::Instant,
        clock: &dyn Clock,
    ) {
        let next = || news.recv_timeout(deadline.saturating_duration_since(clock.instant()));
        let told = match next() {
            Ok(PushReport::Own(told)) => told,
            Ok(PushReport::Done) | Err(_) => {
                Err(anyhow!("no answer within {}", format_duration(self.sinks.budget)))
            }
        };
        let is_reached = told.is_ok();
        self.recorded.is_pushed = is_reached;
        let told = told.map_err(|error| {
            if let Some(down) = down.filter(|_| !error.is::<Rejected>()) {
                down.remember(clock.now());
            }
            let gateway = self.sinks.gateway.as_ref().map(Endpoint::shown).unwrap_or_default();
            let kept = if self.sinks.state_dir.is_some() { " yet" } else { "" };
            error.context(format!("not pushed to {gateway}{kept}"))
        });
        self.told(told);
        if is_reached {
            let _ = next();
        }
    }

    fn open_textfile(&mut self) {
        if let Some(file) = self.textfile()
            && let Err(error) = file.open(&self.scope)
        {
            self.warn(&error);
        }
    }

    fn textfile(&self) -> Option<Textfile> {
        self.sinks.textfile.as_deref().map(Textfile::new)
    }

    fn told(&mut self, told: Result<Vec<UnequalBuckets>>) {
        match told {
            Ok(refused) => self.recorded.warnings.extend(refused.into_iter().map(|UnequalBuckets(name)| {
                format!(
                    "{name} already exists with other buckets and was not added to: delete its group once"
                )
            })),
            Err(error) => self.warn(&error),
        }
    }

    fn warn_of_journal(&mut self, error: &std::io::Error) {
        let folder = self.sinks.state_dir.as_deref().unwrap_or_else(|| std::path::Path::new("")).display();
        self.recorded.warnings.push(format!("cannot write the journal in {folder}: {error}"));
    }

    fn warn(&mut self, error: &anyhow::Error) {
        self.recorded.warnings.push(format!("{error:#}"));
    }
}
