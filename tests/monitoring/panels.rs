//! Every panel of every dashboard, after real deployments: it shows something, and the headlines show the truth.

use chrono::{DateTime, Utc};
use common::clock::{Clock, SystemClock};
use serde_json::Value;
use testkit::bin::Machine;
use testkit::prometheus::{Prometheus, Sample};
use testkit::pushgateway::Pushgateway;
use testkit::sample::Sample as Service;
use testkit::server::eventually;

use crate::dashboards::content::DASHBOARDS;
use crate::dashboards::substituted;
use crate::shortened;

/// What shows nothing here, and why.
const NOT_YET: [(&str, &str); 1] = [("service_environment:deployments:baseline1d{@S}", "needs 3 weeks")];

const SUITE: &str = "[[test]]\nname = \"health\"\nhttp = { url = \"/health\" }\n\
    [[test]]\nname = \"orders\"\nhttp = { url = \"/api/orders\" }\n\
    [[test]]\nname = \"orders again\"\nhttp = { url = \"/api/orders\" }\n";

/// A deployment as a team's script has it; `MIGRATE` is the migration.
const DEPLOY: &str = "set -u
    dm-stage build -- true
    dm-stage deploy -- true
    dm-health --url \"$BASE/health\" --interval 10ms --min-success 4 --format jsonl > health
    dm-migrate -- $MIGRATE || exit
    dm-smoke smoke.toml --base-url \"$BASE\" --format jsonl > smoke || true
    dm-health --url \"$BASE/api/orders\" --interval 10ms --watch 1200ms --max-fail 500 --format jsonl |
        dm-rollback --if-error-rate 5 --cool-down 0s --verify-url \"$BASE/health\" -- true > verdict";

fn deploy(machine: &Machine, service: &Service, migrate: &str) -> Option<i32> {
    common::atomic::write(&machine.folder().join("smoke.toml"), SUITE.as_bytes()).unwrap();
    let mut command = machine.tool("dm-stage");
    command.args(["deployment", "--", "bash", "-c", DEPLOY]).env("MIGRATE", migrate);
    let output = command.env("BASE", service.health().replace("/health", "")).output().unwrap();
    assert!(!String::from_utf8_lossy(&output.stderr).contains("not pushed"), "{output:?}");
    output.status.code()
}

/// The answer to the query of a panel, by its dashboard and title.
fn shown(prometheus: &Prometheus, dashboard: &str, title: &str) -> Vec<Sample> {
    let dashboard = DASHBOARDS.iter().find(|found| found.name == dashboard).unwrap();
    let panel = dashboard.panels.iter().find(|panel| panel.title == title);
    let (query, _) = panel.unwrap_or_else(|| panic!("no panel {title}")).queries[0];
    prometheus.query(&substituted(query))
}

/// What the journal says of the deployments that are counted.
struct Truth(Vec<Value>);

impl Truth {
    fn of(&self, stage: &'static str) -> impl DoubleEndedIterator<Item = &Value> {
        self.0.iter().filter(move |event| event["stage"] == stage)
    }

    fn last(&self, stage: &'static str) -> &Value {
        self.of(stage).next_back().unwrap()
    }

    fn count(&self, stage: &'static str, status: &str) -> f64 {
        self.sum(stage, |event| f64::from(u8::from(event["status"] == status)))
    }

    fn sum(&self, stage: &'static str, number: impl Fn(&Value) -> f64) -> f64 {
        self.of(stage).map(number).sum()
    }
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_default()
}

#[test]
fn every_panel_has_data_and_the_headlines_are_true() {
    let gateway = Pushgateway::start();
    let folder = tempfile::tempdir().unwrap();
    let rules = shortened::rules(folder.path());
    let prometheus = Prometheus::with(&gateway, &rules, tempfile::tempdir().unwrap());
    let commit = (SystemClock.now() - std::time::Duration::from_mins(90)).to_rfc3339();
    let machine = Machine::new()
        .with("PUSHGATEWAY_URL", &gateway.url())
        .with("DM_EXPORT_BUDGET", "30s")
        .with("DM_VERSION", "2.0")
        .with("DM_RUN_URL", "https://ci.example.com/runs/7")
        .with("DM_COMMIT_TIME", &commit)
        .with("DM_RUNNER_PRICE_PER_MINUTE", "0.6");

    // The first of each counter is where Prometheus begins to count; what comes after it is shown.
    let (good, bad) = (Service::start(0), Service::start(60));
    assert_eq!(deploy(&machine, &bad, "true"), Some(10));
    assert_eq!(deploy(&machine, &good, "true"), Some(0));
    prometheus.expect("sum(deployment_total{job=\"dm_counters\",stage=\"deployment\"})", 2.0);
    let before = machine.journal().len();

    assert_eq!(deploy(&machine, &bad, "true"), Some(10));
    assert_eq!(deploy(&machine, &good, "false"), Some(1));
    prometheus.expect("service_environment:deployment_broken:bool", 1.0);
    assert_eq!(deploy(&machine, &good, "true"), Some(0));
    assert_eq!(deploy(&machine, &good, "true"), Some(0));
    let truth = Truth(machine.journal().split_off(before));
    let running_since = SystemClock.now();
    let started = machine.tool("dm-stage").args(["deployment", "--start"]).output().unwrap();
    assert!(started.status.success(), "{started:?}");
    prometheus.expect("sum(deployment_in_progress)", 1.0);
    prometheus.expect("sum(deployment_total{job=\"dm_counters\",stage=\"deployment\"})", 6.0);

    let mut with_data = 0;
    for dashboard in DASHBOARDS {
        for panel in dashboard.panels {
            for (query, _) in panel.queries {
                if NOT_YET.iter().any(|(known, _)| known == query) {
                    continue;
                }
                let what = format!("{} / {}", dashboard.title, panel.title);
                eventually(&what, || match prometheus.query(&substituted(query)) {
                    samples if samples.iter().any(|sample| sample.value.is_finite()) => Ok(()),
                    samples => Err(format!("{samples:?} for {query}")),
                });
            }
            with_data += 1;
        }
    }

    let proven = headlines(&prometheus, &truth, running_since);
    println!("{with_data} panels with data, {proven} of them proven");
}

