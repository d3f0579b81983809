//! A real Redis, and its client.

use std::process::Command;

use tempfile::TempDir;

use crate::port::ReservedPort;
use crate::server::Server;
use crate::tls::Certificates;
use crate::{bin, database};

pub use crate::database::PASSWORD;

/// A Redis without persistence.
#[derive(Debug)]
pub struct Redis {
    _server: Server,
    port: ReservedPort,
    _folder: TempDir,
}

impl Redis {
    /// Starts a server with these flags, such as `--requirepass`.
    pub fn with(flags: &[&str]) -> Self {
        let port = ReservedPort::new();
        let number = port.number().to_string();
        let flags: Vec<String> =
            ["--port", &number].iter().chain(flags).map(|flag| (*flag).to_owned()).collect();
        Self::new(port, &flags)
    }

    /// Starts a server that speaks TLS only, with this server certificate, and asks for no client certificate.
    pub fn with_tls(certificates: &Certificates) -> Self {
        let port = ReservedPort::new();
        let (certificate, key) = certificates.server();
        let flags = [
            ("--port", "0".to_owned()),
            ("--tls-port", port.number().to_string()),
            ("--tls-cert-file", certificate.display().to_string()),
            ("--tls-key-file", key.display().to_string()),
            ("--tls-ca-cert-file", certificates.authority().display().to_string()),
            ("--tls-auth-clients", "no".to_owned()),
        ];
        let flags: Vec<String> =
            flags.into_iter().flat_map(|(name, value)| [name.to_owned(), value]).collect();
        Self::new(port, &flags)
    }

    fn new(port: ReservedPort, flags: &[String]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let program = bin::server("redis-server");
        let mut server = database::isolate(Command::new(&program), &program);
        server.args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir"]).arg(folder.path());
        server.args(flags);
        let ready = |line: &str| line.contains("Ready to accept connections").then(String::new);
        Self { _server: Server::start(server, ready), port, _folder: folder }
    }

    /// The result of a command that its client sends.
    pub fn command(&self, words: &[&str]) -> String {
        let program = bin::server("redis-cli");
        let mut client = database::isolate(Command::new(&program), &program);
        client.args(["-p", &self.port.number().to_string()]).args(words);
        client.env("REDISCLI_AUTH", PASSWORD);
        database::query(client, &words.join(" "))
    }

    /// The address, as `127.0.0.1:port`.
    pub fn address(&self) -> String {
        self.port.address()
    }
}
