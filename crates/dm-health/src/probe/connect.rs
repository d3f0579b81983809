//! From a name to a connection.

use std::net::SocketAddr;

use common::event::Reason;
use dns_lookup::{AddrInfoHints, LookupError, SockType, getaddrinfo};
use tokio::net::TcpStream;
use tokio::task::spawn_blocking;
use url::Host;

use super::endpoint::Endpoint;
use super::failure::Failure;
use super::timeline::{Phase, Timeline};

/// The addresses of the endpoint; at least one.
pub(super) async fn resolve(
    endpoint: &Endpoint,
    timeline: &mut Timeline<'_>,
) -> Result<Vec<SocketAddr>, Failure> {
    let addresses: Vec<SocketAddr> = match &endpoint.host {
        Host::Ipv4(ip) => vec![(*ip, endpoint.port).into()],
        Host::Ipv6(ip) => vec![(*ip, endpoint.port).into()],
        Host::Domain(domain) => lookup(domain.clone(), endpoint.port).await?,
    };
    if matches!(endpoint.host, Host::Domain(_)) {
        timeline.enter(Phase::Connect);
    } else {
        timeline.skip_to(Phase::Connect);
    }
    Ok(addresses)
}

/// As the system resolves names, on a thread beside: it knows no other way.
async fn lookup(domain: String, port: u16) -> Result<Vec<SocketAddr>, Failure> {
    let hints = AddrInfoHints { socktype: SockType::Stream.into(), ..AddrInfoHints::default() };
    let found = spawn_blocking(move || {
        let found = getaddrinfo(Some(&domain), None, Some(hints))?;
        Ok(found.flatten().map(|address| SocketAddr::new(address.sockaddr.ip(), port)).collect())
    });
    let addresses: Result<Vec<_>, LookupError> =
        found.await.map_err(|error| Failure::local(Reason::Dns, error.to_string()))?;
    match addresses {
        Ok(addresses) if addresses.is_empty() => Err(Failure::new(Reason::Dns, "the name has no address")),
        Ok(addresses) => Ok(addresses),
        Err(error) => Err(Failure::unresolved(error)),
    }
}

/// A new connection.
pub(super) async fn connect(address: SocketAddr) -> Result<TcpStream, Failure> {
    let unconnected = |error| Failure::unconnected(&error, address);
    let stream = TcpStream::connect(address).await.map_err(unconnected)?;
    stream.set_nodelay(true).map_err(unconnected)?;
    Ok(stream)
}
