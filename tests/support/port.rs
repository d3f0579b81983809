//! TCP ports that no other process gets while a test needs them.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use tokio::net::TcpSocket;

/// A port of 127.0.0.1 that is bound, and not listened on: the kernel gives it to nobody else, and refuses
/// connections to it. A server that sets `SO_REUSEADDR`, as all servers here do, can listen on it all the same.
#[derive(Debug)]
pub struct ReservedPort {
    address: SocketAddr,
    /// Closing them ends the reservation.
    sockets: Vec<TcpSocket>,
}

impl Default for ReservedPort {
    fn default() -> Self {
        let socket = bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
        Self { address: socket.local_addr().unwrap(), sockets: vec![socket] }
    }
}

impl ReservedPort {
    /// Reserves a free port of 127.0.0.1.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reserves the same free port of 127.0.0.1 and 127.0.0.2.
    pub(crate) fn on_two_addresses() -> Self {
        loop {
            let mut port = Self::new();
            if let Ok(other) = bind(SocketAddr::from(([127, 0, 0, 2], port.number()))) {
                port.sockets.push(other);
                return port;
            }
        }
    }

    /// Reserves this port of 127.0.0.1; `None` if another process has it.
    pub(crate) fn with_number(number: u16) -> Option<Self> {
        let address = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), number);
        bind(address).ok().map(|socket| Self { address, sockets: vec![socket] })
    }

    /// The address, as `127.0.0.1:port`.
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// The number of the port.
    pub fn number(&self) -> u16 {
        self.address.port()
    }

    /// Keeps the reservation until the test process ends.
    pub(crate) fn keep(self) {
        std::mem::forget(self);
    }
}

fn bind(address: SocketAddr) -> std::io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}
