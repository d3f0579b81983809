//! What a real Prometheus is asked, and what its answers mean. And Railway, whose schema a fake has.
#![expect(clippy::unwrap_used, reason = "a panic is a failed test")]

mod answers;
mod counting;
mod railway;
mod silence;
#[path = "../verdict/mod.rs"]
mod verdict;
mod verified;

use std::fmt::Write as _;
use std::sync::LazyLock;

use assert_cmd::Command;
use assert_cmd::assert::Assert;
use chrono::{DateTime, Utc};
use common::clock::{Clock, SystemClock};
use tempfile::TempDir;
use testkit::bin::{library, server};
use testkit::prometheus::Prometheus;
use testkit::pushgateway::Pushgateway;
use verdict::verdict;

/// The number of scrapes in the history, one every ten seconds; the deployment is in the middle.
const SCRAPES: i64 = 60;

/// Samples that a Prometheus is started with, in the format of `promtool`.
#[derive(Default)]
struct History(String);

impl History {
    /// A counter: its value at each scrape, if it is scraped. The next minute has samples without increases.
    fn add(&mut self, series: &str, value: impl Fn(i64) -> Option<i64>) -> &mut Self {
        for step in 0..SCRAPES + 6 {
            if let Some(value) = value(step.min(SCRAPES - 1)) {
                writeln!(self.0, "{series} {value} {}", NOW.timestamp() - 10 * (SCRAPES - step)).unwrap();
            }
        }
        self
    }

    /// A counter that increases by the same number at each scrape, and by another number after the deployment.
    fn steady(&mut self, series: &str, before: i64, after: i64) -> &mut Self {
        let middle = SCRAPES / 2 - 1;
        self.add(series, |step| Some(1000 + before * step.min(middle) + after * (step - middle).max(0)))
    }

    /// A folder with the history as the data of a Prometheus.
    fn data(&self) -> TempDir {
        let data = tempfile::tempdir().unwrap();
        let file = data.path().join("history");
        common::fs::atomic::write(&file, format!("{}# EOF\n", self.0).as_bytes()).unwrap();
        let mut promtool = Command::new(server("promtool"));
        promtool.args(["tsdb", "create-blocks-from", "openmetrics", "--quiet"]);
        promtool.args([&file, &data.path().join("tsdb")]).assert().success();
        data
    }
}

static NOW: LazyLock<DateTime<Utc>> = LazyLock::new(|| SystemClock.now());

/// A Prometheus with a history.
struct Server {
    prometheus: Prometheus,
    _gateway: Pushgateway,
}

impl Server {
    fn with(history: &History) -> Self {
        let (data, gateway) = (history.data(), Pushgateway::start());
        Self { prometheus: Prometheus::with(&gateway, "", data), _gateway: gateway }
    }

    /// A dry run of the deployment in the middle of the history, under a clock that differs by `offset`.
    fn judge(&self, service: &str, offset: &str, args: &[&str]) -> Assert {
        let since = DateTime::from_timestamp(NOW.timestamp() - 305, 0).unwrap().to_rfc3339();
        let fixed = ["--prometheus", &self.prometheus.url(), "--since", &since];
        let mut command = dm_rollback(service, &[&fixed[..], args].concat());
        if !offset.is_empty() {
            command.env("LD_PRELOAD", library("libfaketime.so.1")).env("FAKETIME", offset);
        }
        command.assert()
    }

    /// The same, by the error rate and this machine's clock.
    fn errors(&self, service: &str, args: &[&str]) -> Assert {
        self.judge(service, "", &[&["--if-error-rate", "5"], args].concat())
    }
}

fn dm_rollback(service: &str, args: &[&str]) -> Command {
    let state = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_dm-rollback"));
    command.env_clear().env("PATH", "/usr/local/bin:/usr/bin:/bin").env("DM_STATE_DIR", state.path());
    command.env("DM_SERVICE", service).env("DM_ENVIRONMENT", "production").env("DM_VERSION", "2.0");
    command.args(["--dry-run", "--watch", "300ms", "--interval", "100ms"]).args(args);
    command
}

/// The numbers of requests and of errors of a verdict.
fn counts(assert: &Assert) -> (u64, u64) {
    let verdict = verdict(assert);
    (verdict["total"].as_u64().unwrap(), verdict["errors"].as_u64().unwrap())
}
