//! A real nginx.

use std::path::Path;
use std::process::Command;

use crate::port::ReservedPort;
use crate::server::Server;
use crate::{bin, database};

/// An nginx in one process, which ends with it.
#[derive(Debug)]
pub struct Nginx {
    _server: Server,
    port: ReservedPort,
}

impl Nginx {
    /// Starts it with this configuration for an address. The configuration has to keep it in the foreground, in one
    /// process, and to log notices to stderr. Files that it does not name are in `folder`.
    pub fn start(folder: &Path, configuration: impl Fn(&str) -> String) -> Self {
        let port = ReservedPort::new();
        let file = folder.join("nginx.conf");
        common::fs::atomic::write(&file, configuration(&port.address()).as_bytes()).unwrap();
        let paths = [bin::servers().join("sbin/nginx"), "/usr/sbin/nginx".into()];
        let program = database::find_program("nginx", paths);
        let mut command = database::isolate(Command::new(&program), &program);
        command.arg("-p").arg(folder).arg("-c").arg(&file).args(["-e", "stderr"]);
        // It logs this once it listens.
        let ready = |line: &str| line.contains("[notice]").then(String::new);
        Self { _server: Server::start(command, ready), port }
    }

    /// The URL of the server.
    pub fn url(&self) -> String {
        format!("http://{}", self.port.address())
    }
}
