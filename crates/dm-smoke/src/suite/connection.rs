//! How a request reaches its server: the version of HTTP, the address, and TLS.

use std::path::PathBuf;

use http::uri::Authority;
use toml::Spanned;

use super::fields::{Fields, Value, text};
use super::reader::TestReader;

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
pub(crate) struct Tls {
    /// A file of certificate authorities to trust instead of the machine's.
    pub(crate) ca: Option<PathBuf>,
    /// A file with the certificate of the client.
    pub(crate) cert: Option<PathBuf>,
    /// A file with its key, if that is not in the same one.
    pub(crate) key: Option<PathBuf>,
    /// The name that is asked for and verified, if it is not the host of the URL.
    pub(crate) name: Option<String>,
    /// Whether the server's certificate is not verified.
    pub(crate) insecure: bool,
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

    /// Reads the settings of a request or of the defaults.
    pub(crate) fn read(fields: &mut Fields<'_>, reader: &mut TestReader<'_>) -> Self {
        let version = fields.text("http_version", reader.diagnostics).and_then(|text| {
            let version = match *text.get_ref() {
                "1.0" => Ok(HttpVersion::OneZero),
                "1.1" => Ok(HttpVersion::OneOne),
                "2" => Ok(HttpVersion::Two),
                _ => Err("http_version is one of \"1.0\", \"1.1\" and \"2\""),
            };
            reader.diagnostics.unwrap_or_report(text.span(), version)
        });
        let unix_socket = fields.get("unix_socket");
        let address = fields.get("connect_to");
        if let (Some(_), Some(address)) = (unix_socket, address) {
            let message = "a request takes only one of unix_socket and connect_to";
            reader.diagnostics.report(address.span(), message);
        }
        Self {
            version,
            unix_socket: unix_socket.and_then(|value| reader.path(value)),
            connect_to: address.map(|value| connect_to(value, reader)).unwrap_or_default(),
            tls: fields.get("tls").and_then(|value| tls(value, reader)),
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

fn connect_to(value: &Value<'_>, reader: &mut TestReader<'_>) -> Vec<ConnectTo> {
    let form = "an address such as \"10.0.0.7:8443\", or a table such as { \"api.example.org:443\" = \"10.0.0.7:8443\" }";
    let entries: Vec<(Option<Spanned<&str>>, &Value<'_>)> = match value.get_ref().as_table() {
        Some(table) => table
            .iter()
            .map(|(key, value)| (Some(Spanned::new(key.span(), key.get_ref().as_ref())), value))
            .collect(),
        None => vec![(None, value)],
    };
    let mut replacements = Vec::new();
    for (from, to) in entries {
        let from = from.map(|from| address(&from, reader));
        let to = text(to, form, reader.diagnostics).and_then(|to| address(&to, reader));
        match (from, to) {
            (None, Some(to)) => replacements.push(ConnectTo { from: None, to }),
            (Some(Some(from)), Some(to)) => replacements.push(ConnectTo { from: Some(from), to }),
            // It is reported.
            _ => {}
        }
    }
    replacements
}

fn address(text: &Spanned<&str>, reader: &mut TestReader<'_>) -> Option<HostPort> {
    let written = reader.constant(text)?;
    reader.diagnostics.unwrap_or_report(text.span(), HostPort::parse(&written))
}

fn tls(value: &Value<'_>, reader: &mut TestReader<'_>) -> Option<Tls> {
    let form = "a table such as { ca = \"ca.pem\" }";
    let mut fields = Fields::from_value(value, form, reader.diagnostics)?;
    let [ca, cert, key] = ["ca", "cert", "key"].map(|name| fields.get(name));
    let name = fields.text("name", reader.diagnostics);
    let insecure = fields.boolean("insecure", reader.diagnostics).unwrap_or_default();
    fields.finish(reader.diagnostics);
    if let (Some(key), None) = (key, cert) {
        reader.diagnostics.report(key.span(), "key needs cert, the certificate that belongs to it");
    }
    let mut path = |value: Option<&Value<'_>>| value.and_then(|value| reader.path(value));
    let (ca, cert, key) = (path(ca), path(cert), path(key));
    let name = name.and_then(|text| {
        let written = reader.constant(&text)?;
        let is_name = url::Host::parse(&written).is_ok_and(|host| matches!(host, url::Host::Domain(_)));
        let checked = is_name
            .then_some(written)
            .ok_or("name is the name in the certificate, such as \"api.example.org\"");
        reader.diagnostics.unwrap_or_report(text.span(), checked)
    });
    Some(Tls { ca, cert, key, name, insecure })
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
