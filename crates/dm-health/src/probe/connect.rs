//! Resolves a host name and connects to an address.

use std::net::SocketAddr;
use std::thread;

use common::event::Reason;
use dns_lookup::{AddrInfo, AddrInfoHints, LookupError, SockType, getaddrinfo};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, oneshot};
use url::Host;

use super::endpoint::Endpoint;
use super::phase_timer::{Phase, PhaseTimer};
use crate::failure::Failure;

/// The lookups at a time. One that hangs outlives its probe, and such lookups must not pile up.
static LOOKUPS: Semaphore = Semaphore::const_new(64);

/// Resolves the endpoint to at least one address.
pub(super) async fn resolve(
    endpoint: &Endpoint,
    timer: &mut PhaseTimer<'_>,
) -> Result<Vec<SocketAddr>, Failure> {
    let addresses: Vec<SocketAddr> = match &endpoint.host {
        Host::Ipv4(ip) => vec![(*ip, endpoint.port).into()],
        Host::Ipv6(ip) => vec![(*ip, endpoint.port).into()],
        Host::Domain(domain) => lookup(domain.clone(), endpoint.port).await?,
    };
    if matches!(endpoint.host, Host::Domain(_)) {
        timer.enter(Phase::Connect);
    } else {
        timer.skip_to(Phase::Connect);
    }
    Ok(addresses)
}

/// Uses the system's resolver, which blocks, on another thread.
pub(super) async fn lookup(domain: String, port: u16) -> Result<Vec<SocketAddr>, Failure> {
    let hints = AddrInfoHints { socktype: SockType::Stream.into(), ..AddrInfoHints::default() };
    let not_looked_up = |error: String| {
        Failure::local(Reason::Dns, format!("cannot start a thread to look up the name: {error}"))
    };
    let slot = LOOKUPS.acquire().await.map_err(|error| not_looked_up(error.to_string()))?;
    let (answer, answered) = oneshot::channel();
    // Not spawn_blocking, which panics if the system cannot start a thread.
    let thread = thread::Builder::new().name("lookup".to_owned()).spawn(move || {
        let entries = getaddrinfo(Some(&domain), None, Some(hints));
        let address = |entry: AddrInfo| SocketAddr::new(entry.sockaddr.ip(), port);
        let addresses: Result<Vec<_>, LookupError> =
            entries.map(|entries| entries.flatten().map(address).collect());
        drop(slot);
        // The probe may have ended.
        let _ = answer.send(addresses);
    });
    thread.map_err(|error| not_looked_up(error.to_string()))?;
    let addresses = answered.await.map_err(|error| not_looked_up(error.to_string()))?;
    match addresses {
        Ok(addresses) if addresses.is_empty() => Err(Failure::new(Reason::Dns, "the name has no address")),
        Ok(addresses) => Ok(addresses),
        Err(error) => Err(Failure::not_resolved(error)),
    }
}

/// Opens a TCP connection.
pub(super) async fn connect(address: SocketAddr) -> Result<TcpStream, Failure> {
    let not_connected = |error| Failure::not_connected(&error, address);
    let stream = TcpStream::connect(address).await.map_err(not_connected)?;
    stream.set_nodelay(true).map_err(not_connected)?;
    Ok(stream)
}
