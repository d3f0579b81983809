//! The monitor: a thread with a connection of its own that looks at the migration's sessions while the command runs.
//!
//! ```text
//! begin ─► connect, preflight ─► Ready
//!   look ─► look ─► look …            reports on stderr, adds up waits
//!   Cancel                            before the command is told to end
//!   Ended ─► nobody of ours is left ─► Observation
//! ```

mod begin_error;
mod cancel;
mod config;
mod live_status;
mod lock_waits;
mod messages;
mod observation;
mod poll_interval;
mod poller;
mod report_schedule;
mod shutdown;
mod terminate;

pub(crate) use begin_error::BeginError;
pub(crate) use config::MonitorConfig;
pub(crate) use live_status::LiveStatus;
pub(crate) use observation::Observation;

use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::{Instant, sleep_until};

use crate::address::Address;
use crate::mysql::MySql;
use crate::postgres::Postgres;
use crate::schema::SchemaVersions;
use crate::server::{Preflight, Server};
use crate::sqlite::Sqlite;
use poller::Poller;

/// The first answer: a connection, with its own limit, and a few statements.
const READY: Duration = Duration::from_secs(20);

/// The thread's answer to a command; it has its own, shorter limits.
const ANSWER: Duration = Duration::from_secs(8);

/// What the thread is told.
enum Command {
    /// The command is about to be told to end: end its statements first.
    Cancel(SyncSender<()>),
    /// The command has ended, well or not.
    Ended { succeeded: bool, reply: SyncSender<Observation> },
}

/// The thread. It ends with this.
#[derive(Debug)]
pub(crate) struct Monitor {
    commands: UnboundedSender<Command>,
}

impl Monitor {
    /// Connects, looks at what stands in the way, and begins to watch. An error means that the database cannot be
    /// watched; it does not show the URL.
    pub(crate) fn begin(
        address: Address,
        config: MonitorConfig,
    ) -> Result<(Self, Preflight, SchemaVersions), BeginError> {
        match address {
            Address::Postgres(address) => Self::begin_at::<Postgres>(*address, config),
            Address::MySql(address) => Self::begin_at::<MySql>(*address, config),
            Address::Sqlite(files) => Self::begin_at::<Sqlite>(files, config),
        }
    }

    fn begin_at<S: Server<Address: Send + 'static>>(
        address: S::Address,
        config: MonitorConfig,
    ) -> Result<(Self, Preflight, SchemaVersions), BeginError> {
        let (commands, requests) = unbounded_channel();
        let (reply, result) = sync_channel(1);
        let work = move || async move {
            match Poller::<S>::begin(address, config).await {
                Ok((poller, preflight, versions)) => {
                    // The receiver has been dropped if this took too long.
                    if reply.send(Ok((preflight, versions))).is_ok() {
                        run(poller, requests).await;
                    }
                }
                Err(error) => drop(reply.send(Err(error))),
            }
        };
        let spawned = thread::Builder::new().name("monitor".to_owned()).spawn(move || {
            // Without a runtime the channel closes.
            drop(common::runtime::block_on(work()));
        });
        spawned.context("cannot start a thread")?;
        let (preflight, versions) =
            result.recv_timeout(READY).map_err(|_| anyhow!("no answer in time"))??;
        Ok((Self { commands }, preflight, versions))
    }

    /// Ends the statements of the migration; returns when they have ended, or cannot be.
    pub(crate) fn cancel(&self) {
        let (reply, done) = sync_channel(1);
        if self.commands.send(Command::Cancel(reply)).is_ok() {
            let _ = done.recv_timeout(ANSWER);
        }
    }

    /// What was seen. After a command that did not end well, no statement of it is left.
    pub(crate) fn ended(&self, succeeded: bool) -> Result<Observation> {
        let (reply, observation) = sync_channel(1);
        let sent = self.commands.send(Command::Ended { succeeded, reply });
        sent.ok().and_then(|()| observation.recv_timeout(ANSWER).ok()).context("the monitor does not answer")
    }
}

/// Polls the database and answers commands until the [`Monitor`] is dropped.
async fn run(mut poller: Poller<impl Server>, mut commands: UnboundedReceiver<Command>) {
    let mut next = Instant::now();
    loop {
        tokio::select! {
            biased;
            command = commands.recv() => match command {
                None => return,
                Some(Command::Cancel(reply)) => {
                    poller.cancel().await;
                    // The receiver has been dropped if this took too long.
                    let _ = reply.send(());
                }
                Some(Command::Ended { succeeded, reply }) => {
                    let observation = poller.close(succeeded).await;
                    let _ = reply.send(observation);
                }
            },
            () = sleep_until(next) => {
                let pause = poller.turn().await;
                next = Instant::now() + pause;
            }
        }
    }
}
