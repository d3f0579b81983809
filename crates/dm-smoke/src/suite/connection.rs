//! How a request reaches its server: the version of HTTP, the address, and TLS.

use std::path::PathBuf;

use http::uri::Authority;

/// The most redirects that a test can follow.
pub(crate) const MAX_REDIRECTS: u32 = 100;

/// How a request reaches its server. It does not depend on captured values.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct Connection {
    /// The version of HTTP; if it is not set, client and server agree on one.
    pub(crate) version: Option<HttpVersion>,
    /// A socket in the file system, instead of the address in the URL.
    pub(crate) unix_socket: Option<PathBuf>,
    /// Addresses to use instead of those in URLs.
    pub(crate) connect_to: Vec<ConnectTo>,
    /// The settings of TLS.
    pub(crate) tls: Option<Tls>,
}

/// A version of HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum HttpVersion {
    /// HTTP/1.0.
    OneZero,
    /// HTTP/1.1.
    OneOne,
    /// HTTP/2, without an upgrade if it is not encrypted.
    Two,
}

/// An address that replaces another one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct ConnectTo {
    /// The replaced host, with its port if only that is meant; `None` is the host of the test's URL.
    pub(crate) from: Option<HostPort>,
    /// The host to connect to, and the port, if it differs.
    pub(crate) to: HostPort,
}

/// A host, and perhaps a port.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct HostPort {
    /// A name or an address; an IPv6 address in brackets.
    pub(crate) host: String,
    /// The port.
    pub(crate) port: Option<u16>,
}

/// The settings of TLS.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Tls {
    /// A file of certificate authorities to trust instead of the machine's.
    pub ca: Option<PathBuf>,
    /// A file with the certificate of the client.
    pub cert: Option<PathBuf>,
    /// A file with its key, if that is not in the same one.
    pub key: Option<PathBuf>,
    /// The name that is asked for and verified, if it is not the host of the URL.
    pub name: Option<String>,
    /// Whether the server's certificate is not verified.
    pub insecure: bool,
}

impl Connection {
    /// These settings; those that are not set from `defaults`.
    #[must_use]
    pub(crate) fn or(self, defaults: &Self) -> Self {
        let is_set = self.unix_socket.is_some() || !self.connect_to.is_empty();
        let address = if is_set { &self } else { defaults };
        Self {
            version: self.version.or(defaults.version),
            unix_socket: address.unix_socket.clone(),
            connect_to: address.connect_to.clone(),
            tls: self.tls.clone().or_else(|| defaults.tls.clone()),
        }
    }
}

impl HostPort {
    /// Parses `HOST` or `HOST:PORT`.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let hint = "give an address such as 10.0.0.7, 10.0.0.7:8443 or [::1]:8443";
        let authority: Authority = text.parse().map_err(|_| hint.to_owned())?;
        let port = match text.rsplit_once(':') {
            // An IPv6 address without a port ends with a bracket.
            Some((_, port)) if !text.ends_with(']') => Some(port.parse().map_err(|_| hint.to_owned())?),
            _ => None,
        };
        if text.contains('@') || authority.host().is_empty() {
            return Err(hint.to_owned());
        }
        Ok(Self { host: authority.host().to_ascii_lowercase(), port })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_host_and_perhaps_a_port() {
        let parse = |text: &str| HostPort::parse(text).map(|HostPort { host, port }| (host, port));
        assert_eq!(parse("10.0.0.7"), Ok(("10.0.0.7".to_owned(), None)));
        assert_eq!(parse("API.example:8443"), Ok(("api.example".to_owned(), Some(8443))));
        assert_eq!(parse("[::1]:1"), Ok(("[::1]".to_owned(), Some(1))));
        assert_eq!(parse("[::1]"), Ok(("[::1]".to_owned(), None)));
        for bad in ["", ":80", "a:b", "a:99999", "u@h", "http://h", "a b", "h:"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
