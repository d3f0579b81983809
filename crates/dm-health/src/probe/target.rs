//! Targets: parsed addresses of what to probe.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use common::label::{Label, redact_url};
use common::proxy::Proxies;
use dm_smoke::Tls;
use hyper::{HeaderMap, Method};
use url::{Host, Url};

use super::endpoint::{Endpoint, Via, server_name};
use super::request::HttpRequest;
use crate::address::{Address, Database, DnsQuestion, HostPort, UdpExchange};
use crate::request_header::RequestHeader;

/// A target to probe.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    /// The short name.
    pub(crate) name: String,
    /// The address without secrets.
    pub(crate) display: String,
    /// Whether it belongs to the control group: the previous version, or the rest of the fleet. It decides nothing here.
    pub(crate) is_control: bool,
    pub(super) protocol: Protocol,
    /// The time limit of a probe, if it is not that of all targets.
    pub(crate) timeout: Option<Duration>,
    /// The settings of TLS, if they are not those of all targets.
    pub(super) tls: Option<Tls>,
}

/// The protocol of the probe.
#[derive(Debug, Clone)]
pub(super) enum Protocol {
    /// An HTTP request.
    Http(Endpoint, HttpRequest),
    /// A TCP connection.
    Tcp(Endpoint),
    /// The standard gRPC health service, with the name of the service and metadata.
    Grpc(Endpoint, String, HeaderMap),
    /// A program and its arguments.
    Exec(Vec<String>),
    /// A question to a DNS server, or to the machine's resolver.
    Dns(Option<Endpoint>, DnsQuestion),
    /// A datagram.
    Udp(Endpoint, UdpExchange),
    /// The readiness of a database.
    Database(Endpoint, Database),
}

impl Target {
    /// The target at `address`. The default name is that of the host or the program.
    ///
    /// # Errors
    /// The address has no host or port, or cannot be sent.
    pub(crate) fn new(address: &Address, name: Option<Label>) -> Result<Self> {
        let (default, display, protocol) = match address {
            Address::Http(url) => {
                let host = url.host().context("the URL has no host")?.to_owned();
                let port = url.port_or_known_default().context("the URL has no port")?;
                let default = host.to_string();
                let endpoint = Endpoint::new(host, port, url.scheme() == "https")?;
                (default, redact_url(url), Protocol::Http(endpoint, HttpRequest::new(url)?))
            }
            Address::Tcp(HostPort { host, port }) => {
                let endpoint = Endpoint::new(host.clone(), *port, false)?;
                (host.to_string(), format!("tcp://{host}:{port}"), Protocol::Tcp(endpoint))
            }
            Address::Grpc { at: HostPort { host, port }, tls, service } => {
                let endpoint = Endpoint::new(host.clone(), *port, *tls)?;
                let scheme = if *tls { "grpcs" } else { "grpc" };
                let display = format!("{scheme}://{host}:{port}/{service}");
                (host.to_string(), display, Protocol::Grpc(endpoint, service.clone(), HeaderMap::new()))
            }
            Address::Exec(words) => {
                let program = words.first().context("no program")?;
                let short =
                    Path::new(program).file_name().map_or(program.into(), |name| name.to_string_lossy());
                // An argument may be a secret.
                (short.into_owned(), format!("exec:{program}"), Protocol::Exec(words.clone()))
            }
            Address::Dns(question) => {
                let server = question.server.as_ref();
                let endpoint = server.map(|at| Endpoint::new(at.host.clone(), at.port, false)).transpose()?;
                let at =
                    server.map(|HostPort { host, port }| format!("//{host}:{port}/")).unwrap_or_default();
                let display = format!("dns:{at}{}", question.shown);
                (question.shown.clone(), display, Protocol::Dns(endpoint, question.clone()))
            }
            Address::Udp(exchange) => {
                let HostPort { host, port } = &exchange.at;
                let endpoint = Endpoint::new(host.clone(), *port, false)?;
                (host.to_string(), format!("udp://{host}:{port}"), Protocol::Udp(endpoint, exchange.clone()))
            }
            Address::Database(database) => {
                let HostPort { host, port } = &database.at;
                let endpoint = Endpoint::new(host.clone(), *port, database.tls)?;
                (host.to_string(), database.display(), Protocol::Database(endpoint, database.clone()))
            }
        };
        let name = name.map_or(default, String::from);
        Ok(Self { name, display, is_control: false, protocol, timeout: None, tls: None })
    }

