//! The request of an HTTP probe: built once, sent each time.

use anyhow::{Context, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http_body_util::Empty;
use hyper::body::Bytes;
use hyper::header::{
    ACCEPT, AUTHORIZATION, CONNECTION, HOST, HeaderMap, HeaderValue, PROXY_AUTHORIZATION, USER_AGENT,
};
use hyper::{Method, Request, Uri};
use percent_encoding::percent_decode_str;
use url::{Position, Url};

use crate::request_header::RequestHeader;

/// The user agent.
pub(super) const AGENT: HeaderValue =
    HeaderValue::from_static(concat!("dm-health/", env!("CARGO_PKG_VERSION")));

/// A request without a body.
#[derive(Debug, Clone)]
pub(super) struct HttpRequest {
    /// Path and query. May contain a secret.
    path: Uri,
    method: Method,
    headers: HeaderMap,
}

impl HttpRequest {
    /// The request for an `http` or `https` URL.
    pub(super) fn new(url: &Url) -> Result<Self> {
        let path = url[Position::BeforePath..Position::AfterQuery]
            .parse()
            .context("the URL contains a character that HTTP does not allow")?;
        Ok(Self { path, method: Method::GET, headers: headers(url)? })
    }

    /// Sets headers, instead of those of the same name, and the method.
    pub(super) fn customize(&mut self, headers: &[RequestHeader], method: Option<&Method>) {
        for RequestHeader { name, .. } in headers {
            self.headers.remove(name);
        }
        self.headers.extend(headers.iter().map(|header| (header.name.clone(), header.value.clone())));
        if let Some(method) = method {
            self.method = method.clone();
        }
    }

    /// Sends it to a proxy, which needs the whole URL.
    pub(super) fn send_to_proxy(&mut self, url: &Url, authorization: Option<HeaderValue>) -> Result<()> {
        let origin = &url[..Position::BeforeUsername];
        let rest = &url[Position::BeforeHost..Position::AfterQuery];
        self.path = format!("{origin}{rest}").parse().context("the URL cannot be sent to a proxy")?;
        self.headers.extend(authorization.map(|value| (PROXY_AUTHORIZATION, value)));
        Ok(())
    }

    /// Builds the request. `keep` says whether the connection stays open after it.
    pub(super) fn request(&self, keep: bool) -> Request<Empty<Bytes>> {
        let mut request = Request::new(Empty::new());
        request.method_mut().clone_from(&self.method);
        *request.uri_mut() = self.path.clone();
        request.headers_mut().clone_from(&self.headers);
        if !keep {
            request.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        request
    }
}

fn headers(url: &Url) -> Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    let host =
        HeaderValue::from_str(&url[Position::BeforeHost..Position::AfterPort]).context("the URL's host")?;
    headers.insert(HOST, host);
    headers.insert(USER_AGENT, AGENT);
    headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
    if !url.username().is_empty() || url.password().is_some() {
        headers.insert(AUTHORIZATION, basic(url)?);
    }
    Ok(headers)
}

/// Basic authentication (RFC 7617) with the percent-decoded user and password.
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

    fn get(url: &str) -> HttpRequest {
        HttpRequest::new(&Url::parse(url).unwrap()).unwrap()
    }

    #[test]
    fn a_url_becomes_a_request() {
        let request = get("http://h:8080/a%20b?v=1#fragment").request(false);
        assert_eq!(request.uri().to_string(), "/a%20b?v=1");
        assert_eq!(request.headers()[HOST], "h:8080");
        assert_eq!(get("https://[::1]/").request(true).headers()[HOST], "[::1]");
        assert_eq!(get("http://h").request(true).uri().to_string(), "/");
    }

    #[test]
    fn a_proxy_gets_the_whole_url_without_the_password() {
        let url = Url::parse("http://us:pw@h:8080/a?v=1#fragment").unwrap();
        let mut get = HttpRequest::new(&url).unwrap();
        get.send_to_proxy(&url, Some(HeaderValue::from_static("Basic x"))).unwrap();
        let request = get.request(false);
        assert_eq!(request.uri().to_string(), "http://h:8080/a?v=1");
        assert_eq!(request.headers()[PROXY_AUTHORIZATION], "Basic x");
        assert_eq!(request.headers()[HOST], "h:8080");
    }

    #[test]
    fn a_user_and_password_become_an_authorization_header() {
        let get = get("http://us%20er:p%40ss@h/?token=abc");
        let header = &get.headers[AUTHORIZATION];
        assert_eq!(header, &format!("Basic {}", STANDARD.encode("us er:p@ss")));
        assert!(!format!("{:?}", get.headers).contains("dXM"));
    }
}
