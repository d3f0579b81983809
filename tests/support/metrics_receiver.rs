//! A database that receives metrics by OTLP.

use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use crate::bin;
use crate::prometheus::{Sample, query_at};
use crate::server::{Server, eventually};
use crate::tsdb::victoria_address;

/// A database with an OTLP receiver.
#[derive(Debug)]
pub struct MetricsReceiver {
    server: Server,
    _folder: TempDir,
}

impl MetricsReceiver {
    /// Debian forky's VictoriaMetrics. Debian's Prometheus is built without a receiver; `uses_prometheus_names` makes this one
    /// translate names as Prometheus does.
    pub fn start(uses_prometheus_names: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new(bin::later_server("victoria-metrics"));
        command.env_clear().arg(format!("-storageDataPath={}", folder.path().join("data").display()));
        command.args(["-httpListenAddr=127.0.0.1:0", "-search.latencyOffset=0s"]);
        command.arg(format!("-opentelemetry.usePrometheusNaming={uses_prometheus_names}"));
        Self { server: Server::start(command, victoria_address), _folder: folder }
    }

    /// Where it receives metrics.
    pub fn url(&self) -> String {
        format!("{}/opentelemetry/v1/metrics", self.server.url())
    }

    /// The result of an instant query, a second from now.
    pub fn query(&self, query: &str) -> Vec<Sample> {
        query_at(&self.server.url(), query, Duration::from_secs(1))
    }

    /// Waits until the query has one result, with this value.
    pub fn expect(&self, query: &str, value: f64) {
        eventually(query, || match self.query(query).as_slice() {
            [sample] if (sample.value - value).abs() < 1e-6 => Ok(()),
            other => Err(format!("{other:?}, not {value}")),
        });
    }
}
