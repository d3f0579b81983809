//! Sends what waits for one collector as one signal. Signals do not wait for each other.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::{DateTime, Utc};
use common::clock::{Clock as _, SystemClock};
use common::env;
use futures_util::future::join_all;
use otlp::{Client, MetricSet, Outcome, ResourceSettings, Settings, Signal, Target, Temporality};

use super::metric_store::MetricStore;
use super::progress::Progress;
use super::queue::Queue;
use super::report::{Report, not_sent};
use crate::pushgateway::CircuitBreaker;

/// How many events one request contains.
const BATCH: usize = 256;

/// How many stages the first request with metrics contains.
const STAGES: usize = 32;

/// The longest time for one request: an exporter has to report a collector that does not answer before its own time ends.
const MAX_TIMEOUT: Duration = Duration::from_secs(20);

/// Sends what waits in one state directory as one signal.
#[derive(Debug, Clone)]
pub(crate) struct Sender {
    state_dir: PathBuf,
    target: Target,
    temporality: Temporality,
    resource: ResourceSettings,
    progress: Progress,
    /// Whether something could not be sent: trying again at once would not help.
    has_failed: bool,
    /// Whether some events have left.
    has_progressed: bool,
}

/// What follows a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// What it contained is done with.
    Done,
    /// A part of it is sent again.
    Smaller,
    /// Nothing more is sent now.
    Stop,
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
                temporality: settings.temporality,
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
        let is_empty = || self.is_empty(&Queue::open(&self.state_dir, self.target.signal)?);
        !self.has_failed && is_empty().is_ok_and(|is_empty| !is_empty)
    }

    fn is_empty(&self, queue: &Queue) -> io::Result<bool> {
        let has_unsent = || self.metric_store().map_or(Ok(false), |store| store?.has_unsent());
        Ok(queue.is_empty()? && !has_unsent()?)
    }

    /// What was counted; `None` if events are sent as they are.
    fn metric_store(&self) -> Option<io::Result<MetricStore>> {
        let is_metrics = self.target.signal == Signal::Metrics;
        is_metrics.then(|| MetricStore::open(&self.state_dir, self.temporality))
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
        if self.is_empty(&queue).map_err(said)? {
            return Ok(Report::default());
        }
        let _lock = queue.lock().await.map_err(said)?;
        let client = Client::new(&self.target, &self.resource)?;
        let mut report = Report::after_dropping(queue.trim().map_err(said)?);
        match self.metric_store() {
            Some(store) => self.send_metrics(&queue, &store.map_err(said)?, &client, &mut report).await,
            None => self.send_events(&queue, &client, &mut report).await,
        }
        .map_err(said)?;
        Ok(report)
    }

    async fn send_events(&mut self, queue: &Queue, client: &Client, report: &mut Report) -> io::Result<()> {
        let mut most = BATCH;
        loop {
            let batch = queue.oldest(most)?;
            report.damaged += queue.remove_damaged(&batch);
            if batch.events.is_empty() {
                return Ok(());
            }
            let sending = client.send_events(&batch.events);
            match self.outcome(sending, &mut most, batch.events.len(), report).await {
                Step::Done => queue.remove(&batch),
                Step::Smaller => {}
                Step::Stop => return Ok(()),
            }
        }
    }

    /// Adds the events that wait to what was counted before, and sends that.
    async fn send_metrics(
        &mut self,
        queue: &Queue,
        store: &MetricStore,
        client: &Client,
        report: &mut Report,
    ) -> io::Result<()> {
        let mut most = STAGES;
        loop {
            report.note_added(store.add_all(queue, SystemClock.now())?);
            let (files, sets): (Vec<String>, Vec<MetricSet>) = store.unsent(most)?.into_iter().unzip();
            if sets.is_empty() {
                return Ok(());
            }
            let sending = client.send_metrics(&sets);
            match self.outcome(sending, &mut most, sets.len(), report).await {
                Step::Done => store.mark_sent(&files),
                Step::Smaller => {}
                Step::Stop => return Ok(()),
            }
        }
    }

    /// What to do after a request that contains `number` things. Sets how many the next one may contain.
    async fn outcome(
        &mut self,
        request: impl Future<Output = Outcome>,
        most: &mut usize,
        number: usize,
        report: &mut Report,
    ) -> Step {
        self.progress.ask();
        let outcome = request.await;
        self.progress.answer();
        match outcome {
            Outcome::Accepted(remark) => {
                if let Some(remark) = remark {
                    report.remark(remark);
                }
                *most = BATCH.min(*most * 2);
            }
            // One of them may be the reason.
            Outcome::Rejected(_) if number > 1 => {
                *most = number / 2;
                return Step::Smaller;
            }
            Outcome::Rejected(reason) => report.refuse(reason),
            Outcome::Unavailable(problem) => {
                self.breaker().trip(SystemClock.now());
                report.fail(problem);
                return Step::Stop;
            }
        }
        self.has_progressed = true;
        Step::Done
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
        assert_eq!(timeouts, [MAX_TIMEOUT, Duration::from_millis(500), Duration::from_secs(10)]);
    }
}
