//! A circuit breaker: after the Pushgateway, the store of the shared state, or a collector did not respond, no tool that shares the
//! state directory tries it again for a while. An outage costs one budget per deployment, not one per stage.

use std::path::{Path, PathBuf};

use chrono::{DateTime, TimeDelta, Utc};

use common::fs::PrivateDir;
use otlp::Signal;

/// The name of the file for the Pushgateway.
const GATEWAY: &str = "gateway.down";

/// The name of the file for the store.
const STORE: &str = "store.down";

/// The longest content: a time and a URL.
const MAX_BYTES: u64 = 64 * 1024;

/// How long the breaker stays open after a failure.
const OPEN_FOR: TimeDelta = TimeDelta::seconds(30);

/// The circuit breaker of one state directory, for one server.
#[derive(Debug, Clone)]
pub(crate) struct CircuitBreaker {
    state_dir: PathBuf,
    file: &'static str,
    server: String,
}

impl CircuitBreaker {
    /// The breaker for the Pushgateway whose redacted URL is `gateway`.
    pub(crate) fn new(state_dir: &Path, gateway: String) -> Self {
        Self { state_dir: state_dir.to_owned(), file: GATEWAY, server: gateway }
    }

    /// The breaker for the store whose redacted URL is `store`.
    pub(crate) fn of_store(state_dir: &Path, store: String) -> Self {
        Self { state_dir: state_dir.to_owned(), file: STORE, server: store }
    }

    /// The breaker for the collector of this signal whose redacted URL is `collector`.
    pub(crate) fn of_collector(state_dir: &Path, signal: Signal, collector: String) -> Self {
        let file = match signal {
            Signal::Traces => "otlp-traces.down",
            Signal::Logs => "otlp-logs.down",
            Signal::Metrics => "otlp-metrics.down",
        };
        Self { state_dir: state_dir.to_owned(), file, server: collector }
    }

    /// Whether this server failed less than 30 s before `now`.
    pub(crate) fn is_open(&self, now: DateTime<Utc>) -> bool {
        self.read().is_some_and(|text| {
            let Some((when, server)) = text.trim_end().split_once(' ') else { return false };
            let when = DateTime::parse_from_rfc3339(when).map(|when| now.signed_duration_since(when));
            // A time in the future means that the clock was set back. Ignore it.
            server == self.server && when.is_ok_and(|age| age >= TimeDelta::zero() && age < OPEN_FOR)
        })
    }

    /// Opens the breaker. If the file cannot be written, the next tool tries the server once more.
    pub(crate) fn trip(&self, now: DateTime<Utc>) {
        let text = format!("{} {}\n", now.to_rfc3339(), self.server);
        let _ = PrivateDir::create(&self.state_dir, &[])
            .and_then(|folder| folder.replace_unsynced(self.file, text.as_bytes()));
    }

    fn read(&self) -> Option<String> {
        let bytes = PrivateDir::open(&self.state_dir, &[]).ok()??.read(self.file, MAX_BYTES).ok()??;
        String::from_utf8(bytes).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_breaker_is_open_for_thirty_seconds_and_for_one_gateway() {
        let folder = tempfile::tempdir().unwrap();
        let breaker = CircuitBreaker::new(folder.path(), "http://h:9091/".to_owned());
        let now = DateTime::from_timestamp(1_767_225_600, 0).unwrap();
        assert!(!breaker.is_open(now));
        breaker.trip(now);
        assert!(breaker.is_open(now + TimeDelta::seconds(29)));
        assert!(!breaker.is_open(now + TimeDelta::seconds(30)));
        assert!(!breaker.is_open(now - TimeDelta::seconds(1)));
        assert!(!CircuitBreaker::new(folder.path(), "http://other/".to_owned()).is_open(now));
    }
}
