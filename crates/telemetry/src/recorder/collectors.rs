//! The thread that sends to OpenTelemetry collectors while the tool pushes: no sink waits for another.

use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use common::duration::format_duration;
use common::runtime;
use futures_util::future::join_all;

use super::sinks::Sinks;
use crate::otlp_export::Sender;

/// The thread, and what it will report.
#[derive(Debug)]
pub(super) struct CollectorThread {
    /// The number of a sender, and what went wrong.
    reports: Receiver<(usize, Vec<String>)>,
    senders: Vec<Sender>,
}

impl CollectorThread {
    /// Starts sending what waits; `None` if nothing is exported, or nothing may be sent now.
    pub(super) fn start(sinks: &Sinks, now: DateTime<Utc>) -> Option<Self> {
        let mut senders = Sender::all(sinks.state_dir.as_ref()?, sinks.otlp.as_ref()?);
        senders.retain(|sender| sender.is_usable(now));
        if senders.is_empty() {
            return None;
        }
        let (report, reports) = mpsc::channel();
        let mut sending = senders.clone();
        let work = move || {
            let report = &report;
            let all = join_all(sending.iter_mut().enumerate().map(|(number, sender)| async move {
                // After the budget is spent, the receiver has been dropped.
                let _ = report.send((number, sender.send_all().await));
            }));
            let _ = runtime::block_on(all);
        };
        thread::Builder::new().name("collectors".to_owned()).spawn(work).ok()?;
        Some(Self { reports, senders })
    }

    /// Waits until `deadline`, the end of `budget`. Returns what went wrong, a message each.
    pub(super) fn wait(self, deadline: Instant, now: impl Fn() -> Instant, budget: Duration) -> Vec<String> {
        let mut waited_for: Vec<usize> = (0..self.senders.len()).collect();
        let mut messages = Vec::new();
        while !waited_for.is_empty() {
            match self.reports.recv_timeout(deadline.saturating_duration_since(now())) {
                Ok((number, failed)) => {
                    waited_for.retain(|waited| *waited != number);
                    messages.extend(failed);
                }
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {
                    let waited = format_duration(budget);
                    messages.extend(waited_for.iter().map(|number| self.senders[*number].give_up(&waited)));
                    break;
                }
            }
        }
        messages
    }
}
