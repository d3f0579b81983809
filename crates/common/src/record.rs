//! One event to everywhere it is kept: the journal, the textfile, the gateway. Nothing in here changes a verdict:
//! what goes wrong is told in one warning.

use std::path::PathBuf;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use anyhow::Result;
use tokio::sync::oneshot;
use url::Url;

use crate::clock::Clock;
use crate::event::{Event, FORMAT, StartTag, Started};
use crate::gateway::{Down, GatewayClient, Session};
use crate::journal::Journal;
use crate::metrics::exposition::UnequalBuckets;
use crate::metrics::{Contribution, contribution};
use crate::scope::Scope;
use crate::textfile::Textfile;

/// Where events go.
#[derive(Debug, Clone)]
pub struct Sinks {
    /// The state directory: the journal and the locks. `None` where there is no home to keep it in.
    pub state_dir: Option<PathBuf>,
    /// The textfile.
    pub textfile: Option<PathBuf>,
    /// The Pushgateway.
    pub gateway: Option<Url>,
    /// What all exporting together may take, once the work is over.
    pub budget: Duration,
}

/// Records one piece of work.
#[derive(Debug)]
pub struct Recorder {
    sinks: Sinks,
    scope: Scope,
    warnings: Vec<String>,
    attendant: Option<Attendant>,
}

/// The thread that talks to the gateway while the work runs.
#[derive(Debug)]
struct Attendant {
    end: oneshot::Sender<Contribution>,
    answer: mpsc::Receiver<Result<Vec<UnequalBuckets>>>,
    down: Option<Down>,
}

impl Recorder {
    /// Begins, beside work that is already running: does not wait for anything outside this machine.
    pub fn begin(sinks: &Sinks, scope: Scope, clock: &dyn Clock) -> Self {
        let mut recorder = Self { sinks: sinks.clone(), scope, warnings: Vec::new(), attendant: None };
        if recorder.sinks.state_dir.is_none() {
            recorder.warnings.push("no journal is kept: set DM_STATE_DIR, or HOME".to_owned());
        }
        recorder.attendant = recorder.attend(clock, Session::attend);
        if let Some(file) = recorder.textfile()
            && let Err(error) = file.open(&recorder.scope)
        {
            recorder.warn(&error);
        }
        recorder
    }

    /// Records what the work came to, within the budget. The answer is the warnings.
    pub fn finish(mut self, event: &Event, clock: &dyn Clock) -> Vec<String> {
        let contribution = contribution(event);
        self.journal(event);
        if let Some(file) = self.textfile() {
            let told = file.close(&self.scope, &contribution);
            self.told(told);
        }
        if let Some(attendant) = self.attendant.take() {
            // The thread only ever ends by answering; without it there is nothing to wait for.
            let _ = attendant.end.send(contribution);
            self.await_gateway(&attendant.answer, attendant.down.as_ref(), clock);
        }
        self.warnings
    }

    /// Says that work has begun which another run of the tool will finish.
    pub fn announce(sinks: &Sinks, scope: Scope, tool: &str, clock: &dyn Clock) -> Vec<String> {
        let mut recorder = Self { sinks: sinks.clone(), scope, warnings: Vec::new(), attendant: None };
        recorder.journal(&Started {
            v: FORMAT,
            r#type: StartTag::Start,
            ts: recorder.scope.started_at,
            tool: tool.to_owned(),
            identity: recorder.scope.identity.clone(),
            stage: recorder.scope.stage.clone(),
        });
        if let Some(file) = recorder.textfile()
            && let Err(error) = file.open(&recorder.scope)
        {
            recorder.warn(&error);
        }
        let announced = recorder.attend(clock, async |session, _| session.open().await.map(|()| Vec::new()));
        if let Some(attendant) = announced {
            recorder.await_gateway(&attendant.answer, attendant.down.as_ref(), clock);
        }
        recorder.warnings
    }

    /// Starts the thread that talks to the gateway, unless there is none, or it is known to be dead.
    fn attend(
        &mut self,
        clock: &dyn Clock,
        talk: impl AsyncFnOnce(&Session, oneshot::Receiver<Contribution>) -> Result<Vec<UnequalBuckets>>
        + Send
        + 'static,
    ) -> Option<Attendant> {
        let url = self.sinks.gateway.clone()?;
        let client = match GatewayClient::new(&url, self.sinks.budget) {
            Ok(client) => client,
            Err(error) => {
                self.warn(&error);
                return None;
            }
        };
        let down = self.sinks.state_dir.as_ref().map(|dir| Down::new(dir, client.shown()));
        if down.as_ref().is_some_and(|down| down.is_remembered(clock.now())) {
            return None;
        }
        let session = Session::new(client, self.scope.clone(), self.sinks.state_dir.clone());
        let (end, ended) = oneshot::channel();
        let (answers, answer) = mpsc::channel();
        let work = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let told = match runtime {
                Ok(runtime) => runtime.block_on(talk(&session, ended)),
                Err(error) => Err(error.into()),
            };
            // Nobody listens any more when the budget is spent.
            let _ = answers.send(told);
        };
        match thread::Builder::new().name("gateway".to_owned()).spawn(work) {
            Ok(_) => Some(Attendant { end, answer, down }),
            Err(error) => {
                self.warn(&error.into());
                None
            }
        }
    }

    fn await_gateway(
        &mut self,
        answer: &mpsc::Receiver<Result<Vec<UnequalBuckets>>>,
        down: Option<&Down>,
        clock: &dyn Clock,
    ) {
        let told = answer.recv_timeout(self.sinks.budget).unwrap_or_else(|_| {
            Err(anyhow::anyhow!("no answer within {}", crate::duration::show(self.sinks.budget)))
        });
        let told = told.map_err(|error| {
            if let Some(down) = down {
                down.remember(clock.now());
            }
            let url = self.sinks.gateway.as_ref().map(crate::label::without_secrets).unwrap_or_default();
            let kept = if self.sinks.state_dir.is_some() { ", only kept in the journal" } else { "" };
            error.context(format!("not pushed to {url}{kept}"))
        });
        self.told(told);
    }

    fn journal(&mut self, record: &impl serde::Serialize) {
        if let Some(folder) = &self.sinks.state_dir
            && let Err(error) = Journal::new(folder).append(record)
        {
            self.warnings.push(format!("cannot write the journal in {}: {error}", folder.display()));
        }
    }

    fn textfile(&self) -> Option<Textfile> {
        self.sinks.textfile.as_deref().map(Textfile::new)
    }

    fn told(&mut self, told: Result<Vec<UnequalBuckets>>) {
        match told {
            Ok(refused) => self.warnings.extend(refused.into_iter().map(|UnequalBuckets(name)| {
                format!(
                    "{name} already exists with other buckets and was not added to: delete its group once"
                )
            })),
            Err(error) => self.warn(&error),
        }
    }

    fn warn(&mut self, error: &anyhow::Error) {
        self.warnings.push(format!("{error:#}"));
    }
}
