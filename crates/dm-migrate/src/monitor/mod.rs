//! The monitor: a thread with its own connection that polls the migration's sessions while the command runs.
//!
//! ```text
//! begin ─► connect, preflight ─► Ready
//!   poll ─► poll ─► poll …            reports on stderr, adds up waits
//!   Cancel                            before the command is stopped
//!   Ended ─► end remaining sessions ─► Observation
//! ```

mod begin_error;
mod cancel;
mod config;
mod live_status;
mod lock_timeout;
mod lock_waits;
mod messages;
mod observation;
mod poll_interval;
mod poller;
mod progress;
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
use crate::schema::SchemaState;
use crate::server::{Preflight, Server};
use crate::sqlite::Sqlite;
use poller::Poller;

/// How long the monitor may take to connect and to check the database; the connection has a shorter limit of its own.
const BEGIN_LIMIT: Duration = Duration::from_secs(20);

/// How long the thread may take to reply to a command; its statements have shorter limits of their own.
const REPLY_LIMIT: Duration = Duration::from_secs(8);

/// A command to the thread.
enum Command {
    /// The migration command is about to be stopped: cancel its statements first.
    Cancel(SyncSender<()>),
    /// The migration command has ended: report the observation.
    Ended { succeeded: bool, reply: SyncSender<Observation> },
}

/// The handle of the thread. The thread ends when the handle is dropped.
#[derive(Debug)]
pub(crate) struct Monitor {
    commands: UnboundedSender<Command>,
}

impl Monitor {
    /// Connects, checks for obstacles, and starts to poll. An error means that the database cannot be monitored; its
    /// message does not show the URL.
    pub(crate) fn begin(
        address: Address,
        config: MonitorConfig,
    ) -> Result<(Self, Preflight, SchemaState), BeginError> {
        match address {
            Address::Postgres(address) => Self::begin_at::<Postgres>(*address, config),
            Address::MySql(address) => Self::begin_at::<MySql>(*address, config),
            Address::Sqlite(files) => Self::begin_at::<Sqlite>(files, config),
        }
    }

    fn begin_at<S: Server<Address: Send + 'static>>(
        address: S::Address,
        config: MonitorConfig,
    ) -> Result<(Self, Preflight, SchemaState), BeginError> {
        let (commands, requests) = unbounded_channel();
        let (reply, result) = sync_channel(1);
        let limit = BEGIN_LIMIT + config.advisory_lock.unwrap_or_default();
        let work = move || async move {
            match Poller::<S>::begin(address, config).await {
                Ok((poller, preflight, before)) => {
                    // The receiver has been dropped if this took too long.
                    if reply.send(Ok((preflight, before))).is_ok() {
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
        let (preflight, before) = result.recv_timeout(limit).map_err(|_| anyhow!("no answer in time"))??;
        Ok((Self { commands }, preflight, before))
    }

    /// Cancels the statements of the migration; returns when they have ended or cannot be cancelled.
    pub(crate) fn cancel(&self) {
        let (reply, cancelled) = sync_channel(1);
        if self.commands.send(Command::Cancel(reply)).is_ok() {
            let _ = cancelled.recv_timeout(REPLY_LIMIT);
        }
    }

    /// Returns the observation. If the command did not succeed, its remaining statements are ended first.
    pub(crate) fn finish(&self, succeeded: bool) -> Result<Observation> {
        let (reply, observation) = sync_channel(1);
        let sent = self.commands.send(Command::Ended { succeeded, reply });
        sent.ok()
            .and_then(|()| observation.recv_timeout(REPLY_LIMIT).ok())
            .context("the monitor does not answer")
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
                let pause = poller.poll_or_reconnect().await;
                next = Instant::now() + pause;
            }
        }
    }
}
