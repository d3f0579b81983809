//! Which server a request goes to, and by which client. Pure.

use std::path::PathBuf;
use std::time::Duration;

use reqwest::header::HeaderValue;
use url::Url;

use super::redirect::is_same_host;
use crate::suite::connection::{Connection, HostPort, HttpVersion, Tls};

/// What belongs to a client, and not to a request.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct ClientKey {
    /// The time limit of the test.
    pub(super) limit: Duration,
    /// Whether it needs TLS.
    pub(super) is_tls: bool,
    /// The version of HTTP; `None` if client and server agree on one.
    pub(super) version: Option<HttpVersion>,
    /// The socket in the file system to connect to.
    pub(super) socket: Option<PathBuf>,
    /// The host and the port that every name is looked up as.
    pub(super) lookup: Option<(String, u16)>,
    /// Whether proxies are ignored.
    pub(super) is_direct: bool,
    /// The settings of TLS.
    pub(super) tls: Option<Tls>,
}

/// How one request is made.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Route {
    /// The URL to give to the client. Its host is the name that TLS verifies.
    pub(super) url: Url,
    /// The header `host`, if it is not the authority of that URL.
    pub(super) host: Option<HeaderValue>,
    /// The client.
    pub(super) client: ClientKey,
    /// The address for messages, if the URL does not tell it.
    pub(super) address: Option<String>,
}

impl Route {
    /// The route to `url`, in a test of a request to `first` with the time limit `limit`.
    ///
    /// # Errors
    ///
    /// If the settings cannot be used together.
    pub(super) fn new(
        url: &Url,
        first: &Url,
        connection: &Connection,
        limit: Duration,
    ) -> Result<Self, String> {
        let is_own = is_same_host(first, url);
        let is_tls = url.scheme() == "https";
        // The certificate, the name and the address are meant for the deployment, and not for a host that it redirects to.
        let tls = connection.tls.as_ref().filter(|_| is_tls).map(|tls| {
            let own = is_own.then(|| tls.clone());
            own.unwrap_or_else(|| Tls { cert: None, key: None, name: None, ..tls.clone() })
        });
        let name = tls.as_ref().and_then(|tls| tls.name.clone());
        let socket = connection.unix_socket.clone().filter(|_| is_own);
        let target = connection.connect_to.iter().find(|replacement| match &replacement.from {
            None => is_own,
            Some(from) => is_meant(from, url),
        });
        let target = target.map(|replacement| &replacement.to);
        let mut sent = url.clone();
        let mut lookup = None;
        let mut address = socket.as_ref().map(|path| format!("the socket {}", path.display()));
        if socket.is_none() && (target.is_some() || name.is_some()) {
            let host = target.map(|target| target.host.as_str()).or(url.host_str()).unwrap_or_default();
            let port = target.and_then(|target| target.port).or(url.port_or_known_default()).unwrap_or(80);
            address = target.map(|_| format!("{host}:{port}"));
            if is_tls {
                lookup = Some((host.trim_matches(['[', ']']).to_owned(), port));
            } else {
                set_host(&mut sent, host)?;
            }
            if !is_tls || sent.port().is_some() {
                // It fails only for a URL without a host.
                let _ = sent.set_port(Some(port));
            }
        }
        if let Some(name) = &name {
            set_host(&mut sent, name)?;
        } else if lookup.is_some() && !matches!(url.host(), Some(url::Host::Domain(_))) {
            return Err(
                "connect_to needs the name in the certificate: add tls = { name = \"api.example.org\" }"
                    .to_owned(),
            );
        }
        let authority = &url[url::Position::BeforeHost..url::Position::AfterPort];
        let is_renamed = &sent[url::Position::BeforeHost..url::Position::AfterPort] != authority;
        let version = match connection.version {
            // HTTP/2 has no header host beside the authority of the URL.
            Some(HttpVersion::Two) if is_renamed => {
                return Err(
                    "HTTP/2 needs a url whose host is the name in the certificate, and no port in it"
                        .to_owned(),
                );
            }
            None if is_renamed => Some(HttpVersion::OneOne),
            version => version,
        };
        let host = if is_renamed { HeaderValue::from_str(authority).ok() } else { None };
        let client = ClientKey { limit, is_tls, version, socket, lookup, is_direct: address.is_some(), tls };
        Ok(Self { url: sent, host, client, address })
    }
}

