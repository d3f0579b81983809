//! A real DNS server: dnsmasq, which answers from its flags alone.

use std::net::UdpSocket;
use std::path::Path;
use std::process::Command;

use crate::port::ReservedPort;
use crate::server::Server;
use crate::{bin, database};

/// A record of each kind that the tools ask for.
const RECORDS: [&str; 7] = [
    "--host-record=api.test,10.0.0.5,2001:db8::5",
    "--cname=www.test,api.test",
    "--mx-host=shop.test,mail.test,10",
    "--txt-record=shop.test,v=spf1 -all",
    "--srv-host=_http._tcp.shop.test,api.test,8080,1,2",
    "--ptr-record=5.0.0.10.in-addr.arpa,api.test",
    "--caa-record=shop.test,0,issue,ca.test",
];

/// A DNS server.
#[derive(Debug)]
pub struct Dnsmasq {
    _server: Server,
    port: ReservedPort,
}

impl Dnsmasq {
    /// Starts a server with a record of each kind, and with these, such as `--host-record=v6.test,2001:db8::6`. It knows
    /// everything below `test`.
    pub fn with(records: &[&str]) -> Self {
        let port = free_port();
        let folders = [bin::servers().join("sbin/dnsmasq"), Path::new("/usr/sbin/dnsmasq").to_owned()];
        let program = database::find_program("dnsmasq", folders);
        let mut server = database::isolate(Command::new(&program), &program);
        server.args(["--no-daemon", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--local=/test/"]);
        server.args(["--bind-interfaces", "--listen-address=127.0.0.1", "--log-facility=-"]);
        server.arg(format!("--port={}", port.number())).args(RECORDS).args(records);
        let ready = |line: &str| line.contains("started, version").then(String::new);
        Self { _server: Server::start(server, ready), port }
    }

    /// The address, as `127.0.0.1:port`, for UDP and TCP.
    pub fn address(&self) -> String {
        self.port.address()
    }
}

/// A port that no other socket has, for UDP either.
fn free_port() -> ReservedPort {
    loop {
        let port = ReservedPort::new();
        if UdpSocket::bind(port.address()).is_ok() {
            return port;
        }
    }
}
