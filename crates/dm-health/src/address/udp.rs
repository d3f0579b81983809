//! Addresses that answer a datagram: `udp://host:port?send=TEXT&expect=TEXT`.

use percent_encoding::percent_decode_str;
use url::Url;

use super::host_port::{HostPort, host_port_or};

/// A datagram to send, and what is expected of the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UdpExchange {
    /// Where to send it.
    pub(crate) at: HostPort,
    /// The datagram; it may be empty.
    pub(crate) send: Vec<u8>,
    /// A part of the answer; empty if any answer will do.
    pub(crate) expect: Vec<u8>,
}

impl UdpExchange {
    /// Parses a URL with the scheme `udp`. `%00` is a byte of zero, and so on.
    pub(super) fn parse(url: &Url) -> Result<Self, String> {
        if !matches!(url.path(), "" | "/") {
            return Err("udp:// allows only a host, a port, send= and expect=".to_owned());
        }
        let mut exchange = Self { at: host_port_or(url, None)?, send: Vec::new(), expect: Vec::new() };
        for pair in url.query().into_iter().flat_map(|query| query.split('&')) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            // Not by query_pairs(): the bytes do not have to be UTF-8, and a plus is a plus.
            let bytes = percent_decode_str(value).collect();
            match name {
                "send" => exchange.send = bytes,
                "expect" => exchange.expect = bytes,
                _ => return Err(format!("udp: unknown parameter {name}; known are send and expect")),
            }
        }
        Ok(exchange)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_written_with_percent_signs() {
        let parse = |text: &str| UdpExchange::parse(&Url::parse(text).unwrap());
        let exchange = parse("udp://h:9?send=%00a+b%ff&expect=ok").unwrap();
        assert_eq!((exchange.send.as_slice(), exchange.expect.as_slice()), (&b"\0a+b\xff"[..], &b"ok"[..]));
        assert_eq!(parse("udp://h:9").unwrap().send, b"");
        assert!(parse("udp://h:9/path").unwrap_err().contains("allows only a host"));
        assert!(parse("udp://h?send=x").unwrap_err().contains("needs a host and a port"));
        assert!(parse("udp://h:9?recv=x").unwrap_err().contains("unknown parameter recv"));
    }
}
