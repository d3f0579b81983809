//! A real Pushgateway.

use std::process::Command;

use reqwest::blocking::Client;

use crate::bin;
use crate::server::Server;

/// A Pushgateway that keeps nothing.
#[derive(Debug)]
pub struct Pushgateway {
    server: Server,
    url: String,
    reader: Client,
}

impl Default for Pushgateway {
    fn default() -> Self {
        Self::listening_at("127.0.0.1:0")
    }
}

impl Pushgateway {
    /// Starts one.
    pub fn start() -> Self {
        Self::default()
    }

    /// Ends it, and starts one that knows nothing in its place.
    #[must_use]
    pub fn restart(self) -> Self {
        let address = self.address().to_owned();
        drop(self);
        Self::listening_at(&address)
    }

    fn listening_at(address: &str) -> Self {
        Self::with(address, &[])
    }

    /// Starts one that listens at `address`, with these flags of its own.
    pub fn with(address: &str, flags: &[&str]) -> Self {
        let mut command = Command::new(bin::server("prometheus-pushgateway"));
        // Debian's build has a default file for its service; an empty name keeps everything in memory.
        command.args([&format!("--web.listen-address={address}"), "--persistence.file="]);
        command.args(flags);
        let server = Server::start(command, listening_on);
        let url = server.url();
        // A proxy of the machine that runs the tests is none of theirs.
        Self { server, url, reader: Client::builder().no_proxy().build().unwrap() }
    }

    /// The same gateway, known by another URL of `SCHEME://{address}/PATH`, and read with a client that is let in.
    #[must_use]
    pub fn known_as(mut self, scheme: &str, path: &str, reader: Client) -> Self {
        self.url = format!("{scheme}://{}{path}", self.server.address);
        self.reader = reader;
        self
    }

    /// Its URL.
    pub fn url(&self) -> String {
        self.url.clone()
    }

    /// Where it listens.
    pub fn address(&self) -> &str {
        &self.server.address
    }

    /// Everything it would tell a scraper.
    pub fn metrics(&self) -> String {
        let answer = self.reader.get(format!("{}/metrics", self.url())).send().unwrap();
        answer.error_for_status().unwrap().text().unwrap()
    }

    /// The lines about the series `name` with all of these label texts, such as `stage="build"`.
    pub fn series(&self, name: &str, labels: &[&str]) -> Vec<String> {
        let wanted = format!("{name}{{");
        let matches =
            |line: &&str| line.starts_with(&wanted) && labels.iter().all(|label| line.contains(label));
        self.metrics().lines().filter(matches).map(str::to_owned).collect()
    }

    /// The value of the one series `name` with these labels.
    pub fn value(&self, name: &str, labels: &[&str]) -> f64 {
        match self.series(name, labels).as_slice() {
            [line] => line.rsplit_once(' ').unwrap().1.parse().unwrap(),
            other => panic!("{name} {labels:?}: {other:#?}"),
        }
    }
}

/// The address in the log line of the Prometheus family's servers.
pub(crate) fn listening_on(line: &str) -> Option<String> {
    let address = line.split_once("msg=\"Listening on\" address=")?.1;
    Some(address.split_whitespace().next()?.to_owned())
}
