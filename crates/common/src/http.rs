//! One HTTP client: bounded time, bounded bodies, no redirects unless enabled.

use anyhow::{Result, bail};
use reqwest::{Client, ClientBuilder, Response, redirect};
use url::Url;

use crate::term::text::is_unsafe;

/// The base of every client. It follows no redirects, because a redirected PUT or POST would silently become a GET. It
/// loads the machine's root certificates only for `https`: loading them takes longer than a request to a nearby server. It
/// speaks HTTP/1.1: HTTP/2 has other errors.
pub fn builder(https: bool) -> ClientBuilder {
    negotiating_builder(https).http1_only()
}

/// Like [`builder`], but by TLS it speaks HTTP/2 with a server that does.
pub fn negotiating_builder(https: bool) -> ClientBuilder {
    let builder = Client::builder()
        .user_agent(concat!("dm/", env!("CARGO_PKG_VERSION")))
        .redirect(redirect::Policy::none());
    if https { builder } else { builder.tls_certs_only([]) }
}

/// Reads a whole body of at most `max` bytes. A longer body is an error.
pub async fn read_body(mut response: Response, max: usize) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if bytes.len() + chunk.len() > max {
            bail!("the response is longer than {max} bytes");
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

/// Reads at most `max` bytes of a body as one line of text, for an error message. Empty if the body cannot be read.
pub async fn read_body_prefix(mut response: Response, max: usize) -> String {
    let mut bytes = Vec::new();
    while bytes.len() < max
        && let Ok(Some(chunk)) = response.chunk().await
    {
        bytes.extend_from_slice(&chunk);
    }
    bytes.truncate(max);
    String::from_utf8_lossy(&bytes).trim().replace(is_unsafe, " ")
}

/// Parses an `http` or `https` URL with a host. For use as a clap value parser.
pub fn parse_url(text: &str) -> Result<Url, String> {
    let hint = "give one such as http://127.0.0.1:9091 or https://host/path";
    let url = Url::parse(text).map_err(|error| format!("not a URL ({error}); {hint}"))?;
    match url.scheme() {
        "http" | "https" if url.has_host() => Ok(url),
        scheme => Err(format!("the scheme is {scheme:?}, not http or https; {hint}")),
    }
}

/// An error and its cause in one line, without the URL that reqwest adds: it may contain a secret.
pub fn describe_error(error: reqwest::Error) -> String {
    let error = error.without_url();
    let timed_out = error.is_timeout();
    let mut causes: Vec<String> = vec![error.to_string()];
    let mut source = std::error::Error::source(&error);
    while let Some(cause) = source {
        let text = cause.to_string();
        if !causes.iter().any(|known| known.contains(&text)) {
            causes.push(text);
        }
        source = cause.source();
    }
    match causes.pop() {
        _ if timed_out => "no response in time".to_owned(),
        Some(innermost) => innermost,
        None => "unknown error".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_http_and_have_a_host() {
        assert!(parse_url("http://[::1]:9091/prefix").is_ok());
        assert!(parse_url("localhost:9091").unwrap_err().contains("scheme is \"localhost\""));
        assert!(parse_url("ftp://host").is_err());
        assert!(parse_url("not a url").unwrap_err().contains("not a URL"));
    }
}
