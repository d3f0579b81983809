//! The fields of a request, or of the defaults, that say how the server is reached.

use toml::Spanned;

use super::connection::{ConnectTo, Connection, HostPort, HttpVersion, Tls};
use super::fields::{Fields, Value, text};
use super::reader::TestReader;

/// Reads the settings of a request or of the defaults.
pub(super) fn read(fields: &mut Fields<'_>, reader: &mut TestReader<'_>) -> Connection {
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
    Connection {
        version,
        unix_socket: unix_socket.and_then(|value| reader.path(value)),
        connect_to: address.map(|value| connect_to(value, reader)).unwrap_or_default(),
        tls: tls(fields, reader),
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

/// Reads `tls`.
pub(super) fn tls(fields: &mut Fields<'_>, reader: &mut TestReader<'_>) -> Option<Tls> {
    let value = fields.get("tls")?;
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
