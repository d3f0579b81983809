//! The thread that sends traces and logs while the tool pushes: no sink waits for another.

use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use chrono::{DateTime, Utc};
use common::duration::format_duration;
use common::runtime;

use super::sinks::Sinks;
use crate::otlp_export::Sender;

/// The thread, and what it will report.
#[derive(Debug)]
pub(super) struct CollectorThread {
    messages: Receiver<Vec<String>>,
    sender: Sender,
}

impl CollectorThread {
    /// Starts sending what waits; `None` if nothing is exported, or nothing may be sent now.
    pub(super) fn start(sinks: &Sinks, now: DateTime<Utc>) -> Option<Self> {
        let (state_dir, settings) = (sinks.state_dir.as_ref()?, sinks.otlp.as_ref()?);
        let sender = || Sender::new(state_dir, settings);
        if !sender().is_usable(now) {
            return None;
        }
        let (report, messages) = mpsc::channel();
        let mut sending = sender();
        let work = move || {
            if let Ok(messages) = runtime::block_on(sending.send_all()) {
                // After the budget is spent, the receiver has been dropped.
                let _ = report.send(messages);
            }
        };
        thread::Builder::new().name("collectors".to_owned()).spawn(work).ok()?;
        Some(Self { messages, sender: sender() })
    }

    /// Waits for at most `limit`. Returns what went wrong, a message each.
    pub(super) fn wait(self, limit: Duration, budget: Duration) -> Vec<String> {
        match self.messages.recv_timeout(limit) {
            Ok(messages) => messages,
            Err(RecvTimeoutError::Disconnected) => Vec::new(),
            Err(RecvTimeoutError::Timeout) => {
                self.sender.note_timeout();
                vec![format!("traces and logs not sent yet: no response within {}", format_duration(budget))]
            }
        }
    }
}
