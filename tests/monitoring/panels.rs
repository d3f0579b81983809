//! Every panel of every dashboard, after real deployments: it has data, and the headline numbers match the journal.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use chrono::{DateTime, Utc};
use common::clock::{Clock, SystemClock};
use serde_json::Value;
use testkit::bin::Machine;
use testkit::postgres::{self, Postgres};
use testkit::prometheus::{Prometheus, Sample};
use testkit::pushgateway::Pushgateway;
use testkit::sample::Sample as Service;
use testkit::server::eventually;

use crate::dashboards::content::DASHBOARDS;
use crate::dashboards::substituted;
use crate::shortened_waits;

/// The queries that have no data in this test, and why.
const WITHOUT_DATA: [(&str, &str); 1] = [("service_environment:deployments:baseline1d{@S}", "needs 3 weeks")];

const SUITE: &str = "[[test]]\nname = \"health\"\nhttp = { url = \"/health\" }\n\
    [[test]]\nname = \"orders\"\nhttp = { url = \"/api/orders\" }\n\
    [[test]]\nname = \"orders again\"\nhttp = { url = \"/api/orders\" }\n";

/// A deployment as in a team's script; `MIGRATE` is the migration. The limit is high so that a few requests are enough.
const DEPLOY: &str = "set -u
    dm-stage build -- true
    dm-stage deploy -- true
    dm-health --url \"$BASE/health\" --interval 10ms --min-success 4 --format jsonl > health
    dm-migrate -- $MIGRATE || exit
    dm-smoke smoke.toml --base-url \"$BASE\" --format jsonl > smoke || true
    dm-health --url \"$BASE/api/orders\" --interval 10ms --watch 100ms..1m --format jsonl |
        dm-rollback --if-error-rate 20 --cool-down 0s --verify-url \"$BASE/health\" -- $ROLLBACK > verdict";

fn deploy(machine: &Machine, service: &Service, migrate: &str) -> Option<i32> {
    common::fs::atomic::write(&machine.folder().join("smoke.toml"), SUITE.as_bytes()).unwrap();
    let mut command = machine.tool("dm-stage");
    command.args(["deployment", "--", "bash", "-c", DEPLOY]).env("MIGRATE", migrate);
    command.env("ROLLBACK", service.roll_back(machine)).env("DM_BUCKET", "100ms");
    let output = command.env("BASE", service.health().replace("/health", "")).output().unwrap();
    assert!(!String::from_utf8_lossy(&output.stderr).contains("not pushed"), "{output:?}");
    output.status.code()
}

/// Runs a migration that waits for another session's lock while a reader waits for the migration.
fn migrate_behind_a_lock(machine: &Machine) {
    let server = Postgres::start();
    server.sql("create table orders (id int)");
    let lock = server.session("postgres", "somebody", "begin; select from orders");
    let mut migration = machine.tool("dm-migrate");
    migration.env("PSQL", postgres::program("psql")).env("DATABASE_URL", server.url("postgres"));
    migration.args(["--", "bash", "-c", "exec $PSQL $DATABASE_URL -Xqc 'alter table orders add note text'"]);
    let mut migration = migration.stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(migration.stderr.take().unwrap()).lines().map_while(Result::ok);
    assert!(lines.any(|line| line.contains("waits behind it")));
    let reader = server.background("postgres", "reader", "select from orders");
    assert!(lines.any(|line| line.contains("1 session waits behind it")));
    lock.end();
    assert!(migration.wait().unwrap().success());
    reader.end();
}

/// The samples that a panel shows, by its dashboard and title.
fn panel_samples(prometheus: &Prometheus, dashboard: &str, title: &str) -> Vec<Sample> {
    let dashboard = DASHBOARDS.iter().find(|candidate| candidate.name == dashboard).unwrap();
    let panel = dashboard.panels.iter().find(|panel| panel.title == title);
    let (query, _) = panel.unwrap_or_else(|| panic!("no panel {title}")).queries[0];
    prometheus.query(&substituted(query))
}

/// The journal's events of the deployments that Prometheus counts: the expected values.
struct JournalEvents(Vec<Value>);

impl JournalEvents {
    fn for_stage(&self, stage: &'static str) -> impl DoubleEndedIterator<Item = &Value> {
        self.0.iter().filter(move |event| event["stage"] == stage)
    }

