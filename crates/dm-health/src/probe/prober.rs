//! The prober of one target.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Result;
use chrono::{DateTime, TimeDelta, Utc};
use common::clock::Clock;
use common::event::Reason;
use http_expect::Response;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::endpoint::{Endpoint, Via};
use super::http::Connection;
use super::outcome::{FinishedProbe, ProbeResponse};
use super::phase_timer::{Phase, PhaseTimer};
use super::request::HttpRequest;
use super::target::{Protocol, Target};
use super::tls::{self, Connectors};
use super::{connect, dns, exec, grpc, mysql, postgres, redis, tunnel, udp};
use crate::address::{Database, DatabaseKind};
use crate::failure::Failure;

/// Probes one target.
pub(crate) struct Prober<'a> {
    target: &'a Target,
    options: ProbeOptions,
    connection: Option<KeptConnection>,
    tls: Option<Connectors>,
    /// For a proxy, which does not get the settings of the target.
    proxy_tls: Option<Connectors>,
    clock: &'a dyn Clock,
    /// The number of failed connections, which selects the address for the next probe.
    failed_connections: usize,
}

/// Options of a probe.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ProbeOptions {
    /// The time limit of one probe.
    pub(crate) timeout: Duration,
    /// Whether the next HTTP probe reuses the connection.
    pub(crate) reuse: bool,
}

/// An HTTP connection that the next probe can reuse.
struct KeptConnection {
    connection: Connection,
    address: Option<SocketAddr>,
    certificate_expiry: Option<DateTime<Utc>>,
}

