//! A real Prometheus, and queries to it.

use std::collections::BTreeMap;
use std::process::Command;
use std::time::Duration;

use common::clock::{Clock, SystemClock};
use tempfile::TempDir;

use crate::bin;
use crate::pushgateway::{Pushgateway, parse_address};
use crate::server::{Server, client, eventually};

/// A Prometheus that scrapes one Pushgateway twice a second.
#[derive(Debug)]
pub struct Prometheus {
    server: Server,
    _data: TempDir,
}

/// One series of an instant query.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// The labels, including `__name__`.
    pub labels: BTreeMap<String, String>,
    /// The value at the time of the query.
    pub value: f64,
}

impl Prometheus {
    /// Starts one that scrapes this Pushgateway.
    pub fn scraping(gateway: &Pushgateway) -> Self {
        Self::with(gateway, "", tempfile::tempdir().unwrap())
    }

    /// Starts one that scrapes a service, as the job `name`.
    pub fn scraping_service(name: &str, address: &str) -> Self {
        Self::scraping_service_into(name, address, tempfile::tempdir().unwrap())
    }

    /// The same, with its data in `tsdb` of the folder `data`.
    pub fn scraping_service_into(name: &str, address: &str, data: TempDir) -> Self {
        let job = format!("- job_name: {name}\n  static_configs: [{{targets: ['{address}']}}]\n");
        Self::start("", &job, data)
    }

    /// Starts one with `more` in its configuration, such as rules, and its data in `tsdb` of the folder `data`.
    pub fn with(gateway: &Pushgateway, more: &str, data: TempDir) -> Self {
        let job = format!(
            "- job_name: pushgateway\n  honor_labels: true\n  static_configs: [{{targets: ['{}']}}]\n",
            gateway.address()
        );
        Self::start(more, &job, data)
    }

    fn start(more: &str, job: &str, data: TempDir) -> Self {
        let config = data.path().join("prometheus.yml");
        let text = format!(
            "global: {{scrape_interval: 500ms, evaluation_interval: 500ms}}\n{more}\nscrape_configs:\n{job}"
        );
        common::fs::atomic::write(&config, text.as_bytes()).unwrap();
        let mut command = Command::new(bin::server("prometheus"));
        command.arg(format!("--config.file={}", config.display()));
        command.arg(format!("--storage.tsdb.path={}", data.path().join("tsdb").display()));
        command.args(["--web.listen-address=127.0.0.1:0", "--storage.tsdb.retention.time=40d"]);
        // An alert that fires before Prometheus has found Alertmanager would be sent again only after a minute.
        command.arg("--rules.alert.resend-delay=1s");
        Self { server: Server::start(command, parse_address), _data: data }
    }

    /// Its URL.
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// The result of an instant query; empty while Prometheus is still starting.
    pub fn query(&self, query: &str) -> Vec<Sample> {
        self.query_in(query, Duration::ZERO)
    }

    /// The result of the same query at a later time; the last sample of a series is valid for five minutes.
    pub fn query_in(&self, query: &str, delay: Duration) -> Vec<Sample> {
        query_at(&self.server.url(), query, delay)
    }

    /// Waits until the query has one result, with this value.
    pub fn expect(&self, query: &str, value: f64) {
        eventually(query, || match self.query(query).as_slice() {
            [sample] if (sample.value - value).abs() < 1e-9 => Ok(()),
            other => Err(format!("{other:?}, not {value}")),
        });
    }
}

/// The result of an instant query to the server at `url`, `delay` from now; empty if it does not answer.
pub(crate) fn query_at(url: &str, query: &str, delay: Duration) -> Vec<Sample> {
    let time = (SystemClock.now() + delay).to_rfc3339();
    let response =
        client().get(format!("{url}/api/v1/query")).query(&[("query", query), ("time", &time)]).send();
    let Ok(answer) = response.and_then(reqwest::blocking::Response::json::<serde_json::Value>) else {
        return Vec::new();
    };
    assert!(
        !["bad_data", "422", "400"].contains(&answer["errorType"].as_str().unwrap_or("")),
        "{query}: {answer}"
    );
    let results = answer["data"]["result"].as_array().cloned().unwrap_or_default();
    results.iter().map(sample).collect()
}

fn sample(result: &serde_json::Value) -> Sample {
    let labels = result["metric"].as_object().cloned().unwrap_or_default();
    Sample {
        labels: labels
            .into_iter()
            .map(|(name, value)| (name, value.as_str().unwrap_or("").to_owned()))
            .collect(),
        value: result["value"][1].as_str().unwrap().parse().unwrap(),
    }
}