    /// The same target, through the proxy that the environment names for its URL. Other protocols than HTTP go directly.
    ///
    /// # Errors
    /// The proxy cannot be used.
    pub(crate) fn through(mut self, address: &Address, proxies: &Proxies) -> Result<Self> {
        if let (Address::Http(url), Protocol::Http(endpoint, get)) = (address, &mut self.protocol)
            && let Some(proxy) = proxies.for_url(url).map_err(anyhow::Error::msg)?
        {
            if endpoint.tls_name.is_none() {
                get.send_to_proxy(url, proxy.authorization.clone())?;
            }
            endpoint.via = Some(Box::new(Via::new(proxy)?));
        }
        Ok(self)
    }

    /// The same target with these headers, if it takes any, and this method, if it is probed by HTTP.
    pub(crate) fn with_request(mut self, headers: &[RequestHeader], method: Option<&Method>) -> Self {
        match &mut self.protocol {
            Protocol::Http(_, request) => request.customize(headers, method),
            Protocol::Grpc(_, _, metadata) => {
                metadata.extend(headers.iter().map(|header| (header.name.clone(), header.value.clone())));
            }
            _ => {}
        }
        self
    }

    /// The same target with this time limit and these settings of TLS, if it has its own.
    ///
    /// # Errors
    /// The name for TLS is not valid.
    pub(crate) fn with_connection(mut self, timeout: Option<Duration>, tls: Option<&Tls>) -> Result<Self> {
        if let Some(name) = tls.and_then(|tls| tls.name.as_ref())
            && let Some(endpoint) = self.endpoint_mut()
        {
            endpoint.tls_name = Some(server_name(&Host::Domain(name.clone()))?);
        }
        Ok(Self { timeout, tls: tls.cloned(), ..self })
    }

    /// The same target in the control group.
    pub(crate) fn into_control(self) -> Self {
        Self { is_control: true, ..self }
    }

    /// The target at a URL, named after its host.
    pub(crate) fn from_url(url: &Url) -> Result<Self> {
        let address = Address::Http(url.clone());
        let proxies = Proxies::from_env().map_err(anyhow::Error::msg)?;
        Self::new(&address, None)?.through(&address, &proxies)
    }

    /// Whether it, or the proxy on the way to it, uses TLS with the settings of all targets.
    pub(super) fn needs_common_tls(&self) -> bool {
        self.endpoint().is_some_and(|endpoint| {
            let via = endpoint.via.as_ref();
            let is_common = endpoint.tls_name.is_some() && self.tls.is_none();
            is_common || via.is_some_and(|via| via.endpoint.tls_name.is_some())
        })
    }

    /// The network endpoint, if it has one.
    pub(super) fn endpoint(&self) -> Option<&Endpoint> {
        match &self.protocol {
            Protocol::Http(endpoint, _)
            | Protocol::Tcp(endpoint)
            | Protocol::Grpc(endpoint, ..)
            | Protocol::Udp(endpoint, _)
            | Protocol::Database(endpoint, _) => Some(endpoint),
            Protocol::Dns(endpoint, _) => endpoint.as_ref(),
            Protocol::Exec(_) => None,
        }
    }

    fn endpoint_mut(&mut self) -> Option<&mut Endpoint> {
        match &mut self.protocol {
            Protocol::Http(endpoint, _) | Protocol::Grpc(endpoint, ..) | Protocol::Database(endpoint, _) => {
                Some(endpoint)
            }
            // They have no TLS.
            _ => None,
        }
    }
}

/// The targets that do not belong to the control group. They come first.
pub(crate) fn without_control(targets: &[Target]) -> &[Target] {
    &targets[..targets.partition_point(|target| !target.is_control)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(address: &str) -> Target {
        Target::new(&address.parse().unwrap(), None).unwrap()
    }

    #[test]
    fn the_default_name_is_the_host_or_the_program() {
        assert_eq!(target("http://h:8080/a").name, "h");
        assert_eq!(target("tcp://[::1]:5").name, "[::1]");
        assert_eq!(target("exec:/usr/bin/pg_isready -q").name, "pg_isready");
    }

    #[test]
    fn default_ports() {
        let port = |url: &str| target(url).endpoint().unwrap().port;
        assert_eq!((port("https://[::1]/"), port("http://h"), port("http://h:81")), (443, 80, 81));
        assert!(target("https://[::1]/").endpoint().unwrap().tls_name.is_some());
        assert!(target("http://h").endpoint().unwrap().tls_name.is_none());
    }

    #[test]
    fn the_display_form_contains_no_secret() {
        assert_eq!(target("http://us%20er:p%40ss@h/?token=abc").display, "http://***@h/?token=***");
        assert_eq!(target("exec:check --password hunter2").display, "exec:check");
        assert_eq!(target("grpcs://h:1/a.B").display, "grpcs://h:1/a.B");
    }
}
