//! Sends what waits for collectors. The signals do not wait for each other.

use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::{DateTime, Utc};
use common::clock::{Clock as _, SystemClock};
use common::env;
use common::event::Event;
use otlp::{Client, Outcome, Settings, Signal, Target};

use super::queue::Queue;
use crate::pushgateway::CircuitBreaker;

/// How many events one request contains.
const BATCH: usize = 256;

/// How long another process may be busy with a queue.
const LOCK_LIMIT: Duration = Duration::from_secs(10);

/// Sends what waits in one state directory.
#[derive(Debug)]
pub(crate) struct Sender {
    state_dir: PathBuf,
    settings: Settings,
    /// The signals that could not be sent: trying again at once would not help.
    failed: Vec<Signal>,
}

/// What became of a signal: what went wrong, a message each, and whether something still waits that could not be sent.
#[derive(Debug, Default)]
struct Sent {
    messages: Vec<String>,
    has_failed: bool,
}

impl Sent {
    fn failed(message: String) -> Self {
        Self { messages: vec![message], has_failed: true }
    }
}

impl Sender {
    pub(crate) fn new(state_dir: &Path, settings: &Settings) -> Self {
        Self { state_dir: state_dir.to_owned(), settings: settings.clone(), failed: Vec::new() }
    }

    /// The same by the settings in the environment; `None` if nothing is exported, or a setting is wrong.
    pub(crate) fn from_env(state_dir: &Path) -> Option<Self> {
        let settings = Settings::from_env(&env::system).ok()??;
        Some(Self::new(state_dir, &settings))
    }

    /// Whether a collector is not known to be down.
    pub(crate) fn is_usable(&self, now: DateTime<Utc>) -> bool {
        self.settings.targets.iter().any(|target| !self.breaker(target).is_open(now))
    }

    /// Whether something waits that may be sent.
    pub(crate) fn has_more(&self) -> bool {
        let mut targets = self.settings.targets.iter().filter(|target| !self.failed.contains(&target.signal));
        targets.any(|target| self.waiting(target) > 0)
    }

    /// The number of events that wait as all signals together.
    pub(crate) fn all_waiting(&self) -> usize {
        self.settings.targets.iter().map(|target| self.waiting(target)).sum()
    }

    fn waiting(&self, target: &Target) -> usize {
        Queue::open(&self.state_dir, target.signal)
            .and_then(|queue| queue.names())
            .map_or(0, |names| names.len())
    }

    /// Remembers that no collector has answered, so that the next tools do not wait for them.
    pub(crate) fn note_timeout(&self) {
        for target in self.settings.targets.iter().filter(|target| self.waiting(target) > 0) {
            self.breaker(target).trip(SystemClock.now());
        }
    }

    /// Sends all that waits, except to collectors that were found down a moment ago. Returns what went wrong, a message each.
    pub(crate) async fn send_all(&mut self) -> Vec<String> {
        let now = SystemClock.now();
        let (down, up): (Vec<&Target>, Vec<&Target>) =
            self.settings.targets.iter().partition(|target| self.breaker(target).is_open(now));
        let mut failed: Vec<Signal> = down.iter().map(|target| target.signal).collect();
        let (first, second) = (up.first().copied(), up.get(1).copied());
        let sent = tokio::join!(self.send_if(first), self.send_if(second));
        let mut messages = Vec::new();
        for (target, sent) in up.iter().zip([sent.0, sent.1]) {
            messages.extend(sent.messages);
            failed.extend(sent.has_failed.then_some(target.signal));
        }
        self.failed = failed;
        messages
    }

    async fn send_if(&self, target: Option<&Target>) -> Sent {
        match target {
            Some(target) => self.send(target).await.unwrap_or_else(Sent::failed),
            None => Sent::default(),
        }
    }

    async fn send(&self, target: &Target) -> Result<Sent, String> {
        let not_sent = |problem: String| {
            format!("{} not sent to {} yet: {problem}", target.signal.as_str(), target.display_url())
        };
        let queue =
            Queue::open(&self.state_dir, target.signal).map_err(|error| not_sent(error.to_string()))?;
        if queue.names().map_err(|error| not_sent(error.to_string()))?.is_empty() {
            return Ok(Sent::default());
        }
        let _lock = queue.lock(LOCK_LIMIT).map_err(|error| not_sent(error.to_string()))?;
        let client = Client::new(target, &self.settings.resource).map_err(&not_sent)?;
        let mut messages = Vec::new();
        let mut batch = BATCH;
        loop {
            let mut names = queue.names().map_err(|error| not_sent(error.to_string()))?;
            names.truncate(batch);
            if names.is_empty() {
                return Ok(Sent { messages, has_failed: false });
            }
            let events: Vec<Event> = names.iter().filter_map(|name| queue.read(name)).collect();
            if events.is_empty() {
                queue.remove(&names);
                continue;
            }
            match client.send(&events).await {
                Outcome::Accepted(note) => {
                    queue.remove(&names);
                    messages.extend(note.map(|note| format!("{}: {note}", target.display_url())));
                }
                // One of them may be the reason.
                Outcome::Rejected(_) if names.len() > 1 => batch = 1,
                Outcome::Rejected(problem) => {
                    queue.remove(&names);
                    let what = target.signal.as_str();
                    messages
                        .push(format!("{} refuses {what}, which are lost: {problem}", target.display_url()));
                }
                Outcome::Unavailable(problem) => {
                    self.breaker(target).trip(SystemClock.now());
                    messages.push(not_sent(problem));
                    if let Ok(lost @ 1..) = queue.trim() {
                        messages.push(format!(
                            "the oldest {lost} {} are lost: too many wait",
                            target.signal.as_str()
                        ));
                    }
                    return Ok(Sent { messages, has_failed: true });
                }
            }
        }
    }

    fn breaker(&self, target: &Target) -> CircuitBreaker {
        CircuitBreaker::of_collector(&self.state_dir, target.signal, target.display_url())
    }
}

/// Sends all that waits, also to collectors that were found down a moment ago. Returns what went wrong, a message each.
pub async fn send_waiting(state_dir: &Path, settings: &Settings) -> Vec<String> {
    let sender = Sender::new(state_dir, settings);
    let mut messages = Vec::new();
    for target in &settings.targets {
        messages.extend(sender.send_if(Some(target)).await.messages);
    }
    messages
}
