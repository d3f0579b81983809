//! The monitor: a thread with a connection of its own that looks at the migration's sessions while the command runs.
//!
//! ```text
//! begin ─► connect, preflight ─► Ready
//!   look ─► look ─► look …            reports on stderr, adds up waits
//!   Cancel                            before the command is told to end
//!   Ended ─► nobody of ours is left ─► Seen
//! ```

mod cancel;
mod ladder;
pub mod live;
mod tell;
mod terminate;
mod waits;
mod watch;

use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use tokio::runtime::Builder;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use crate::address::Address;
use crate::mysql::MySql;
use crate::postgres::Postgres;
use crate::server::{Preflight, Server, TerminateRules};
use crate::sqlite::Sqlite;
use crate::version::Versions;
use live::Live;
use watch::Watch;

/// The first answer: a connection, with its own limit, and a few statements.
const READY: Duration = Duration::from_secs(20);

/// The thread's answer to a command; it has its own, shorter limits.
const ANSWER: Duration = Duration::from_secs(8);

/// What to watch.
#[derive(Debug)]
pub struct Order {
    /// The tool, for what is told on stderr.
    pub tool: &'static str,
    /// The `application_name` of the migration's sessions.
    pub name: String,
    /// Whether only one migration at a time may be watched there.
    pub alone: bool,
    /// The lock timeout of these sessions; no look may miss a wait that long.
    pub lock_timeout: Option<Duration>,
    /// Which other sessions may be ended.
    pub terminate: Option<TerminateRules>,
    /// Where the live line is told what goes on, if there is one.
    pub live: Option<Live>,
}

/// What was seen of a run of the command.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Seen {
    /// All lock waits so far, together; `None` where nobody could see.
    pub lock_wait: Option<Duration>,
    /// The most sessions that waited behind the migration at once.
    pub blocked_max: Option<u64>,
    /// How long the last wait can have been, if nothing was seen to come of it.
    pub last_wait: Option<Duration>,
    /// Other sessions that were ended so far.
    pub terminated: Vec<String>,
    /// The schema's version now.
    pub versions: Versions,
}

/// What the thread is told.
enum Command {
    /// The command is about to be told to end: end its statements first.
    Cancel(SyncSender<()>),
    /// The command has ended, well or not.
    Ended { well: bool, reply: SyncSender<Seen> },
}

/// The thread. It ends with this.
#[derive(Debug)]
pub struct Monitor {
    commands: UnboundedSender<Command>,
}

impl Monitor {
    /// Connects, looks at what stands in the way, and begins to watch. An error means that the database cannot be
    /// watched; it does not show the URL.
    pub fn begin(address: Address, order: Order) -> Result<(Self, Preflight, Versions)> {
        match address {
            Address::Postgres(address) => Self::begin_at::<Postgres>(*address, order),
            Address::MySql(address) => Self::begin_at::<MySql>(*address, order),
            Address::Sqlite(files) => Self::begin_at::<Sqlite>(files, order),
        }
    }

    fn begin_at<S: Server<Address: Send + 'static>>(
        address: S::Address,
        order: Order,
    ) -> Result<(Self, Preflight, Versions)> {
        let (commands, orders) = unbounded_channel();
        let (tell, told) = sync_channel(1);
        let work = move || async move {
            match Watch::<S>::begin(address, order).await {
                Ok((watch, preflight, versions)) => {
                    // Nobody listens any more when it took too long.
                    if tell.send(Ok((preflight, versions))).is_ok() {
                        watch.run(orders).await;
                    }
                }
                Err(error) => drop(tell.send(Err(error))),
            }
        };
        thread::Builder::new().name("monitor".to_owned()).spawn(move || {
            // Without a runtime the channel closes.
            if let Ok(runtime) = Builder::new_current_thread().enable_all().build() {
                runtime.block_on(work());
                // Not waiting for a resolver that hangs.
                runtime.shutdown_background();
            }
        })?;
        let (preflight, versions) = told.recv_timeout(READY).map_err(|_| anyhow!("no answer in time"))??;
        Ok((Self { commands }, preflight, versions))
    }

    /// Ends the statements of the migration; returns when they have ended, or cannot be.
    pub fn cancel(&self) {
        let (reply, done) = sync_channel(1);
        if self.commands.send(Command::Cancel(reply)).is_ok() {
            let _ = done.recv_timeout(ANSWER);
        }
    }

    /// What was seen. After a command that did not end well, no statement of it is left.
    pub fn ended(&self, well: bool) -> Result<Seen> {
        let (reply, seen) = sync_channel(1);
        let sent = self.commands.send(Command::Ended { well, reply });
        sent.ok().and_then(|()| seen.recv_timeout(ANSWER).ok()).context("the monitor does not answer")
    }
}
