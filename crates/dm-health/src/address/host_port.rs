//! The host and the port of a URL.

use url::{Host, Url};

/// A host and a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HostPort {
    /// The host name or IP address.
    pub(crate) host: Host<String>,
    /// The port.
    pub(crate) port: u16,
}

/// The host and the port, which may have a default.
pub(super) fn host_port_or(url: &Url, default: Option<u16>) -> Result<HostPort, String> {
    let scheme = url.scheme();
    let host = url.host_str().filter(|host| !host.is_empty());
    let Some(host) = host else {
        return Err(format!("{scheme}:// needs a host, such as {scheme}://127.0.0.1"));
    };
    let Some(port) = url.port().or(default) else {
        return Err(format!("{scheme}:// needs a host and a port, such as {scheme}://127.0.0.1:5432"));
    };
    // The host of a URL with an unknown scheme can be any text.
    let host = Host::parse(host).map_err(|error| format!("{host} is not a valid host: {error}"))?;
    Ok(HostPort { host, port })
}
