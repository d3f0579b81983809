//! One probe: a question on a connection of its own, to one address, with each phase timed. Or a program.
//!
//! Not with a common HTTP client: those keep connections, try several addresses at once and follow redirects, and all
//! three hide what a probe is there to find.

mod connect;
mod endpoint;
mod exchange;
mod exec;
mod failure;
mod grpc;
mod request;
mod target;
mod timeline;
mod tls;

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Result;
use chrono::{DateTime, TimeDelta, Utc};
use common::clock::Clock;
use common::records::Phases;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::expectations::{Answer, Expectations};
use crate::policy::Found;
use endpoint::Endpoint;
use exchange::Connection;
pub use failure::Failure;
use request::Get;
use target::Protocol;
pub use target::Target;
pub(crate) use timeline::milliseconds;
use timeline::{Phase, Timeline};
use tls::Connectors;

/// Probes one target.
pub struct Prober<'a> {
    target: &'a Target,
    expected: &'a Expectations,
    manner: Manner,
    kept: Option<Kept>,
    tls: Option<Connectors>,
    clock: &'a dyn Clock,
    /// Connections that could not be made, which is what moves on to the next address of the name.
    unconnected: usize,
}

/// How a target is asked.
#[derive(Debug, Clone, Copy)]
pub struct Manner {
    /// For one probe as a whole.
    pub timeout: Duration,
    /// Whether the connection of an HTTP probe is kept for the next.
    pub reuse: bool,
}

/// A connection that is kept from one probe to the next.
struct Kept {
    connection: Connection,
    address: Option<SocketAddr>,
    certificate_ends: Option<DateTime<Utc>>,
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
    /// Turns of the interval that passed while it was on its way, and had no probe of their own.
    pub skipped: u64,
    /// Why it failed; `None` for a success.
    pub failure: Option<Failure>,
}

impl Outcome {
    /// Whether it met every expectation.
    pub fn is_ok(&self) -> bool {
        self.failure.is_none()
    }

    /// What it says of the service.
    pub fn found(&self) -> Found {
        match &self.failure {
            None => Found::Good,
            Some(failure) if failure.is_local => Found::Nothing,
            Some(_) => Found::Bad,
        }
    }
}

impl<'a> Prober<'a> {
    /// One for each target. Loads the machine's root certificates, where one of them needs those.
    pub fn of_each(
        targets: &'a [Target],
        expected: &'a Expectations,
        manner: Manner,
        clock: &'a dyn Clock,
    ) -> Result<Vec<Self>> {
        let tls = if targets.iter().any(Target::is_tls) { Some(tls::connectors()?) } else { None };
        let prober =
            |target| Self { target, expected, manner, kept: None, tls: tls.clone(), clock, unconnected: 0 };
        Ok(targets.iter().map(prober).collect())
    }

    /// Makes one probe.
    pub async fn probe(&mut self) -> Outcome {
        let sent_at = self.clock.now();
        let mut timeline = Timeline::start(self.clock);
        let mut seen = Seen::default();
        let result = tokio::time::timeout(self.manner.timeout, self.ask(&mut timeline, &mut seen)).await;
        let result = result.unwrap_or_else(|_| Err(self.timed_out(timeline.phase())));
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
            skipped: 0,
            failure,
        }
    }

    fn timed_out(&self, phase: Phase) -> Failure {
        match self.target.protocol {
            Protocol::Exec(_) => Failure::not_ended(self.manner.timeout),
            _ => Failure::timed_out(phase, self.manner.timeout),
        }
    }

    async fn ask(&mut self, timeline: &mut Timeline<'_>, seen: &mut Seen) -> Result<Answer, Failure> {
        let target: &'a Target = self.target;
        match &target.protocol {
            Protocol::Http(endpoint, get) => {
                if let Some(answer) = self.ask_again(get, timeline, seen).await {
                    return Ok(answer);
                }
                let (stream, certificate_ends) =
                    self.connect(endpoint, |tls| &tls.http, timeline, seen).await?;
                timeline.enter(Phase::Wait);
                let connection = Connection::on(stream).await?;
                let kept = Kept { connection, address: seen.address, certificate_ends };
                self.ask_on(kept, get, timeline, seen).await
            }
            Protocol::Tcp(endpoint) => {
                self.reach(endpoint, timeline, seen).await?;
                Ok(Answer::default())
            }
            Protocol::Grpc(endpoint, service) => {
                let (stream, certificate_ends) =
                    self.connect(endpoint, |tls| &tls.grpc, timeline, seen).await?;
                timeline.enter(Phase::Wait);
                grpc::check(stream, endpoint, service).await?;
                Ok(Answer { certificate: self.left(certificate_ends), ..Answer::default() })
            }
            Protocol::Exec(words) => {
                timeline.skip_to(Phase::Wait);
                exec::run(words).await?;
                Ok(Answer::default())
            }
        }
    }

    /// Asks on the connection that was kept. Nothing where there is none, or where the server did not wait for another
    /// request: that is its right, and no failure.
    async fn ask_again(&mut self, get: &Get, timeline: &mut Timeline<'_>, seen: &mut Seen) -> Option<Answer> {
        let mut kept = self.kept.take()?;
        if !kept.connection.is_ready().await {
            return None;
        }
        timeline.skip_to(Phase::Wait);
        seen.address = kept.address;
        let answer = self.ask_on(kept, get, timeline, seen).await;
        if answer.is_err() {
            timeline.skip_to(Phase::Resolve);
            *seen = Seen::default();
        }
        answer.ok()
    }

    async fn ask_on(
        &mut self,
        mut kept: Kept,
        get: &Get,
        timeline: &mut Timeline<'_>,
        seen: &mut Seen,
    ) -> Result<Answer, Failure> {
        let request = get.request(self.manner.reuse);
        let http = kept.connection.ask(request, timeline, &mut seen.status).await?;
        let certificate = self.left(kept.certificate_ends);
        self.kept = self.manner.reuse.then_some(kept);
        Ok(Answer { http: Some(http), certificate })
    }

    /// What is left until then.
    fn left(&self, end: Option<DateTime<Utc>>) -> Option<TimeDelta> {
        Some(end? - self.clock.now())
    }

    /// A connection, with TLS where the endpoint has it, and then the end of its certificates.
    async fn connect(
        &self,
        endpoint: &Endpoint,
        connector: fn(&Connectors) -> &TlsConnector,
        timeline: &mut Timeline<'_>,
        seen: &mut Seen,
    ) -> Result<(Box<dyn Stream>, Option<DateTime<Utc>>), Failure> {
        let tcp = self.reach(endpoint, timeline, seen).await?;
        match (&self.tls, &endpoint.tls_name) {
            (Some(tls), Some(name)) => {
                let stream = tls::handshake(connector(tls), name.clone(), tcp, timeline).await?;
                let end = tls::first_end(&stream);
                Ok((Box::new(stream), end))
            }
            _ => Ok((Box::new(tcp), None)),
        }
    }

    async fn reach(
        &self,
        endpoint: &Endpoint,
        timeline: &mut Timeline<'_>,
        seen: &mut Seen,
    ) -> Result<TcpStream, Failure> {
        let addresses = connect::resolve(endpoint, timeline).await?;
        // One address a probe: an answer from a second one would hide that the first is dead. The next probe tries
        // the next, for a name such as localhost often has an address where nobody listens.
        let address = addresses[self.unconnected % addresses.len()];
        seen.address = Some(address);
        connect::connect(address).await
    }
}

/// A connection, with TLS or without.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

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
