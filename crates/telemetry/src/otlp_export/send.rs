//! Sends what waits for collectors. The signals do not wait for each other.

use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::{DateTime, Utc};
use common::clock::{Clock as _, SystemClock};
use common::env;
use common::event::Event;
use otlp::{Client, Outcome, Settings, Target};

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
    /// Whether a collector did not accept what waits: trying again at once would not help.
    has_failed: bool,
}

impl Sender {
    pub(crate) fn new(state_dir: &Path, settings: &Settings) -> Self {
        Self { state_dir: state_dir.to_owned(), settings: settings.clone(), has_failed: false }
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
        !self.has_failed && self.settings.targets.iter().any(|target| self.waiting(target) > 0)
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
        let mut targets = self
            .settings
            .targets
            .iter()
            .filter(|target| !self.breaker(target).is_open(now))
            .collect::<Vec<_>>();
        self.has_failed = targets.len() < self.settings.targets.len();
        let (second, first) = (targets.pop(), targets.pop());
        let (first, second) = tokio::join!(self.send_if(first), self.send_if(second));
        let messages = [first, second].concat();
        self.has_failed |= !messages.is_empty();
        messages
    }

    async fn send_if(&self, target: Option<&Target>) -> Vec<String> {
        match target {
            Some(target) => self.send(target).await.unwrap_or_else(|message| vec![message]),
            None => Vec::new(),
        }
    }

    async fn send(&self, target: &Target) -> Result<Vec<String>, String> {
        let not_sent = |problem: String| {
            format!("{} not sent to {} yet: {problem}", target.signal.as_str(), target.display_url())
        };
        let queue =
            Queue::open(&self.state_dir, target.signal).map_err(|error| not_sent(error.to_string()))?;
        if queue.names().map_err(|error| not_sent(error.to_string()))?.is_empty() {
            return Ok(Vec::new());
        }
        let _lock = queue.lock(LOCK_LIMIT).map_err(|error| not_sent(error.to_string()))?;
        let client = Client::new(target, &self.settings.resource).map_err(&not_sent)?;
        let mut messages = Vec::new();
        let mut batch = BATCH;
        loop {
            let mut names = queue.names().map_err(|error| not_sent(error.to_string()))?;
            names.truncate(batch);
            if names.is_empty() {
                return Ok(messages);
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
                    return Ok(messages);
                }
            }
        }
    }

    fn breaker(&self, target: &Target) -> CircuitBreaker {
        CircuitBreaker::of_collector(&self.state_dir, target.signal, target.display_url())
    }
}

/// Sends all that waits, also to collectors that were found down a moment ago. Returns what went wrong, a message each.
///
/// # Errors
/// The state directory cannot be used.
pub async fn send_waiting(state_dir: &Path, settings: &Settings) -> Vec<String> {
    let sender = Sender::new(state_dir, settings);
    let mut messages = Vec::new();
    for target in &settings.targets {
        messages.extend(sender.send_if(Some(target)).await);
    }
    messages
}
