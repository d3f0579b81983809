//! Sends a datagram and waits for an answer. Without one, nobody knows whether anything listens.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use common::event::Reason;
use http_expect::excerpt::quoted;
use tokio::net::UdpSocket;

use crate::address::UdpExchange;
use crate::failure::Failure;

/// The largest datagram, in bytes.
const MAX_DATAGRAM: usize = 64 * 1024;

/// Checks that the address answers as expected.
pub(super) async fn check(address: SocketAddr, exchange: &UdpExchange) -> Result<(), Failure> {
    let failed = |error| Failure::not_connected(&error, address);
    let here: IpAddr =
        if address.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((here, 0)).await.map_err(failed)?;
    // Then only datagrams from there arrive, and an error if nothing listens.
    socket.connect(address).await.map_err(failed)?;
    socket.send(&exchange.send).await.map_err(failed)?;
    let mut datagram = vec![0; MAX_DATAGRAM];
    let length = socket.recv(&mut datagram).await.map_err(failed)?;
    let answer = datagram.get(..length).unwrap_or_default();
    let expected = &exchange.expect;
    if expected.is_empty() || answer.windows(expected.len()).any(|part| part == expected) {
        return Ok(());
    }
    let show = |bytes: &[u8]| quoted(&String::from_utf8_lossy(bytes));
    let message = format!("the answer of {length} bytes does not contain {}", show(expected));
    Err(Failure { response: show(answer), ..Failure::new(Reason::BodyMismatch, message) })
}
