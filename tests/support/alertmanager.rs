//! A real Alertmanager.

use std::process::Command;

use tempfile::TempDir;

use crate::bin;
use crate::pushgateway::parse_address;
use crate::server::Server;

/// An Alertmanager of our own.
#[derive(Debug)]
pub struct Alertmanager {
    server: Server,
    _data: TempDir,
}

impl Alertmanager {
    /// Starts one with this configuration.
    pub fn with(config: &str) -> Self {
        let data = tempfile::tempdir().unwrap();
        let file = data.path().join("alertmanager.yml");
        common::fs::atomic::write(&file, config.as_bytes()).unwrap();
        let mut command = Command::new(bin::server("prometheus-alertmanager"));
        // scripts/test.sh patches it to look for its templates in its working directory.
        let templates = bin::shared("prometheus/alertmanager");
        command.current_dir(if templates.exists() { &templates } else { data.path() });
        command.arg(format!("--config.file={}", file.display()));
        command.arg(format!("--storage.path={}", data.path().join("data").display()));
        // Without an address for a cluster it looks for no other Alertmanagers.
        command.args(["--web.listen-address=127.0.0.1:0", "--cluster.listen-address="]);
        Self { server: Server::start(command, parse_address), _data: data }
    }

    /// The address that it listens on, as `127.0.0.1:port`.
    pub fn address(&self) -> &str {
        &self.server.address
    }
}