    fn last(&self, stage: &'static str) -> &Value {
        self.for_stage(stage).next_back().unwrap()
    }

    fn count(&self, stage: &'static str, status: &str) -> f64 {
        self.sum(stage, |event| f64::from(u8::from(event["status"] == status)))
    }

    /// A deployment that was rolled back restored the service itself; for others, the next successful deployment did.
    fn mean_time_to_restore(&self) -> f64 {
        let (mut lengths, mut since, mut rolled_back) = (Vec::new(), None, None);
        for event in &self.0 {
            let duration = std::time::Duration::from_secs_f64(number(&event["duration_s"]));
            let start = end_time(event) - duration;
            match (event["stage"].as_str().unwrap(), event["status"].as_str().unwrap()) {
                ("rollback", "success") if event["result"] == "verified" => {
                    rolled_back = Some(end_time(event));
                }
                ("deployment", "failure") => {
                    since = since.or(Some(start));
                    if let Some(at) = rolled_back.take() {
                        lengths.extend(since.take().map(|since| at - since));
                    }
                }
                ("deployment", "success") => {
                    lengths.extend(since.take().map(|since| end_time(event) - since));
                }
                _ => {}
            }
        }
        let number = f64::from(u32::try_from(lengths.len()).unwrap());
        lengths.into_iter().map(chrono::TimeDelta::as_seconds_f64).sum::<f64>() / number
    }

    fn sum(&self, stage: &'static str, number: impl Fn(&Value) -> f64) -> f64 {
        self.for_stage(stage).map(number).sum()
    }
}

fn end_time(event: &Value) -> DateTime<Utc> {
    event["ts"].as_str().unwrap().parse().unwrap()
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_default()
}

