//! A real server, of Node.js, that answers with what it was sent.

use std::path::Path;
use std::process::Command;

use tempfile::TempDir;
use testkit::server::Server;
use testkit::tls::Certificates;

/// The server. Its routes are in `echo.mjs`.
pub(crate) struct Echo {
    server: Server,
    pub(crate) certificates: Certificates,
    folder: TempDir,
}

impl Echo {
    pub(crate) fn start() -> Self {
        Self::with_script(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/echo.mjs"))
    }

    /// Another server, whose ports are printed in the same way.
    pub(crate) fn with_script(script: &str) -> Self {
        let (certificates, folder) = (Certificates::new(), tempfile::tempdir().unwrap());
        let mut command = Command::new("node");
        command
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .arg(script)
            .arg(folder.path().join("socket"))
            .arg(certificates.authority().parent().unwrap());
        let server = Server::start(command, |line| line.strip_prefix("listening ").map(str::to_owned));
        Self { server, certificates, folder }
    }

    /// The port of `http`, `http2`, `https` (HTTP/1.1 and HTTP/2) or `https2` (HTTP/2 only).
    pub(crate) fn port(&self, name: &str) -> u64 {
        let ports: serde_json::Value = serde_json::from_str(&self.server.address).unwrap();
        ports[name].as_u64().unwrap()
    }

    /// Its base URL, unencrypted.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port("http"))
    }

    /// Its socket in the file system.
    pub(crate) fn socket(&self) -> std::path::PathBuf {
        self.folder.path().join("socket")
    }

    /// Replaces `HTTP`, `HTTP2`, `HTTPS` and `HTTPS2` after a colon by the ports, and `PEM/` and `SOCKET` by paths.
    pub(crate) fn fill(&self, suite: &str) -> String {
        let mut suite = suite.to_owned();
        for name in ["https2", "https", "http2", "http"] {
            suite = suite.replace(&format!(":{}", name.to_uppercase()), &format!(":{}", self.port(name)));
        }
        let folder = self.certificates.authority();
        let folder = folder.parent().map(Path::to_string_lossy).unwrap();
        suite.replace("PEM/", &format!("{folder}/")).replace("SOCKET", &self.socket().to_string_lossy())
    }
}
