//! The network endpoint of a target.

use anyhow::{Context, Result};
use common::proxy::Proxy;
use tokio_rustls::rustls::pki_types::ServerName;
use url::Host;

/// A host and a port, with or without TLS.
#[derive(Debug, Clone)]
pub(super) struct Endpoint {
    /// The host to connect to.
    pub(super) host: Host<String>,
    /// The port.
    pub(super) port: u16,
    /// The name that the certificate must contain; `None` without TLS.
    pub(super) tls_name: Option<ServerName<'static>>,
    /// The proxy through which it is reached.
    pub(super) via: Option<Box<Via>>,
}

/// A proxy on the way to an endpoint.
#[derive(Debug, Clone)]
pub(super) struct Via {
    /// Where it is.
    pub(super) endpoint: Endpoint,
    /// How messages name it, and what it requires.
    pub(super) proxy: Proxy,
}

impl Via {
    pub(super) fn new(proxy: Proxy) -> Result<Self> {
        Ok(Self { endpoint: Endpoint::new(proxy.host.clone(), proxy.port, proxy.is_tls)?, proxy })
    }
}

impl Endpoint {
    pub(super) fn new(host: Host<String>, port: u16, tls: bool) -> Result<Self> {
        let tls_name = if tls { Some(server_name(&host)?) } else { None };
        Ok(Self { host, port, tls_name, via: None })
    }
}

/// The name that a certificate must contain for this host.
pub(super) fn server_name(host: &Host<String>) -> Result<ServerName<'static>> {
    Ok(match host {
        Host::Domain(domain) => ServerName::try_from(domain.clone())
            .with_context(|| format!("{domain} is not a valid name for a certificate"))?,
        Host::Ipv4(ip) => ServerName::from(std::net::IpAddr::V4(*ip)),
        Host::Ipv6(ip) => ServerName::from(std::net::IpAddr::V6(*ip)),
    })
}
