//! The proxies that the environment names: `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY`, in either case.

use std::fmt;

use hyper_util::client::proxy::matcher::Matcher;
use reqwest::header::HeaderValue;
use url::{Host, Url};

use crate::env;

/// The variables that name a proxy.
const VARIABLES: [&str; 6] =
    ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"];

/// Which requests go through which proxy.
pub struct Proxies(Matcher);

/// An HTTP proxy.
#[derive(Debug, Clone)]
pub struct Proxy {
    /// Its host.
    pub host: Host<String>,
    /// Its port.
    pub port: u16,
    /// Whether it is reached by TLS.
    pub is_tls: bool,
    /// The value of `Proxy-Authorization`, if its URL has a user.
    pub authorization: Option<HeaderValue>,
}

impl Proxies {
    /// The proxies of the environment. Errors do not show a value: it may contain a password.
    pub fn from_env() -> Result<Self, String> {
        for name in VARIABLES {
            if env::system(name).is_some_and(|value| !is_proxy(&value)) {
                return Err(format!(
                    "{name} is not the URL of a proxy: give one such as http://proxy.example:3128, or unset it"
                ));
            }
        }
        Ok(Self(Matcher::from_env()))
    }

    /// The proxy for a URL; `None` if the request goes directly.
    pub fn for_url(&self, url: &Url) -> Result<Option<Proxy>, String> {
        let origin = url[..url::Position::BeforePath].parse().ok();
        let Some(intercept) = origin.and_then(|origin| self.0.intercept(&origin)) else { return Ok(None) };
        let scheme = intercept.uri().scheme_str().unwrap_or("http");
        if !matches!(scheme, "http" | "https") {
            return Err(format!(
                "a {scheme} proxy is not supported: name an http proxy, or the host in NO_PROXY"
            ));
        }
        let invalid = || "the URL of the proxy is not valid".to_owned();
        let host = intercept.uri().host().and_then(|host| Host::parse(host).ok()).ok_or_else(invalid)?;
        let is_tls = scheme == "https";
        let port = intercept.uri().port_u16().unwrap_or(if is_tls { 443 } else { 80 });
        let authorization = intercept.basic_auth().cloned().map(|mut value| {
            value.set_sensitive(true);
            value
        });
        Ok(Some(Proxy { host, port, is_tls, authorization }))
    }
}

fn is_proxy(value: &str) -> bool {
    let matcher = Matcher::builder().all(value.to_owned()).build();
    "http://any.invalid".parse().is_ok_and(|any| matcher.intercept(&any).is_some())
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}:{}", if self.is_tls { "https" } else { "http" }, self.host, self.port)
    }
}

impl fmt::Debug for Proxies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxies").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxy(value: &str, no: &str, url: &str) -> Result<Option<String>, String> {
        let proxies = Proxies(Matcher::builder().all(value.to_owned()).no(no.to_owned()).build());
        proxies.for_url(&Url::parse(url).unwrap()).map(|proxy| proxy.map(|proxy| proxy.to_string()))
    }

    #[test]
    fn a_url_goes_through_the_proxy_unless_it_is_excluded() {
        let some = |text: &str| Ok(Some(text.to_owned()));
        assert_eq!(proxy("http://u:p@proxy:3128/x", "", "https://h/"), some("http://proxy:3128"));
        assert_eq!(proxy("proxy", "", "http://h/a?b"), some("http://proxy:80"));
        assert_eq!(proxy("https://[::1]", "", "http://h/"), some("https://[::1]:443"));
        assert_eq!(proxy("proxy", "h,10.0.0.0/8", "http://a.h/"), Ok(None));
        assert_eq!(proxy("proxy", "h,10.0.0.0/8", "http://10.1.2.3:80/"), Ok(None));
        assert!(
            proxy("socks5://proxy", "", "http://h/").unwrap_err().contains("socks5 proxy is not supported")
        );
    }

    #[test]
    fn the_url_of_a_proxy_is_checked() {
        for good in ["http://proxy:3128", "proxy", "proxy:3128", "https://u:p@[::1]:1", "socks5://h"] {
            assert!(is_proxy(good), "{good}");
        }
        for bad in ["not a url", "ftp://proxy", "http://", "http://pro xy:1", "/path"] {
            assert!(!is_proxy(bad), "{bad}");
        }
    }
}
