//! Sends what waits for one collector as one signal. Signals do not wait for each other.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::{DateTime, Utc};
use common::clock::{Clock as _, SystemClock};
use common::env;
use futures_util::future::join_all;
use otlp::{Client, Outcome, ResourceSettings, Settings, Target};

use super::progress::Progress;
use super::queue::Queue;
use super::report::{Report, not_sent};
use crate::pushgateway::CircuitBreaker;

/// How many events one request contains.
const BATCH: usize = 256;

/// The longest time for one request: an exporter has to report a collector that does not answer before its own time ends.
const MAX_TIMEOUT: Duration = Duration::from_secs(20);

/// Sends what waits in one state directory as one signal.
#[derive(Debug, Clone)]
pub(crate) struct Sender {
    state_dir: PathBuf,
    target: Target,
    resource: ResourceSettings,
    progress: Progress,
    /// Whether something could not be sent: trying again at once would not help.
    has_failed: bool,
    /// Whether some events have left.
    has_progressed: bool,
}

impl Sender {
    /// A sender for each signal that is exported.
    pub(crate) fn all(state_dir: &Path, settings: &Settings) -> Vec<Self> {
        let sender = |target: &Target| {
            let mut target = target.clone();
            target.timeout = target.timeout.min(MAX_TIMEOUT);
            Self {
                state_dir: state_dir.to_owned(),
                target,
                resource: settings.resource.clone(),
                progress: Progress::default(),
                has_failed: false,
                has_progressed: false,
            }
        };
        settings.targets.iter().map(sender).collect()
    }

    /// The same by the settings in the environment; none if nothing is exported, or a setting is wrong.
    pub(crate) fn all_from_env(state_dir: &Path) -> Vec<Self> {
        let settings = Settings::from_env(&env::system).ok().flatten();
        settings.map_or_else(Vec::new, |settings| Self::all(state_dir, &settings))
    }

    /// Whether the collector is not known to be down.
    pub(crate) fn is_usable(&self, now: DateTime<Utc>) -> bool {
        !self.breaker().is_open(now)
    }

    /// Whether something waits that may be sent.
    pub(crate) fn has_more(&self) -> bool {
        !self.has_failed
            && Queue::open(&self.state_dir, self.target.signal)
                .and_then(|queue| queue.is_empty())
                .is_ok_and(|is_empty| !is_empty)
    }

    /// Whether some events have left.
    pub(crate) fn has_progressed(&self) -> bool {
        self.has_progressed
    }

    /// Remembers a collector that was asked and has not answered, so that the next tools do not wait for it. Returns the
    /// message about what was not sent in this time.
    pub(crate) fn give_up(&self, waited: &str) -> String {
        if self.progress.is_unanswered() {
            self.breaker().trip(SystemClock.now());
            return not_sent(&self.target, &format!("no response within {waited}"));
        }
        not_sent(&self.target, &format!("not done within {waited}"))
    }

    /// Sends all that waits, unless the collector was found down a moment ago. Returns what went wrong, a message each.
    pub(crate) async fn send_all(&mut self) -> Vec<String> {
        if self.has_failed || !self.is_usable(SystemClock.now()) {
            self.has_failed = true;
            return Vec::new();
        }
        self.send_now().await
    }

    /// The same, even if the collector was found down.
    async fn send_now(&mut self) -> Vec<String> {
        let report = self.send().await.unwrap_or_else(Report::unsent);
        self.has_failed = report.has_failed();
        report.messages(&self.target)
    }

    async fn send(&mut self) -> Result<Report, String> {
        let said = |error: io::Error| error.to_string();
        let queue = Queue::open(&self.state_dir, self.target.signal).map_err(said)?;
        if queue.is_empty().map_err(said)? {
            return Ok(Report::default());
        }
        let _lock = queue.lock().await.map_err(said)?;
        let client = Client::new(&self.target, &self.resource)?;
        let mut report = Report::after_dropping(queue.trim().map_err(said)?);
        let mut most = BATCH;
        loop {
            let batch = queue.oldest(most).map_err(said)?;
            report.damaged += queue.remove_damaged(&batch);
            if batch.events.is_empty() {
                return Ok(report);
            }
            self.progress.ask();
            let outcome = client.send(&batch.events).await;
            self.progress.answer();
            match outcome {
                Outcome::Accepted(remark) => {
                    queue.remove(&batch);
                    self.has_progressed = true;
                    if let Some(remark) = remark {
                        report.remark(remark);
                    }
                    most = BATCH.min(most * 2);
                }
                // One of them may be the reason.
                Outcome::Rejected(_) if batch.events.len() > 1 => most = batch.events.len() / 2,
                Outcome::Rejected(reason) => {
                    queue.remove(&batch);
                    self.has_progressed = true;
                    report.refuse(reason);
                }
                Outcome::Unavailable(problem) => {
                    self.breaker().trip(SystemClock.now());
                    report.fail(problem);
                    return Ok(report);
                }
            }
        }
    }

    fn breaker(&self) -> CircuitBreaker {
        CircuitBreaker::of_collector(&self.state_dir, self.target.signal, self.target.display_url())
    }
}

/// Sends all that waits, also to collectors that were found down a moment ago. Returns what went wrong, a message each.
pub async fn send_waiting(state_dir: &Path, settings: &Settings) -> Vec<String> {
    let mut senders = Sender::all(state_dir, settings);
    join_all(senders.iter_mut().map(Sender::send_now)).await.concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_ends_before_its_exporter_does() {
        let variables = [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://h"),
            ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "60000"),
            ("OTEL_EXPORTER_OTLP_LOGS_TIMEOUT", "500"),
        ];
        let value = |name: &str| {
            variables.iter().find(|(variable, _)| *variable == name).map(|(_, value)| (*value).to_owned())
        };
        let settings = Settings::from_env(&value).unwrap().unwrap();
        let senders = Sender::all(Path::new("/nowhere"), &settings);
        let timeouts: Vec<Duration> = senders.iter().map(|sender| sender.target.timeout).collect();
        assert_eq!(timeouts, [MAX_TIMEOUT, Duration::from_millis(500)]);
    }
}
