//! A real Alertmanager.

use std::process::Command;

use tempfile::TempDir;

use crate::bin;
use crate::pushgateway::listening_on;
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
        // scripts/test.sh made it look for its templates where it is started.
        let templates = bin::shared("prometheus/alertmanager");
        command.current_dir(if templates.exists() { &templates } else { data.path() });
        command.arg(format!("--config.file={}", file.display()));
        command.arg(format!("--storage.path={}", data.path().join("data").display()));
        // An empty address: it looks for no others.
        command.args(["--web.listen-address=127.0.0.1:0", "--cluster.listen-address="]);
        Self { server: Server::start(command, listening_on), _data: data }
    }

    /// Where it listens.
    pub fn address(&self) -> &str {
        &self.server.address
    }
}
