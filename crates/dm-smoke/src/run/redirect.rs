//! Where a redirect leads, and what of the request goes there.

use reqwest::header::{
    ACCEPT, ACCEPT_ENCODING, ACCEPT_LANGUAGE, CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderName, LOCATION,
    USER_AGENT,
};
use reqwest::{Method, StatusCode};
use url::Url;

use super::payload::Payload;

/// The headers that go to another host. Any other can be a secret, such as a key of the first one.
const HARMLESS: [HeaderName; 6] =
    [ACCEPT, ACCEPT_ENCODING, ACCEPT_LANGUAGE, CACHE_CONTROL, CONTENT_TYPE, USER_AGENT];

/// One request of a chain of redirects.
#[derive(Debug, Clone)]
pub(super) struct Hop {
    pub(super) url: Url,
    pub(super) method: Method,
    pub(super) headers: HeaderMap,
    pub(super) body: Option<Payload>,
}

/// How far a chain of redirects got.
#[derive(Debug, Default)]
pub(super) struct Trail {
    /// The URLs of the redirects that were followed.
    pub(super) followed: Vec<Url>,
}

impl Hop {
    /// The request to which a response redirects; `None` if it is no redirect. With `trusts_all`, another host gets all headers.
    pub(super) fn follow(&self, status: StatusCode, response: &HeaderMap, trusts_all: bool) -> Option<Self> {
        if !matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308) {
            return None;
        }
        let location = response.get(LOCATION)?.to_str().ok()?;
        let url = self.url.join(location).ok().filter(|url| matches!(url.scheme(), "http" | "https"))?;
        let mut next = Self { url, ..self.clone() };
        let becomes_get = match status.as_u16() {
            303 => self.method != Method::HEAD,
            301 | 302 => self.method == Method::POST,
            _ => false,
        };
        if becomes_get {
            next.method = Method::GET;
            next.body = None;
            next.headers.remove(CONTENT_TYPE);
        }
        if !trusts_all && !is_same_host(&self.url, &next.url) {
            let kept = self.headers.iter().filter(|(name, _)| HARMLESS.contains(name));
            next.headers = kept.map(|(name, value)| (name.clone(), value.clone())).collect();
        }
        Some(next)
    }
}

/// Whether both URLs lead to the same server, perhaps by TLS now.
pub(super) fn is_same_host(from: &Url, to: &Url) -> bool {
    let ports = (from.port_or_known_default(), to.port_or_known_default());
    from.host() == to.host() && (ports.0 == ports.1 || ports == (Some(80), Some(443)))
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::sync::Arc;

    use reqwest::header::{AUTHORIZATION, HeaderValue};

    fn follow(method: Method, status: u16, location: &str) -> Option<Hop> {
        let headers = ["x-api-key", "authorization", "accept", "content-type"];
        let headers = headers.map(|name| (HeaderName::from_static(name), HeaderValue::from_static("v")));
        let hop = Hop {
            url: Url::parse("http://h:80/a?token=1").unwrap(),
            method,
            headers: headers.into_iter().collect(),
            body: Some(Payload::Bytes(Arc::from(*b"text"))),
        };
        let response = HeaderMap::from_iter([(LOCATION, HeaderValue::from_str(location).unwrap())]);
        hop.follow(StatusCode::from_u16(status).unwrap(), &response, false)
    }

    #[test]
    fn the_method_and_the_body_change_as_in_a_browser() {
        let after = |method, status| {
            let hop = follow(method, status, "b").unwrap();
            assert_eq!(hop.url.as_str(), "http://h/b");
            (hop.method, hop.body.is_some())
        };
        assert_eq!(after(Method::POST, 302), (Method::GET, false));
        assert_eq!(after(Method::PUT, 302), (Method::PUT, true));
        assert_eq!(after(Method::PUT, 303), (Method::GET, false));
        assert_eq!(after(Method::POST, 307), (Method::POST, true));
        assert!(follow(Method::GET, 304, "b").is_none() && follow(Method::GET, 302, "ftp://h").is_none());
    }

    #[test]
    fn another_host_gets_no_header_that_can_be_a_secret() {
        let has_secret = |location: &str| {
            let headers = follow(Method::GET, 307, location).unwrap().headers;
            assert!(headers.contains_key(ACCEPT));
            assert_eq!(headers.contains_key("x-api-key"), headers.contains_key(AUTHORIZATION));
            headers.contains_key("x-api-key")
        };
        assert!(has_secret("/b") && has_secret("https://h/b"));
        assert!(!has_secret("http://h:81/b") && !has_secret("https://other/"));
    }
}