#[test]
fn every_panel_has_data_and_the_headlines_match_the_journal() {
    let gateway = Pushgateway::start();
    let folder = tempfile::tempdir().unwrap();
    let rules = shortened_waits::rules(folder.path());
    let commit = (SystemClock.now() - std::time::Duration::from_mins(90)).to_rfc3339();
    let machine = Machine::new()
        .with("PUSHGATEWAY_URL", &gateway.url())
        .with("DM_EXPORT_BUDGET", "30s")
        .with("DM_VERSION", "2.0")
        .with("DM_RUN_URL", "https://ci.example.com/runs/7")
        .with("DM_COMMIT_TIME", &commit)
        .with("DM_RUNNER_PRICE_PER_MINUTE", "0.6");

    // These deployments happen before Prometheus starts. The rules count only what follows its first scrape.
    let (good, bad) = (Service::start(0), Service::start(60));
    assert_eq!(deploy(&machine, &bad, "true"), Some(10));
    assert_eq!(deploy(&machine, &good, "true"), Some(0));
    let prometheus = Prometheus::with(&gateway, &rules, tempfile::tempdir().unwrap());
    prometheus.expect("sum(service_environment:deployment_total:sum{service!=\"\"})", 2.0);
    let before = machine.journal().len();

    bad.switch("{\"error_percent\":60}");
    assert_eq!(deploy(&machine, &bad, "true"), Some(10));
    assert_eq!(deploy(&machine, &good, "false"), Some(1));
    prometheus.expect("service_environment:deployment_broken:bool", 1.0);
    assert_eq!(deploy(&machine, &good, "true"), Some(0));
    assert_eq!(deploy(&machine, &good, "true"), Some(0));
    migrate_behind_a_lock(&machine);
    let events = JournalEvents(machine.journal().split_off(before));
    let running_since = SystemClock.now();
    let started = machine.tool("dm-stage").args(["deployment", "--start"]).output().unwrap();
    assert!(started.status.success(), "{started:?}");
    // This migration runs until its stdin is closed.
    let mut migration = machine.tool("dm-migrate");
    let mut migration = migration.args(["--", "cat"]).stdin(Stdio::piped()).spawn().unwrap();
    prometheus.expect("sum(deployment_in_progress)", 1.0);
    prometheus.expect("sum(database_migration_in_progress)", 1.0);
    prometheus.expect("sum(deployment_total{job=\"dm_counters\",stage=\"deployment\"})", 6.0);

    let mut with_data = 0;
    for dashboard in DASHBOARDS {
        for panel in dashboard.panels {
            for (query, _) in panel.queries {
                if WITHOUT_DATA.iter().any(|(without_data, _)| without_data == query) {
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

    let compared = compare_headlines(&prometheus, &events, running_since);
    drop(migration.stdin.take());
    assert!(migration.wait().unwrap().success());
    println!("{with_data} panels with data, {compared} of them compared with the journal");
}

/// Compares the values of the headlines with the journal, and returns the number of headlines.
fn compare_headlines(prometheus: &Prometheus, events: &JournalEvents, running_since: DateTime<Utc>) -> usize {
    let mut compared = 0;
    let mut expect = |dashboard: &str, title: &str, value: f64, tolerance: f64| {
        eventually(title, || match panel_samples(prometheus, dashboard, title).as_slice() {
            [sample] if (sample.value - value).abs() <= tolerance => Ok(()),
            other => Err(format!("{other:?}, but the journal has {value}")),
        });
        compared += 1;
    };
    let (good, bad) = (events.count("deployment", "success"), events.count("deployment", "failure"));
    let all = good + bad;
    let duration = |event: &Value| number(&event["duration_s"]);

    expect("pipeline", "Last deployment", 0.0, 0.0);
    expect("pipeline", "In progress", 1.0, 0.0);
    expect("pipeline", "Deployments, 24 h", all, 0.0);
    expect("pipeline", "Last build", duration(events.last("build")), 1e-9);

    let verdict = events.for_stage("rollback").rfind(|event| event["type"] == "rollback").unwrap();
    let evidence = &verdict["evidence"][0];
    expect("health", "Error rate", 100.0 * number(&evidence["errors"]) / number(&evidence["total"]), 1e-9);
    expect("health", "p95 latency", number(&events.last("health_check")["latency_ms"]["p95"]), 1e-9);
    let failed_tests = events.sum("smoke_test", |event| {
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
        events.sum("health_check", |event| number(&event["failures"])),
        0.0,
    );

    expect("success", "Success rate, 30 d", good / all, 1e-6);
    expect("success", "Failures left, 30 d", all * 0.005 - bad, 1e-6);
    expect("success", "Change failure rate, 7 d", bad / all, 1e-6);
    expect("success", "Deployments a day, 7 d", good / 7.0, 1e-6);
    expect("success", "Mean time to restore, 30 d", events.mean_time_to_restore(), 0.01);
    // The middle of the bucket from one to two hours.
    expect("success", "Median lead time, 7 d", 5400.0, 1.0);

    expect("migrations", "Last migration", duration(events.last("migration")), 1e-9);
    let migrations = events.count("migration", "success") + events.count("migration", "failure");
    expect("migrations", "Migrations, 30 d", migrations, 0.0);
    expect("migrations", "Failed, 30 d", events.count("migration", "failure"), 0.0);
    expect("migrations", "Objective of 100 %", 0.0, 0.0);
    expect("migrations", "In progress", 1.0, 0.0);
    expect("migrations", "Lock wait", number(&events.last("migration")["lock_wait_s"]), 1e-9);
    expect("migrations", "Blocked sessions", 1.0, 0.0);

    let time = events.sum("deployment", duration);
    let cost = events.sum("deployment", |event| number(&event["cost_dollars"]));
    expect("costs", "Runner time, 7 d", time, 1e-6);
    expect("costs", "Cost, 7 d", cost, 1e-6);
    expect("costs", "Cost of a deployment", cost / good, 1e-6);
    expect("costs", "Mean time of a deployment, 7 d", time / all, 1e-6);

    // These values grow while the test reads them, so compare them with the clock before and after the query.
    let mut expect_since = |dashboard: &str, title: &str, since: DateTime<Utc>| {
        eventually(title, || {
            let before = SystemClock.now();
            let samples = panel_samples(prometheus, dashboard, title);
            let (minimum, maximum) = (before - since, SystemClock.now() - since);
            match samples.as_slice() {
                [sample]
                    if (minimum.as_seconds_f64() - 1.0..=maximum.as_seconds_f64() + 1.0)
                        .contains(&sample.value) =>
                {
                    Ok(())
                }
                other => Err(format!("{other:?}, expected {minimum} to {maximum}")),
            }
        });
        compared += 1;
    };
    expect_since("pipeline", "Running for", running_since);
    expect_since("migrations", "Since the last migration", end_time(events.last("migration")));
    compared
}
