//! The databases that scrape a Pushgateway and evaluate the rules. Each can be stopped and started again with its data.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use nix::sys::signal::Signal;
use tempfile::TempDir;

use crate::bin;
use crate::prometheus::{Sample, query_at};
use crate::pushgateway::parse_address;
use crate::server::{Server, eventually_within};

/// What kind of database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Product {
    /// Debian bookworm's Prometheus 2.42.
    Prometheus2,
    /// Debian forky's Prometheus 3.
    Prometheus3,
    /// Debian forky's VictoriaMetrics, with vmalert.
    VictoriaMetrics,
}

impl Product {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Prometheus2, Self::Prometheus3, Self::VictoriaMetrics];

    /// Its name in a report.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Prometheus2 => "Prometheus 2",
            Self::Prometheus3 => "Prometheus 3",
            Self::VictoriaMetrics => "VictoriaMetrics",
        }
    }
}

/// What a database scrapes and evaluates.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The address of the Pushgateway, as `127.0.0.1:port`.
    pub gateway: String,
    /// The time between two scrapes.
    pub scrape: Duration,
    /// The time between two evaluations of a group that has no interval of its own.
    pub evaluation: Duration,
    /// The time that VictoriaMetrics waits before it shows a sample, and vmalert before it evaluates; `None` for the
    /// default, 30 s.
    pub latency: Option<Duration>,
    /// The files with the rules.
    pub rules: Vec<PathBuf>,
}

/// A database and its folder.
#[derive(Debug)]
pub struct Tsdb {
    /// What it is.
    pub product: Product,
    /// What it does.
    pub settings: Settings,
    folder: TempDir,
    /// The database first; none while it is stopped.
    servers: Vec<Server>,
}

impl Tsdb {
    /// Starts an empty one.
    pub fn start(product: Product, settings: Settings) -> Self {
        let mut tsdb = Self { product, settings, folder: tempfile::tempdir().unwrap(), servers: Vec::new() };
        tsdb.resume();
        tsdb
    }

    /// Stops it; it keeps its data.
    pub fn stop(&mut self) {
        // vmalert before the database that it writes to.
        while let Some(server) = self.servers.pop() {
            server.stop(Signal::SIGTERM);
        }
    }

    /// Starts it again with the data that it has.
    pub fn resume(&mut self) {
        assert!(self.servers.is_empty(), "it is running");
        let folder = self.folder.path();
        let config = folder.join("config.yml");
        self.servers = match self.product {
            Product::Prometheus2 | Product::Prometheus3 => {
                write(&config, &format!("{}{}", self.global(true), self.scrape_config()));
                vec![self.prometheus(&config)]
            }
            Product::VictoriaMetrics => {
                write(&config, &format!("{}{}", self.global(false), self.scrape_config()));
                let database = self.victoria_metrics(&config);
                let rules = self.vmalert(&database.url());
                vec![database, rules]
            }
        };
    }

    /// Its URL.
    pub fn url(&self) -> String {
        self.servers[0].url()
    }

    /// Waits until the rules count what is new: what a new database finds in its first minutes, it takes for old.
    pub fn wait_for_marker(&self) {
        let marker = "count_over_time(service_environment:post_deployment_request_errors_total:sum{service=\"\"}[1h]) >= 3";
        eventually_within(Duration::from_mins(10), "the database sees the gateway", || {
            if self.query(marker).is_empty() { Err(self.product.name().to_owned()) } else { Ok(()) }
        });
    }

    /// The result of an instant query.
    pub fn query(&self, query: &str) -> Vec<Sample> {
        query_at(&self.servers[0].url(), query, Duration::ZERO)
    }

    fn global(&self, with_rules: bool) -> String {
        let mut text = format!("global: {{scrape_interval: {}ms", self.settings.scrape.as_millis());
        if with_rules {
            write!(text, ", evaluation_interval: {}ms", self.settings.evaluation.as_millis()).unwrap();
        }
        text.push_str("}\n");
        if with_rules {
            text.push_str("rule_files:\n");
            for file in &self.settings.rules {
                writeln!(text, "- {}", file.display()).unwrap();
            }
        }
        text
    }

    fn scrape_config(&self) -> String {
        format!(
            "scrape_configs:\n- job_name: pushgateway\n  honor_labels: true\n  static_configs: [{{targets: ['{}']}}]\n",
            self.settings.gateway
        )
    }

    fn prometheus(&self, config: &Path) -> Server {
        let program = match self.product {
            Product::Prometheus2 => bin::server("prometheus"),
            _ => bin::later_server("prometheus"),
        };
        let mut command = Command::new(program);
        command.env_clear().arg(format!("--config.file={}", config.display()));
        command.arg(format!("--storage.tsdb.path={}", self.folder.path().join("tsdb").display()));
        command.args(["--web.listen-address=127.0.0.1:0", "--storage.tsdb.retention.time=40d"]);
        Server::start(command, parse_address)
    }

    fn victoria_metrics(&self, config: &Path) -> Server {
        let mut command = Command::new(bin::later_server("victoria-metrics"));
        command.env_clear().arg(format!("-promscrape.config={}", config.display()));
        command.arg(format!("-storageDataPath={}", self.folder.path().join("data").display()));
        command.args(["-httpListenAddr=127.0.0.1:0", "-retentionPeriod=40d"]);
        if let Some(latency) = self.settings.latency {
            command.arg(format!("-search.latencyOffset={}ms", latency.as_millis()));
        }
        Server::start(command, victoria_address)
    }

    fn vmalert(&self, database: &str) -> Server {
        let mut command = Command::new(bin::later_server("vmalert"));
        command.env_clear().args(["-httpListenAddr=127.0.0.1:0", "-notifier.blackhole"]);
        for flag in ["datasource", "remoteRead", "remoteWrite"] {
            command.arg(format!("-{flag}.url={database}"));
        }
        command.arg(format!("-evaluationInterval={}ms", self.settings.evaluation.as_millis()));
        if let Some(latency) = self.settings.latency {
            command.arg(format!("-rule.evalDelay={}ms", latency.as_millis()));
        }
        for file in &self.settings.rules {
            command.arg(format!("-rule={}", file.display()));
        }
        Server::start(command, victoria_address)
    }
}

fn write(file: &Path, text: &str) {
    common::fs::atomic::write(file, text.as_bytes()).unwrap();
}

/// The address in a log line of VictoriaMetrics or vmalert.
pub(crate) fn victoria_address(line: &str) -> Option<String> {
    let address = line.split_once("started server at http://")?.1;
    Some(address.trim_end().trim_end_matches('/').to_owned())
}
