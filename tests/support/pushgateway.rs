//! A real Pushgateway.

use std::process::Command;

use nix::sys::signal::Signal;
use reqwest::blocking::Client;

use crate::bin;
use crate::port::ReservedPort;
use crate::server::{Server, client, eventually};

/// A Pushgateway that keeps its data in memory only.
#[derive(Debug)]
pub struct Pushgateway {
    server: Server,
    url: String,
    reader: Client,
    port: Option<ReservedPort>,
}

/// A Pushgateway that was stopped, and whose port is kept for it.
#[derive(Debug)]
pub struct Stopped(ReservedPort);

impl Default for Pushgateway {
    fn default() -> Self {
        Stopped(ReservedPort::new()).start()
    }
}

impl Stopped {
    /// Starts an empty Pushgateway at the same address.
    pub fn start(self) -> Pushgateway {
        let gateway = Pushgateway::with(&self.0.address(), &[]);
        Pushgateway { port: Some(self.0), ..gateway }
    }
}

impl Pushgateway {
    /// Starts one.
    pub fn start() -> Self {
        Self::default()
    }

    /// Stops it; no other process gets its port.
    pub fn stop(self) -> Stopped {
        let Self { port, server, .. } = self;
        drop(server);
        Stopped(port.expect("its port was chosen by the kernel"))
    }

    /// Stops it, and starts an empty one at the same address.
    #[must_use]
    pub fn restart(self) -> Self {
        self.stop().start()
    }

    /// Starts one that listens at `address`, with these additional flags.
    pub fn with(address: &str, flags: &[&str]) -> Self {
        let mut command = Command::new(bin::server("prometheus-pushgateway"));
        // The default of Debian's build is one file for all Pushgateways of the machine. Without a file they keep their
        // data in memory.
        command.arg(format!("--web.listen-address={address}")).args(flags);
        if !flags.iter().any(|flag| flag.starts_with("--persistence.file=")) {
            command.arg("--persistence.file=");
        }
        let server = Server::start(command, parse_address);
        let url = server.url();
        Self { server, url, reader: client(), port: None }
    }

    /// Stops it as an operator would: it writes its data to its file, if it has one.
    pub fn shut_down(self) {
        self.server.stop(Signal::SIGTERM);
    }

    /// Waits until it has handled all requests of processes that have ended: the ends of their connections are closed, its own
    /// are not.
    ///
    /// # Panics
    /// It takes too long.
    pub fn finish_requests_of_the_dead(&self) {
        const CLOSED_BY_PEER: &str = "08";
        let port = self.address().rsplit(':').next().unwrap().parse::<u16>().unwrap();
        eventually("the requests of ended processes are handled", || {
            let connections = std::fs::read_to_string("/proc/net/tcp").unwrap();
            let waits = connections.lines().filter(|line| {
                let mut columns = line.split_whitespace().skip(1);
                let local = columns.next().unwrap_or_default();
                local.ends_with(&format!(":{port:04X}")) && columns.nth(1) == Some(CLOSED_BY_PEER)
            });
            match waits.count() {
                0 => Ok(()),
                number => Err(format!("{number} are not")),
            }
        });
    }

    /// Puts a group with this body in place, at a path such as `job/JOB/LABEL/VALUE`.
    pub fn put(&self, group: &str, body: &str) {
        let url = format!("{}/metrics/{group}", self.url());
        self.reader.put(url).body(body.to_owned()).send().unwrap().error_for_status().unwrap();
    }

    /// The same gateway with the URL `SCHEME://{address}/PATH`, read by a client that can authenticate.
    #[must_use]
    pub fn with_url(mut self, scheme: &str, path: &str, reader: Client) -> Self {
        self.url = format!("{scheme}://{}{path}", self.server.address);
        self.reader = reader;
        self
    }

    /// Its URL.
    pub fn url(&self) -> String {
        self.url.clone()
    }

    /// The address that it listens on, as `127.0.0.1:port`.
    pub fn address(&self) -> &str {
        &self.server.address
    }

    /// Pushes so many groups of another tool, of 24 series each.
    pub fn fill_with_foreign_groups(&self, count: u32) {
        let series: Vec<String> =
            (0..24).map(|number| format!("foreign_metric{{n=\"{number}\"}} 1\n")).collect();
        let body = series.concat();
        for group in 0..count {
            let url = format!("{}/metrics/job/foreign/group/{group}", self.url());
            self.reader.put(url).body(body.clone()).send().unwrap().error_for_status().unwrap();
        }
    }

    /// All metrics, as a scraper reads them.
    pub fn metrics(&self) -> String {
        let response = self.reader.get(format!("{}/metrics", self.url())).send().unwrap();
        response.error_for_status().unwrap().text().unwrap()
    }

    /// The lines of the metric `name` with all of these labels, such as `stage="build"`.
    pub fn series(&self, name: &str, labels: &[&str]) -> Vec<String> {
        let start = format!("{name}{{");
        let matches =
            |line: &&str| line.starts_with(&start) && labels.iter().all(|label| line.contains(label));
        self.metrics().lines().filter(matches).map(str::to_owned).collect()
    }

    /// The value of the one series of the metric `name` with these labels.
    pub fn value(&self, name: &str, labels: &[&str]) -> f64 {
        match self.series(name, labels).as_slice() {
            [line] => line.rsplit_once(' ').unwrap().1.parse().unwrap(),
            other => panic!("{name} {labels:?}: {other:#?}"),
        }
    }
}

/// The address in a log line of Prometheus, Pushgateway or Alertmanager.
pub(crate) fn parse_address(line: &str) -> Option<String> {
    let address = line.split_once("msg=\"Listening on\"")?.1.split_once("address=")?.1;
    Some(address.split_whitespace().next()?.to_owned())
}
