//! Resolves a host name and connects to an address.

use std::net::SocketAddr;

use common::event::Reason;
use dns_lookup::{AddrInfoHints, LookupError, SockType, getaddrinfo};
use tokio::net::TcpStream;
use tokio::task::spawn_blocking;
use url::Host;

use super::endpoint::Endpoint;
use super::phase_timer::{Phase, PhaseTimer};
use crate::failure::Failure;

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
async fn lookup(domain: String, port: u16) -> Result<Vec<SocketAddr>, Failure> {
    let hints = AddrInfoHints { socktype: SockType::Stream.into(), ..AddrInfoHints::default() };
    let lookup = spawn_blocking(move || {
        let entries = getaddrinfo(Some(&domain), None, Some(hints))?;
        Ok(entries.flatten().map(|address| SocketAddr::new(address.sockaddr.ip(), port)).collect())
    });
    let addresses: Result<Vec<_>, LookupError> =
        lookup.await.map_err(|error| Failure::local(Reason::Dns, error.to_string()))?;
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
