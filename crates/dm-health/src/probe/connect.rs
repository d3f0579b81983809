//! From a name to a connection.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;

use tokio::net::{TcpStream, lookup_host};
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
        Host::Domain(domain) => lookup_host((domain.as_str(), endpoint.port))
            .await
            .map_err(|error| Failure::unresolved(&error))?
            .collect(),
    };
    if addresses.is_empty() {
        return Err(Failure::unresolved(&io::Error::new(ErrorKind::NotFound, "it has no address")));
    }
    if matches!(endpoint.host, Host::Domain(_)) {
        timeline.enter(Phase::Connect);
    } else {
        timeline.skip_to(Phase::Connect);
    }
    Ok(addresses)
}

/// A new connection.
pub(super) async fn connect(address: SocketAddr) -> Result<TcpStream, Failure> {
    let unconnected = |error| Failure::unconnected(&error, address);
    let stream = TcpStream::connect(address).await.map_err(unconnected)?;
    stream.set_nodelay(true).map_err(unconnected)?;
    Ok(stream)
}
