//! What is probed: a URL, taken apart once.

use anyhow::{Context, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use common::label::{Label, without_secrets};
use http_body_util::Empty;
use hyper::body::Bytes;
use hyper::header::{ACCEPT, AUTHORIZATION, CONNECTION, HOST, HeaderMap, HeaderValue, USER_AGENT};
use hyper::{Request, Uri};
use percent_encoding::percent_decode_str;
use tokio_rustls::rustls::pki_types::ServerName;
use url::{Host, Position, Url};

/// A target of probes.
#[derive(Debug, Clone)]
pub struct Target {
    /// Its short name.
    pub name: String,
    /// Its URL without secrets.
    pub shown: String,
    /// What to connect to.
    pub(super) host: Host<String>,
    /// The port.
    pub(super) port: u16,
    /// The name that the certificate has to be for; `None` without TLS.
    pub(super) tls_name: Option<ServerName<'static>>,
    /// May hold a secret.
    path: Uri,
    headers: HeaderMap,
}

impl Target {
    /// Takes an `http` or `https` URL apart. Without a `name` it is called after its host.
    pub fn new(url: &Url, name: Option<Label>) -> Result<Self> {
        let host = url.host().context("the URL has no host")?.to_owned();
        let port = url.port_or_known_default().context("the URL has no port")?;
        let tls_name = match (url.scheme(), &host) {
            ("https", Host::Domain(domain)) => Some(
                ServerName::try_from(domain.clone())
                    .with_context(|| format!("{domain} is no name that a certificate can be for"))?,
            ),
            ("https", Host::Ipv4(ip)) => Some(ServerName::from(std::net::IpAddr::V4(*ip))),
            ("https", Host::Ipv6(ip)) => Some(ServerName::from(std::net::IpAddr::V6(*ip))),
            _ => None,
        };
        let path = url[Position::BeforePath..Position::AfterQuery]
            .parse()
            .context("the URL has a character in it that HTTP does not take")?;
        Ok(Self {
            name: name.map_or_else(|| host.to_string(), String::from),
            shown: without_secrets(url),
            host,
            port,
            tls_name,
            path,
            headers: headers(url)?,
        })
    }

    pub(super) fn request(&self) -> Request<Empty<Bytes>> {
        let mut request = Request::new(Empty::new());
        *request.uri_mut() = self.path.clone();
        request.headers_mut().clone_from(&self.headers);
        request
    }
}

fn headers(url: &Url) -> Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    let host =
        HeaderValue::from_str(&url[Position::BeforeHost..Position::AfterPort]).context("the URL's host")?;
    headers.insert(HOST, host);
    headers.insert(USER_AGENT, HeaderValue::from_static(concat!("dm-health/", env!("CARGO_PKG_VERSION"))));
    headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    if !url.username().is_empty() || url.password().is_some() {
        headers.insert(AUTHORIZATION, basic(url)?);
    }
    Ok(headers)
}

/// RFC 7617, of the user and the password as they were before the URL percent-encoded them.
fn basic(url: &Url) -> Result<HeaderValue> {
    let mut credentials: Vec<u8> = percent_decode_str(url.username()).collect();
    credentials.push(b':');
    credentials.extend(percent_decode_str(url.password().unwrap_or_default()));
    let mut value = HeaderValue::from_str(&format!("Basic {}", STANDARD.encode(credentials)))
        .context("the URL's user and password")?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(url: &str) -> Target {
        Target::new(&Url::parse(url).unwrap(), None).unwrap()
    }

    #[test]
    fn a_url_becomes_a_request() {
        let target = target("http://h:8080/a%20b?v=1#fragment");
        let request = target.request();
        assert_eq!(request.uri().to_string(), "/a%20b?v=1");
        assert_eq!(request.headers()[HOST], "h:8080");
        assert_eq!((target.name.as_str(), target.port), ("h", 8080));
        assert_eq!(target.tls_name, None);
    }

    #[test]
    fn default_ports_and_addresses() {
        let https = target("https://[::1]/");
        assert_eq!((https.port, https.request().headers()[HOST].to_str().unwrap()), (443, "[::1]"));
        assert!(https.tls_name.is_some());
        assert_eq!(target("http://h").request().uri().to_string(), "/");
    }

    #[test]
    fn a_user_and_a_password_become_an_authorization_and_are_not_shown() {
        let target = target("http://us%20er:p%40ss@h/?token=abc");
        let header = &target.headers[AUTHORIZATION];
        assert_eq!(header, &format!("Basic {}", STANDARD.encode("us er:p@ss")));
        assert_eq!(target.shown, "http://***@h/?token=***");
        assert!(!format!("{:?}", target.headers).contains("dXM"));
    }
}
