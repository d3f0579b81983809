//! The signals that ask a tool to shut down, as a future. For tools that wrap no command.

use std::future::pending;
use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::signals::is_ignored;

/// Receives SIGINT, SIGTERM and SIGHUP.
#[derive(Debug)]
pub struct ShutdownSignals {
    interrupt: Signal,
    terminate: Signal,
    /// `None` if this process inherited it as ignored, as under nohup.
    hangup: Option<Signal>,
}

impl ShutdownSignals {
    /// Starts receiving. Needs a tokio runtime.
    ///
    /// # Errors
    /// A handler cannot be installed.
    pub fn watch() -> io::Result<Self> {
        let hangup = SignalKind::hangup();
        let is_handled = !is_ignored(hangup.as_raw_value());
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: is_handled.then(|| signal(hangup)).transpose()?,
        })
    }

    /// Waits for the next signal and returns its number.
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
