//! The signals that ask a tool for its end, as a future; for the tools that wrap no command.

use std::future::pending;
use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::signals::is_ignored;

/// SIGINT, SIGTERM and SIGHUP, watched from its making on.
#[derive(Debug)]
pub struct ShutdownSignals {
    interrupt: Signal,
    terminate: Signal,
    /// `None` where it was ignored before us, as under nohup: then it stays so.
    hangup: Option<Signal>,
}

impl ShutdownSignals {
    /// Starts watching; inside a tokio runtime only.
    pub fn watch() -> io::Result<Self> {
        let hangup = SignalKind::hangup();
        let is_heard = !is_ignored(hangup.as_raw_value());
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: is_heard.then(|| signal(hangup)).transpose()?,
        })
    }

    /// The number of the next that comes.
    pub async fn next(&mut self) -> i32 {
        let hung_up = async {
            match &mut self.hangup {
                Some(hangup) => hangup.recv().await,
                None => pending().await,
            }
        };
        tokio::select! {
            _ = self.interrupt.recv() => SignalKind::interrupt().as_raw_value(),
            _ = self.terminate.recv() => SignalKind::terminate().as_raw_value(),
            _ = hung_up => SignalKind::hangup().as_raw_value(),
        }
    }
}
