//! Why there is no response.

use std::error::Error as _;
use std::io::{self, ErrorKind};
use std::time::Duration;

use common::duration;
use common::event::Reason;
use common::http;
use common::proxy::Proxies;
use common::tls;
use http_expect::excerpt;
use url::Url;

use super::clients::connect_timeout;
use crate::failure::Failure;

/// A request without a complete response.
#[derive(Debug)]
pub(super) struct TransportError {
    /// The error of the client.
    pub(super) error: reqwest::Error,
    /// The URL of the request.
    pub(super) url: Url,
    /// The address, if the URL does not tell it.
    pub(super) address: Option<String>,
}

impl TransportError {
    /// The failure of a test with the time limit `limit`.
    pub(super) fn into_failure(self, limit: Duration, proxies: &Proxies) -> Failure {
        let Self { error, url, address } = self;
        let proxy = match proxies.for_url(&url) {
            Ok(proxy) => proxy.filter(|_| error.is_connect() && address.is_none()),
            Err(why) => return Failure::error(Reason::Other, why),
        };
        let reason = classify(&error, url.scheme() == "https" && proxy.is_none());
        let is_connect = error.is_connect();
        let message = match reason {
            Reason::ConnectTimeout => {
                format!("no connection within {}", duration::format_duration(connect_timeout(limit)))
            }
            Reason::Refused => "connection refused".to_owned(),
            _ => {
                let text = http::describe_error(error);
                tls::hint(&text).map_or_else(|| excerpt::bounded(&text), str::to_owned)
            }
        };
        let place = proxy.map(|proxy| format!("the proxy {proxy}")).or(address.filter(|_| is_connect));
        Failure::error(reason, place.map_or(message.clone(), |place| format!("{place}: {message}")))
    }
}

fn classify(error: &reqwest::Error, https: bool) -> Reason {
    let mut causes = Vec::new();
    let mut source = error.source();
    while let Some(cause) = source {
        causes.push(cause);
        source = cause.source();
    }
    let is_os_error = |cause: &&(dyn std::error::Error + 'static)| {
        cause.downcast_ref::<io::Error>().is_some_and(|error| error.raw_os_error().is_some())
    };
    let is_refusal = |cause: &&(dyn std::error::Error + 'static)| {
        cause.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == ErrorKind::ConnectionRefused)
    };
    match error {
        _ if error.is_timeout() && error.is_connect() => Reason::ConnectTimeout,
        _ if error.is_timeout() => Reason::ReadTimeout,
        _ if !error.is_connect() => Reason::Other,
        _ if causes.iter().any(is_refusal) => Reason::Refused,
        // The type of this error is private to the connector.
        _ if causes.iter().any(|cause| cause.to_string().starts_with("dns error")) => Reason::Dns,
        // The remaining errors of the operating system come from connecting, all others from the TLS handshake.
        _ if https && !causes.iter().any(is_os_error) => Reason::Tls,
        _ => Reason::Other,
    }
}
