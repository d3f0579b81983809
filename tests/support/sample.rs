//! The sample service.

use std::process::Command;

use tempfile::TempDir;

use crate::bin::{self, Machine};
use crate::server::{Server, client};

/// A running sample service with a database of its own.
#[derive(Debug)]
pub struct Sample {
    server: Server,
    _folder: TempDir,
}

impl Sample {
    /// Starts one in which this percentage of orders fails.
    pub fn start(error_percent: u32) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new(bin::path("sample-service"));
        command.args(["serve", "--version-name", "2", "--listen", "127.0.0.1:0"]);
        command.args(["--error-percent", &error_percent.to_string()]);
        command.arg("--db").arg(folder.path().join("app.db"));
        Self { server: Server::start(command, parse_address), _folder: folder }
    }

    /// The URL of its health page, which the faults of the orders do not affect.
    pub fn health(&self) -> String {
        format!("{}/health", self.server.url())
    }

    /// The address that it listens on, as `127.0.0.1:port`.
    pub fn address(&self) -> &str {
        &self.server.address
    }

    /// The URL of its orders.
    pub fn orders(&self) -> String {
        format!("{}/api/orders", self.server.url())
    }

    /// A rollback command that repairs it: the command switches the faults off, and writes a line to `rolled-back`.
    pub fn roll_back(&self, machine: &Machine) -> String {
        // Several services of one machine may be rolled back at once.
        let script = machine.folder().join(format!("rollback-{}.sh", self.address().replace(':', "-")));
        let text = format!(
            "#!/bin/bash\nset -eu\necho \"${{DM_FAILED_VERSION:-}}\" >> rolled-back\n\
             exec 3<>/dev/tcp/{address}\nbody='{{\"error_percent\":0}}'\n\
             printf 'POST /faults HTTP/1.1\\r\\nHost: h\\r\\nContent-Type: application/json\\r\\nConnection: close\\r\\n\
             Content-Length: %s\\r\\n\\r\\n%s' \"${{#body}}\" \"$body\" >&3\ngrep -q ' 200 ' <&3\n",
            address = self.address().replace(':', "/")
        );
        common::fs::atomic::write(&script, text.as_bytes()).unwrap();
        format!("bash {}", script.display())
    }

    /// Sets its faults, in JSON.
    pub fn switch(&self, faults: &'static str) {
        let request = client().post(self.faults()).body(faults);
        let answer = request.header("Content-Type", "application/json").send().unwrap();
        assert!(answer.status().is_success(), "{answer:?}");
    }

    /// The URL at which its faults are set.
    pub fn faults(&self) -> String {
        format!("{}/faults", self.server.url())
    }
}

fn parse_address(line: &str) -> Option<String> {
    line.strip_prefix("listening on ").map(|address| address.trim().to_owned())
}