impl<'a> Prober<'a> {
    /// A prober for each target. Loads the certificates that they need.
    pub(crate) fn for_targets(
        targets: &'a [Target],
        options: ProbeOptions,
        clock: &'a dyn Clock,
    ) -> Result<Vec<Self>> {
        let needs_common = targets.iter().any(Target::needs_common_tls);
        let common = if needs_common { Some(tls::connectors(None)?) } else { None };
        let prober = |target: &'a Target| {
            let own = target.tls.as_ref().map(|own| tls::connectors(Some(own))).transpose()?;
            Ok(Self {
                target,
                options: ProbeOptions { timeout: target.timeout.unwrap_or(options.timeout), ..options },
                connection: None,
                tls: own.or_else(|| common.clone()),
                proxy_tls: common.clone(),
                clock,
                failed_connections: 0,
            })
        };
        targets.iter().map(prober).collect()
    }

    /// Performs one probe. The response is not checked.
    pub(crate) async fn probe(&mut self) -> FinishedProbe {
        let sent_at = self.clock.now();
        let mut timer = PhaseTimer::start(self.clock);
        let mut partial = PartialOutcome::default();
        let response =
            tokio::time::timeout(self.options.timeout, self.request(&mut timer, &mut partial)).await;
        let response = response.unwrap_or_else(|_| Err(self.timed_out(timer.phase())));
        // A datagram is refused only after it was sent.
        let is_refused = |failure: &Failure| failure.reason == Reason::Refused;
        if response.as_ref().is_err_and(|failure| timer.phase() == Phase::Connect || is_refused(failure)) {
            self.failed_connections = self.failed_connections.wrapping_add(1);
        }
        let (phases, duration) = timer.finish();
        let PartialOutcome { address, head } = partial;
        FinishedProbe { sent_at, address, head, duration, phases, response }
    }

    /// Whether its target belongs to the control group.
    pub(crate) fn is_control(&self) -> bool {
        self.target.is_control
    }

    fn timed_out(&self, phase: Phase) -> Failure {
        match self.target.protocol {
            Protocol::Exec(_) => Failure::program_timed_out(self.options.timeout),
            _ => Failure::timed_out(phase, self.options.timeout),
        }
    }

    async fn request(
        &mut self,
        timer: &mut PhaseTimer<'_>,
        partial: &mut PartialOutcome,
    ) -> Result<ProbeResponse, Failure> {
        let target: &'a Target = self.target;
        match &target.protocol {
            Protocol::Http(endpoint, get) => {
                if let Some(response) = self.reuse_connection(get, timer, partial).await {
                    return Ok(response);
                }
                let (stream, certificate_expiry) =
                    self.connect(endpoint, |tls| &tls.http, timer, partial).await?;
                timer.enter(Phase::Wait);
                let connection = Connection::open(stream).await?;
                let connection = KeptConnection { connection, address: partial.address, certificate_expiry };
                self.request_on(connection, get, timer, partial).await
            }
            Protocol::Tcp(endpoint) => {
                self.connect_tcp(endpoint, timer, partial).await?;
                Ok(ProbeResponse::default())
            }
            Protocol::Grpc(endpoint, service, metadata) => {
                let (stream, certificate_expiry) =
                    self.connect(endpoint, |tls| &tls.grpc, timer, partial).await?;
                timer.enter(Phase::Wait);
                grpc::check(stream, endpoint, service, metadata).await?;
                Ok(ProbeResponse {
                    certificate: self.time_left(certificate_expiry),
                    ..ProbeResponse::default()
                })
            }
            Protocol::Exec(words) => {
                timer.skip_to(Phase::Wait);
                exec::run(words).await?;
                Ok(ProbeResponse::default())
            }
            Protocol::Dns(None, question) => {
                dns::check_here(question).await?;
                Ok(ProbeResponse::default())
            }
            Protocol::Dns(Some(endpoint), question) => {
                let server = self.resolve(endpoint, timer, partial).await?;
                timer.skip_to(Phase::Wait);
                dns::check_at(server, question).await?;
                Ok(ProbeResponse::default())
            }
            Protocol::Udp(endpoint, exchange) => {
                let address = self.resolve(endpoint, timer, partial).await?;
                timer.skip_to(Phase::Wait);
                udp::check(address, exchange).await?;
                Ok(ProbeResponse::default())
            }
            Protocol::Database(endpoint, database) => {
                let expiry = self.database(endpoint, database, timer, partial).await?;
                Ok(ProbeResponse { certificate: self.time_left(expiry), ..ProbeResponse::default() })
            }
        }
    }

    /// Asks a database whether it is ready. Returns the expiry of its certificates.
    async fn database(
        &self,
        endpoint: &Endpoint,
        database: &Database,
        timer: &mut PhaseTimer<'_>,
        partial: &mut PartialOutcome,
    ) -> Result<Option<DateTime<Utc>>, Failure> {
        match database.kind {
            DatabaseKind::Redis => {
                let (stream, expiry) = self.connect(endpoint, |tls| &tls.database, timer, partial).await?;
                timer.enter(Phase::Wait);
                redis::check(stream, database).await.map(|()| expiry)
            }
            DatabaseKind::Postgres => {
                let mut tcp = self.connect_tcp(endpoint, timer, partial).await?;
                let (stream, expiry): (Box<dyn Stream>, _) = match (&self.tls, &endpoint.tls_name) {
                    (Some(tls), Some(name)) => {
                        timer.enter(Phase::Tls);
                        postgres::begin_tls(&mut tcp).await?;
                        let stream = tls::handshake(&tls.database, name.clone(), tcp, timer).await?;
                        let expiry = tls::first_expiry(&stream, self.clock.now());
                        (Box::new(stream), expiry)
                    }
                    _ => (Box::new(tcp), None),
                };
                timer.enter(Phase::Wait);
                postgres::check(stream, database).await.map(|()| expiry)
            }
            DatabaseKind::MySql => {
                let address = self.resolve(endpoint, timer, partial).await?;
                // The driver connects by itself.
                timer.skip_to(Phase::Wait);
                mysql::check(address, database).await.map(|()| None)
            }
        }
    }

    /// Sends the request on the kept connection. `None` if there is none, or if the server has closed it, which is not a
    /// failure.
    async fn reuse_connection(
        &mut self,
        get: &HttpRequest,
        timer: &mut PhaseTimer<'_>,
        partial: &mut PartialOutcome,
    ) -> Option<ProbeResponse> {
        let mut kept = self.connection.take()?;
        if !kept.connection.is_ready().await {
            return None;
        }
        timer.skip_to(Phase::Wait);
        partial.address = kept.address;
        let response = self.request_on(kept, get, timer, partial).await;
        if response.is_err() {
            timer.skip_to(Phase::Resolve);
            *partial = PartialOutcome::default();
        }
        response.ok()
    }

    async fn request_on(
        &mut self,
        mut kept: KeptConnection,
        get: &HttpRequest,
        timer: &mut PhaseTimer<'_>,
        partial: &mut PartialOutcome,
    ) -> Result<ProbeResponse, Failure> {
        let request = get.request(self.options.reuse);
        let http = kept.connection.send(request, timer, &mut partial.head).await?;
        let certificate = self.time_left(kept.certificate_expiry);
        self.connection = self.options.reuse.then_some(kept);
        Ok(ProbeResponse { http: Some(http), certificate })
    }

    /// The time until `end`.
    fn time_left(&self, end: Option<DateTime<Utc>>) -> Option<TimeDelta> {
        Some(end? - self.clock.now())
    }

    /// Connects, with TLS if the endpoint uses it. Also returns the expiry of the certificates.
    async fn connect(
        &self,
        endpoint: &Endpoint,
        connector: fn(&Connectors) -> &TlsConnector,
        timer: &mut PhaseTimer<'_>,
        partial: &mut PartialOutcome,
    ) -> Result<(Box<dyn Stream>, Option<DateTime<Utc>>), Failure> {
        let stream: Box<dyn Stream> = match &endpoint.via {
            None => Box::new(self.connect_tcp(endpoint, timer, partial).await?),
            Some(via) => self.connect_via(via, endpoint, timer, partial).await?,
        };
        match (&self.tls, &endpoint.tls_name) {
            (Some(tls), Some(name)) => {
                let stream = tls::handshake(connector(tls), name.clone(), stream, timer).await?;
                let end = tls::first_expiry(&stream, self.clock.now());
                Ok((Box::new(stream), end))
            }
            _ => Ok((stream, None)),
        }
    }

    /// Connects to the proxy, and for TLS through it to the endpoint.
    async fn connect_via(
        &self,
        via: &Via,
        endpoint: &Endpoint,
        timer: &mut PhaseTimer<'_>,
        partial: &mut PartialOutcome,
    ) -> Result<Box<dyn Stream>, Failure> {
        let at_proxy = |failure: Failure| failure.at_proxy(&via.proxy);
        let tcp = self.connect_tcp(&via.endpoint, timer, partial).await.map_err(at_proxy)?;
        let mut stream: Box<dyn Stream> = match (&self.proxy_tls, &via.endpoint.tls_name) {
            (Some(tls), Some(name)) => {
                Box::new(tls::handshake(&tls.http, name.clone(), tcp, timer).await.map_err(at_proxy)?)
            }
            _ => Box::new(tcp),
        };
        if endpoint.tls_name.is_some() {
            tunnel::open(&mut stream, endpoint, &via.proxy).await?;
        }
        Ok(stream)
    }

    async fn connect_tcp(
        &self,
        endpoint: &Endpoint,
        timer: &mut PhaseTimer<'_>,
        partial: &mut PartialOutcome,
    ) -> Result<TcpStream, Failure> {
        connect::connect(self.resolve(endpoint, timer, partial).await?).await
    }

    /// The address for this probe.
    async fn resolve(
        &self,
        endpoint: &Endpoint,
        timer: &mut PhaseTimer<'_>,
        partial: &mut PartialOutcome,
    ) -> Result<SocketAddr, Failure> {
        let addresses = connect::resolve(endpoint, timer).await?;
        // One address per probe: a response from a second address would hide that the first is dead. After a failure the
        // next probe uses the next address, because a name such as localhost often has an address without a listener.
        let address = addresses[self.failed_connections % addresses.len()];
        partial.address = Some(address);
        Ok(address)
    }
}

/// A connection with or without TLS.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

impl fmt::Debug for Prober<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prober").field("target", &self.target).finish_non_exhaustive()
    }
}

/// The results so far. They survive if the time limit cuts off the probe.
#[derive(Default)]
struct PartialOutcome {
    address: Option<SocketAddr>,
    /// The response without its body.
    head: Option<Response>,
}
