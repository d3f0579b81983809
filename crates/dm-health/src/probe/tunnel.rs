//! A tunnel through an HTTP proxy.

use common::event::Reason;
use common::proxy::Proxy;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::endpoint::Endpoint;
use crate::failure::Failure;

/// The largest answer of a proxy, in bytes.
const MAX_HEAD: usize = 16 * 1024;

/// Asks the proxy to connect to the endpoint.
pub(super) async fn open(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    endpoint: &Endpoint,
    proxy: &Proxy,
) -> Result<(), Failure> {
    let failed = |why: String| Failure::new(Reason::Other, why).at_proxy(proxy);
    let at = format!("{}:{}", endpoint.host, endpoint.port);
    let mut request = format!("CONNECT {at} HTTP/1.1\r\nHost: {at}\r\n").into_bytes();
    if let Some(authorization) = &proxy.authorization {
        request.extend_from_slice(b"Proxy-Authorization: ");
        request.extend_from_slice(authorization.as_bytes());
        request.extend_from_slice(b"\r\n");
    }
    request.extend_from_slice(b"\r\n");
    stream.write_all(&request).await.map_err(|error| failed(format!("no tunnel: {error}")))?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") && head.len() < MAX_HEAD {
        // Byte by byte: what follows the head belongs to the endpoint.
        let byte = stream.read_u8().await.map_err(|error| failed(format!("no tunnel: {error}")))?;
        head.push(byte);
    }
    match status(&head) {
        Some(200..=299) => Ok(()),
        // The proxy is there, and the service is not.
        Some(status @ (502..=504)) => Err(Failure::new(
            Reason::Refused,
            format!("the proxy {proxy} cannot connect to {at}: status {status}"),
        )),
        Some(status) => Err(failed(format!("no tunnel to {at}: status {status}"))),
        None => Err(failed("not an HTTP response".to_owned())),
    }
}

fn status(head: &[u8]) -> Option<u16> {
    let line = head.split(|byte| *byte == b'\r').next()?;
    let text = std::str::from_utf8(line).ok()?;
    text.strip_prefix("HTTP/1.")?.split(' ').nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_of_an_answer() {
        assert_eq!(status(b"HTTP/1.1 200 Connection established\r\n\r\n"), Some(200));
        assert_eq!(status(b"HTTP/1.0 407\r\n"), Some(407));
        assert_eq!(status(b"SSH-2.0-x\r\n"), None);
        assert_eq!(status(b""), None);
    }
}
