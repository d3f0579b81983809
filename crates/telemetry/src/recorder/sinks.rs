//! Where events are recorded, and how long each place may be waited for.

use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::{DateTime, Utc};
use state_store::StoreUrl;

use crate::journal::Journal;
use crate::pushgateway::{CircuitBreaker, Endpoint, Outbox};
use crate::statsd::StatsdAddress;

/// Where events are recorded.
#[derive(Debug, Clone)]
pub struct Sinks {
    /// The state directory with the journal, the outbox and the locks. `None` if there is no home directory.
    pub state_dir: Option<PathBuf>,
    /// The state that all machines share, if there is one.
    pub state_url: Option<StoreUrl>,
    /// The textfile for `node_exporter`.
    pub textfile: Option<PathBuf>,
    /// The Pushgateway.
    pub gateway: Option<Endpoint>,
    /// The collectors of OpenTelemetry.
    pub otlp: Option<otlp::Settings>,
    /// The StatsD server.
    pub statsd: Option<StatsdAddress>,
    /// Whether the tool fails if an event could not be pushed.
    pub required: bool,
    /// How long all exporting together may take after the work has ended.
    pub budget: Duration,
    /// Whether a process of its own exports to the Pushgateway, so that the tool does not wait.
    pub is_detached: bool,
    /// Whether an enclosing tool with the same state directory shares what this one records.
    pub is_deferred: bool,
}

impl Sinks {
    /// The journal. A lock that somebody holds leaves half of the budget to the Pushgateway.
    pub(super) fn journal(&self, folder: &Path) -> Journal {
        Journal::new(folder).waiting_at_most(self.budget / 2)
    }

    /// The outbox. A lock that somebody holds is reported before the budget has ended.
    pub(super) fn outbox(&self, folder: &Path) -> Outbox {
        Outbox::new(folder).waiting_at_most(self.budget * 3 / 4)
    }

    pub(super) fn gateway_breaker(&self) -> Option<CircuitBreaker> {
        let (dir, endpoint) = (self.state_dir.as_ref()?, self.gateway.as_ref()?);
        Some(CircuitBreaker::new(dir, endpoint.display_url()))
    }

    pub(super) fn store_breaker(&self) -> Option<CircuitBreaker> {
        let (dir, url) = (self.state_dir.as_ref()?, self.state_url.as_ref()?);
        Some(CircuitBreaker::of_store(dir, url.to_string()))
    }

    /// Whether no tool has found this server down a moment ago. With `--require-export` it is tried all the same.
    pub(super) fn is_usable(&self, breaker: Option<&CircuitBreaker>, now: DateTime<Utc>) -> bool {
        self.required || !breaker.is_some_and(|breaker| breaker.is_open(now))
    }
}
