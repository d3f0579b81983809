//! One probe: a GET on a connection of its own, to one address, with each phase timed.
//!
//! Not with a common HTTP client: those keep connections, try several addresses at once and follow redirects, and all
//! three hide what a probe is there to find.

mod connect;
mod exchange;
mod failure;
mod target;
mod timeline;
mod tls;

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Result;
use chrono::{DateTime, Utc};
use common::clock::Clock;
use common::stream::Phases;
use tokio_rustls::TlsConnector;

use crate::expectations::{Answer, Expectations};
pub use failure::Failure;
pub use target::Target;
pub(crate) use timeline::milliseconds;
use timeline::{Phase, Timeline};

/// Probes one target.
pub struct Prober<'a> {
    target: &'a Target,
    expected: &'a Expectations,
    timeout: Duration,
    tls: Option<TlsConnector>,
    clock: &'a dyn Clock,
    /// Connections that could not be made, which is what moves on to the next address of the name.
    unconnected: usize,
}

/// What one probe found.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// When it was sent.
    pub sent_at: DateTime<Utc>,
    /// The address that was used, where the name resolved.
    pub address: Option<SocketAddr>,
    /// The HTTP status, where one came.
    pub status: Option<u16>,
    /// From the start to the last byte, where a whole answer came.
    pub latency: Option<Duration>,
    /// What took how long.
    pub phases: Phases,
    /// Why it failed; `None` for a success.
    pub failure: Option<Failure>,
}

impl Outcome {
    /// Whether it met every expectation.
    pub fn is_ok(&self) -> bool {
        self.failure.is_none()
    }
}

impl<'a> Prober<'a> {
    /// One for each target. Loads the machine's root certificates, where one of them needs those. `timeout` is for one
    /// probe as a whole.
    pub fn of_each(
        targets: &'a [Target],
        expected: &'a Expectations,
        timeout: Duration,
        clock: &'a dyn Clock,
    ) -> Result<Vec<Self>> {
        let any_tls = targets.iter().any(|target| target.tls_name.is_some());
        let tls = if any_tls { Some(tls::connector()?) } else { None };
        let prober = |target| Self { target, expected, timeout, tls: tls.clone(), clock, unconnected: 0 };
        Ok(targets.iter().map(prober).collect())
    }

    /// Makes one probe.
    pub async fn probe(&mut self) -> Outcome {
        let sent_at = self.clock.now();
        let mut timeline = Timeline::start(self.clock);
        let mut seen = Seen::default();
        let result = tokio::time::timeout(self.timeout, self.ask(&mut timeline, &mut seen)).await;
        let result = result.unwrap_or_else(|_| Err(Failure::timed_out(timeline.phase(), self.timeout)));
        if result.is_err() && timeline.phase() == Phase::Connect {
            self.unconnected = self.unconnected.wrapping_add(1);
        }
        let (phases, total) = timeline.finish();
        let whole = result.is_ok();
        let failure = match result {
            Ok(answer) => self.expected.unmet(&answer, total),
            Err(failure) => Some(failure),
        };
        Outcome {
            sent_at,
            address: seen.address,
            status: seen.status,
            latency: whole.then_some(total),
            phases,
            failure,
        }
    }

    async fn ask(&self, timeline: &mut Timeline<'_>, seen: &mut Seen) -> Result<Answer, Failure> {
        let addresses = connect::resolve(self.target, timeline).await?;
        // One address a probe: an answer from a second one would hide that the first is dead. The next probe tries
        // the next, for a name such as localhost often has an address where nobody listens.
        let address = addresses[self.unconnected % addresses.len()];
        seen.address = Some(address);
        let tcp = connect::connect(address, timeline).await?;
        match (&self.tls, &self.target.tls_name) {
            (Some(connector), Some(name)) => {
                let stream = tls::handshake(connector, name.clone(), tcp, timeline).await?;
                exchange::exchange(stream, self.target, timeline, &mut seen.status).await
            }
            _ => exchange::exchange(tcp, self.target, timeline, &mut seen.status).await,
        }
    }
}

impl std::fmt::Debug for Prober<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Prober").field("target", &self.target).finish_non_exhaustive()
    }
}

/// What a probe has found so far, kept where a time limit cannot take it away.
#[derive(Default)]
struct Seen {
    address: Option<SocketAddr>,
    status: Option<u16>,
}