fn set_host(url: &mut Url, host: &str) -> Result<(), String> {
    url.set_host(Some(host)).map_err(|error| format!("cannot connect to {host}: {error}"))
}

fn is_meant(from: &HostPort, url: &Url) -> bool {
    url.host_str() == Some(from.host.as_str())
        && from.port.is_none_or(|port| url.port_or_known_default() == Some(port))
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::suite::connection::ConnectTo;

    const LIMIT: Duration = Duration::from_secs(1);

    fn to(from: Option<&str>, to: &str) -> Connection {
        let from = from.map(|from| HostPort::parse(from).unwrap());
        let connect_to = vec![ConnectTo { from, to: HostPort::parse(to).unwrap() }];
        Connection { connect_to, ..Connection::default() }
    }

    fn route(url: &str, first: &str, connection: &Connection) -> Route {
        Route::new(&Url::parse(url).unwrap(), &Url::parse(first).unwrap(), connection, LIMIT).unwrap()
    }

    #[test]
    fn a_request_goes_where_its_url_says() {
        let route = route("https://h/a?b", "https://h/", &Connection::default());
        assert_eq!((route.url.as_str(), route.host, route.address), ("https://h/a?b", None, None));
        assert!(route.client.is_tls && route.client.lookup.is_none() && !route.client.is_direct);
    }

    #[test]
    fn another_address_keeps_the_name() {
        let plain = route("http://h:81/a", "http://h:81/", &to(None, "10.0.0.7:8080"));
        assert_eq!(
            (plain.url.as_str(), plain.host.unwrap()),
            ("http://10.0.0.7:8080/a", "h:81".parse::<HeaderValue>().unwrap())
        );
        let tls = route("https://h/a", "https://h/", &to(None, "10.0.0.7:8443"));
        assert_eq!((tls.url.as_str(), tls.host), ("https://h/a", None));
        assert_eq!(tls.client.lookup, Some(("10.0.0.7".to_owned(), 8443)));
        assert_eq!((tls.client.version, tls.address.as_deref()), (None, Some("10.0.0.7:8443")));
        // The port in a URL is stronger than that of an address.
        let port = route("https://h:444/a", "https://h:444/", &to(None, "[::1]:8443"));
        assert_eq!(
            (port.url.as_str(), port.host.unwrap()),
            ("https://h:8443/a", "h:444".parse::<HeaderValue>().unwrap())
        );
        assert_eq!(port.client.lookup, Some(("::1".to_owned(), 8443)));
        assert_eq!(port.client.version, Some(HttpVersion::OneOne));
    }

    #[test]
    fn another_host_is_reached_as_usual() {
        assert_eq!(route("http://other/", "http://h/", &to(None, "10.0.0.7")).address, None);
        let named = to(Some("other:80"), "10.0.0.7");
        assert_eq!(route("http://other/", "http://h/", &named).url.as_str(), "http://10.0.0.7/");
        assert_eq!(route("http://other:81/", "http://h/", &named).address, None);
        let cert =
            Tls { cert: Some("c".into()), name: Some("n".to_owned()), insecure: true, ..Tls::default() };
        let connection = Connection { tls: Some(cert), ..Connection::default() };
        let elsewhere = route("https://other/", "https://h/", &connection);
        assert_eq!(elsewhere.client.tls, Some(Tls { insecure: true, ..Tls::default() }));
        assert_eq!(elsewhere.url.as_str(), "https://other/");
    }

    #[test]
    fn the_name_of_the_certificate_can_differ() {
        let connection = Connection {
            tls: Some(Tls { name: Some("api.example".to_owned()), ..Tls::default() }),
            ..Connection::default()
        };
        let named = route("https://10.0.0.7:8443/a", "https://10.0.0.7:8443/", &connection);
        assert_eq!(named.url.as_str(), "https://api.example:8443/a");
        assert_eq!(named.host.unwrap(), "10.0.0.7:8443");
        assert_eq!(named.client.lookup, Some(("10.0.0.7".to_owned(), 8443)));
        let url = Url::parse("https://10.0.0.7/").unwrap();
        let error = Route::new(&url, &url, &to(None, "10.0.0.8"), LIMIT).unwrap_err();
        assert!(error.contains("needs the name in the certificate"), "{error}");
    }
}
