//! The result of a probe: first the response, then the outcome of checking it.

use std::net::SocketAddr;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use common::label::Label;
use common::records::Phases;
use http_expect::Response;

use crate::clock_difference::large_difference;
use crate::failure::Failure;
use crate::policy::ProbeResult;

/// The response to a probe.
#[derive(Debug, Default)]
pub(crate) struct ProbeResponse {
    /// The HTTP response, if the probe used HTTP.
    pub(crate) http: Option<Response>,
    /// The time until the first of the server's certificates expires, if it sent any.
    pub(crate) certificate: Option<TimeDelta>,
}

/// A probe that has finished, before its response is checked.
#[derive(Debug)]
pub(crate) struct FinishedProbe {
    /// The time when it was sent.
    pub(super) sent_at: DateTime<Utc>,
    /// The address, if the name was resolved.
    pub(super) address: Option<SocketAddr>,
    /// The HTTP response without its body, if it arrived but is not complete.
    pub(super) head: Option<Response>,
    /// The time from the start to the end.
    pub(super) duration: Duration,
    /// The duration of each phase.
    pub(super) phases: Phases,
    /// The complete response, or why there is none.
    pub(super) response: Result<ProbeResponse, Failure>,
}

impl FinishedProbe {
    /// The outcome, given a `check` of a complete response and its latency, and how to detect a `version`.
    pub(crate) fn outcome(
        self,
        check: impl FnOnce(&ProbeResponse, Duration) -> Result<(), Failure>,
        version: impl FnOnce(&Response) -> Option<Label>,
    ) -> ProbeOutcome {
        let latency = self.response.is_ok().then_some(self.duration);
        let http = match &self.response {
            Ok(response) => response.http.as_ref(),
            Err(_) => self.head.as_ref(),
        };
        let status = http.map(|http| http.status);
        let clock_difference =
            http.and_then(|http| large_difference(&http.headers, self.sent_at, self.duration));
        let version = http.and_then(version);
        let failure = self.response.and_then(|response| check(&response, self.duration)).err();
        ProbeOutcome {
            sent_at: self.sent_at,
            address: self.address,
            status,
            version,
            clock_difference,
            latency,
            phases: self.phases,
            skipped: 0,
            failure,
        }
    }
}

/// The outcome of one probe.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ProbeOutcome {
    /// The time when it was sent.
    pub(crate) sent_at: DateTime<Utc>,
    /// The address, if the name was resolved.
    pub(crate) address: Option<SocketAddr>,
    /// The HTTP status, if one arrived.
    pub(crate) status: Option<u16>,
    /// The version that answered, if it was detected.
    pub(crate) version: Option<Label>,
    /// How far the server's clock is ahead of ours, if that is more than a minute.
    pub(crate) clock_difference: Option<TimeDelta>,
    /// The time from the start to the last byte, if the response was complete.
    pub(crate) latency: Option<Duration>,
    /// The duration of each phase.
    pub(crate) phases: Phases,
    /// The number of turns that had no probe because this one was still running.
    pub(crate) skipped: u64,
    /// The failure; `None` for a success.
    pub(crate) failure: Option<Failure>,
}

impl ProbeOutcome {
    /// Whether it met every expectation.
    pub(crate) fn is_ok(&self) -> bool {
        self.failure.is_none()
    }

    /// What the probe says about the service.
    pub(crate) fn result(&self) -> ProbeResult {
        match &self.failure {
            None => ProbeResult::Healthy,
            Some(failure) if failure.is_local => ProbeResult::NotProbed,
            Some(_) => ProbeResult::Unhealthy,
        }
    }
}
