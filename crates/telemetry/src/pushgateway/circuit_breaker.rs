//! A gateway found dead is not tried again for a while by any tool that shares the state directory: an outage costs
//! one budget a deployment, not one a stage.

use std::fs;
use std::path::PathBuf;

use chrono::{DateTime, TimeDelta, Utc};

use common::fs::atomic;

/// How long a dead gateway is left alone.
const MEMORY: TimeDelta = TimeDelta::seconds(30);

/// The memory of one state directory.
#[derive(Debug, Clone)]
pub struct CircuitBreaker {
    path: PathBuf,
    gateway: String,
}

impl CircuitBreaker {
    /// The memory, about the gateway shown as `gateway`.
    pub fn new(state_dir: &std::path::Path, gateway: String) -> Self {
        Self { path: state_dir.join("gateway.down"), gateway }
    }

    /// Whether this gateway was found dead less than 30 s before `now`.
    pub fn is_remembered(&self, now: DateTime<Utc>) -> bool {
        fs::read_to_string(&self.path).ok().is_some_and(|text| {
            let Some((when, gateway)) = text.trim_end().split_once(' ') else { return false };
            let when = DateTime::parse_from_rfc3339(when).map(|when| now.signed_duration_since(when));
            // A time in the future is a clock that was set back: not to be believed.
            gateway == self.gateway && when.is_ok_and(|age| age >= TimeDelta::zero() && age < MEMORY)
        })
    }

    /// Remembers that it did not answer. Trouble with the file is no matter: the gateway is then tried once more.
    pub fn remember(&self, now: DateTime<Utc>) {
        let _ = atomic::write(&self.path, format!("{} {}\n", now.to_rfc3339(), self.gateway).as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dead_gateway_is_left_alone_for_thirty_seconds_and_another_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let down = CircuitBreaker::new(folder.path(), "http://h:9091/".to_owned());
        let now = DateTime::from_timestamp(1_767_225_600, 0).unwrap();
        assert!(!down.is_remembered(now));
        down.remember(now);
        assert!(down.is_remembered(now + TimeDelta::seconds(29)));
        assert!(!down.is_remembered(now + TimeDelta::seconds(30)));
        assert!(!down.is_remembered(now - TimeDelta::seconds(1)));
        assert!(!CircuitBreaker::new(folder.path(), "http://other/".to_owned()).is_remembered(now));
    }
}
