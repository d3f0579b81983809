//! Where a target is on the network.

use anyhow::{Context, Result};
use tokio_rustls::rustls::pki_types::ServerName;
use url::Host;

/// A host and a port, with TLS or without.
#[derive(Debug, Clone)]
pub(super) struct Endpoint {
    /// What to connect to.
    pub(super) host: Host<String>,
    /// The port.
    pub(super) port: u16,
    /// The name that the certificate has to be for; `None` without TLS.
    pub(super) tls_name: Option<ServerName<'static>>,
}

impl Endpoint {
    pub(super) fn new(host: Host<String>, port: u16, tls: bool) -> Result<Self> {
        let tls_name = if tls { Some(server_name(&host)?) } else { None };
        Ok(Self { host, port, tls_name })
    }
}

fn server_name(host: &Host<String>) -> Result<ServerName<'static>> {
    Ok(match host {
        Host::Domain(domain) => ServerName::try_from(domain.clone())
            .with_context(|| format!("{domain} is no name that a certificate can be for"))?,
        Host::Ipv4(ip) => ServerName::from(std::net::IpAddr::V4(*ip)),
        Host::Ipv6(ip) => ServerName::from(std::net::IpAddr::V6(*ip)),
    })
}