/// Compares what the headlines show with what the journal says; gives their number.
fn headlines(prometheus: &Prometheus, truth: &Truth, running_since: DateTime<Utc>) -> usize {
    let mut proven = 0;
    // increase() extrapolates by half a scrape at each end: at most 10 percent of these few seconds.
    let mut expect = |dashboard: &str, title: &str, value: f64, tolerance: f64| {
        eventually(title, || match shown(prometheus, dashboard, title).as_slice() {
            [sample] if (sample.value - value).abs() <= tolerance => Ok(()),
            other => Err(format!("{other:?}, and the journal says {value}")),
        });
        proven += 1;
    };
    let (good, bad) = (truth.count("deployment", "success"), truth.count("deployment", "failure"));
    let all = good + bad;
    let duration = |event: &Value| number(&event["duration_s"]);
    let age = |event: &Value| {
        let then: DateTime<Utc> = event["ts"].as_str().unwrap().parse().unwrap();
        (SystemClock.now() - then).as_seconds_f64()
    };

    expect("pipeline", "Last deployment", 0.0, 0.0);
    expect("pipeline", "In progress", 1.0, 0.0);
    expect("pipeline", "Running for", (SystemClock.now() - running_since).as_seconds_f64(), 5.0);
    expect("pipeline", "Deployments, 24 h", all, 0.0);
    expect("pipeline", "Last build", duration(truth.last("build")), 1e-9);

    let judged = truth.of("rollback").rfind(|event| event["type"] == "rollback").unwrap();
    let evidence = &judged["evidence"][0];
    expect("health", "Error rate", 100.0 * number(&evidence["errors"]) / number(&evidence["total"]), 1e-9);
    expect("health", "p95 latency", number(&truth.last("health_check")["latency_ms"]["p95"]), 1e-9);
    let failed_tests = truth.sum("smoke_test", |event| {
        let results = event["results"].as_array().unwrap();
        results
            .iter()
            .filter(|pair| pair[0] == "fail" || pair[0] == "error")
            .map(|pair| number(&pair[1]))
            .sum()
    });
    expect("health", "Smoke tests failed, 1 h", failed_tests, 0.0);
    expect(
        "health",
        "Failed probes, 5 min",
        truth.sum("health_check", |event| number(&event["failures"])),
        2.0,
    );

    expect("success", "Success rate, 30 d", good / all, 1e-6);
    expect("success", "Failures that the budget still allows", all * 0.005 - bad, bad / 10.0);
    expect("success", "Change failure rate, 7 d", bad / all, 1e-6);
    expect("success", "Deployments a day, 7 d", good / 7.0, good / 70.0);
    // The middle of the bucket from one to two hours.
    expect("success", "Median lead time, 7 d", 5400.0, 1.0);

    expect("migrations", "Last migration", duration(truth.last("migration")), 1e-9);
    expect("migrations", "Migrations, 30 d", all, 0.0);
    expect("migrations", "Failed, 30 d", truth.count("migration", "failure"), 0.0);
    expect("migrations", "Objective of 100 %", 0.0, 0.0);
    expect("migrations", "Since the last migration", age(truth.last("migration")), 5.0);

    let time = truth.sum("deployment", duration);
    let cost = truth.sum("deployment", |event| number(&event["cost_dollars"]));
    expect("costs", "Runner time, 7 d", time, time / 10.0);
    expect("costs", "Cost, 7 d", cost, cost / 10.0);
    expect("costs", "Cost of a deployment", cost / good, 1e-6);
    expect("costs", "Mean time of a deployment, 7 d", time / all, 1e-6);
    proven
}
