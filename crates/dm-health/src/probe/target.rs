//! What is probed: an address, taken apart once.

use std::path::Path;

use anyhow::{Context, Result};
use common::label::{Label, redact_url};
use url::Url;

use super::endpoint::Endpoint;
use super::request::Get;
use crate::address::{Address, HostPort};

/// A target of probes.
#[derive(Debug, Clone)]
pub struct Target {
    /// Its short name.
    pub name: String,
    /// Its address without secrets.
    pub shown: String,
    pub(super) protocol: Protocol,
}

/// How it is asked.
#[derive(Debug, Clone)]
pub(super) enum Protocol {
    /// A GET.
    Http(Endpoint, Get),
    /// A connection.
    Tcp(Endpoint),
    /// The standard health service, about this service.
    Grpc(Endpoint, String),
    /// A program and its arguments.
    Exec(Vec<String>),
}

impl Target {
    /// Takes an address apart. Without a `name` it is called after its host, or after its program.
    pub fn new(address: &Address, name: Option<Label>) -> Result<Self> {
        let (default, shown, protocol) = match address {
            Address::Http(url) => {
                let host = url.host().context("the URL has no host")?.to_owned();
                let port = url.port_or_known_default().context("the URL has no port")?;
                let default = host.to_string();
                let endpoint = Endpoint::new(host, port, url.scheme() == "https")?;
                (default, redact_url(url), Protocol::Http(endpoint, Get::new(url)?))
            }
            Address::Tcp(HostPort { host, port }) => {
                let endpoint = Endpoint::new(host.clone(), *port, false)?;
                (host.to_string(), format!("tcp://{host}:{port}"), Protocol::Tcp(endpoint))
            }
            Address::Grpc { at: HostPort { host, port }, tls, service } => {
                let endpoint = Endpoint::new(host.clone(), *port, *tls)?;
                let scheme = if *tls { "grpcs" } else { "grpc" };
                let shown = format!("{scheme}://{host}:{port}/{service}");
                (host.to_string(), shown, Protocol::Grpc(endpoint, service.clone()))
            }
            Address::Exec(words) => {
                let program = words.first().context("no program")?;
                let short =
                    Path::new(program).file_name().map_or(program.into(), |name| name.to_string_lossy());
                // An argument may be a secret.
                (short.into_owned(), format!("exec:{program}"), Protocol::Exec(words.clone()))
            }
        };
        Ok(Self { name: name.map_or(default, String::from), shown, protocol })
    }

    /// The same of a URL.
    pub fn of_url(url: &Url) -> Result<Self> {
        Self::new(&Address::Http(url.clone()), None)
    }

    /// Whether it answers in HTTP, with a status, headers and a body.
    pub fn is_http(&self) -> bool {
        matches!(self.protocol, Protocol::Http(..))
    }

    /// Whether it comes with a certificate.
    pub fn is_tls(&self) -> bool {
        self.endpoint().is_some_and(|endpoint| endpoint.tls_name.is_some())
    }

    /// Where it is on the network.
    pub(super) fn endpoint(&self) -> Option<&Endpoint> {
        match &self.protocol {
            Protocol::Http(endpoint, _) | Protocol::Tcp(endpoint) | Protocol::Grpc(endpoint, _) => {
                Some(endpoint)
            }
            Protocol::Exec(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(address: &str) -> Target {
        Target::new(&address.parse().unwrap(), None).unwrap()
    }

    #[test]
    fn it_is_called_after_its_host_or_its_program() {
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
    fn no_secret_is_shown() {
        assert_eq!(target("http://us%20er:p%40ss@h/?token=abc").shown, "http://***@h/?token=***");
        assert_eq!(target("exec:check --password hunter2").shown, "exec:check");
        assert_eq!(target("grpcs://h:1/a.B").shown, "grpcs://h:1/a.B");
    }
}
