//! Every panel of every dashboard, after real deployments: it shows something, and the headlines show the truth.

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
use crate::shortened;

/// What shows nothing here, and why.
const NOT_YET: [(&str, &str); 1] = [("service_environment:deployments:baseline1d{@S}", "needs 3 weeks")];

const SUITE: &str = "[[test]]\nname = \"health\"\nhttp = { url = \"/health\" }\n\
    [[test]]\nname = \"orders\"\nhttp = { url = \"/api/orders\" }\n\
    [[test]]\nname = \"orders again\"\nhttp = { url = \"/api/orders\" }\n";

/// A deployment as a team's script has it; `MIGRATE` is the migration. By this limit few requests are enough to judge.
const DEPLOY: &str = "set -u
    dm-stage build -- true
    dm-stage deploy -- true
    dm-health --url \"$BASE/health\" --interval 10ms --min-success 4 --format jsonl > health
    dm-migrate -- $MIGRATE || exit
    dm-smoke smoke.toml --base-url \"$BASE\" --format jsonl > smoke || true
    dm-health --url \"$BASE/api/orders\" --interval 10ms --watch 1200ms --max-fail 500 --format jsonl |
        dm-rollback --if-error-rate 20 --cool-down 0s --verify-url \"$BASE/health\" -- true > verdict";

fn deploy(machine: &Machine, service: &Service, migrate: &str) -> Option<i32> {
    common::fs::atomic::write(&machine.folder().join("smoke.toml"), SUITE.as_bytes()).unwrap();
    let mut command = machine.tool("dm-stage");
    command.args(["deployment", "--", "bash", "-c", DEPLOY]).env("MIGRATE", migrate);
    let output = command.env("BASE", service.health().replace("/health", "")).output().unwrap();
    assert!(!String::from_utf8_lossy(&output.stderr).contains("not pushed"), "{output:?}");
    output.status.code()
}

/// A migration that waits for somebody else's lock, with a reader behind it.
fn migrate_behind_a_lock(machine: &Machine) {
    let server = Postgres::start();
    server.sql("create table orders (id int)");
    let lock = server.session("postgres", "somebody", "begin; select from orders");
    let mut migration = machine.tool("dm-migrate");
    migration.env("PSQL", postgres::program("psql")).env("DATABASE_URL", server.url("postgres"));
    migration.args(["--", "bash", "-c", "exec $PSQL $DATABASE_URL -Xqc 'alter table orders add note text'"]);
    let mut migration = migration.stderr(Stdio::piped()).spawn().unwrap();
    let mut told = BufReader::new(migration.stderr.take().unwrap()).lines().map_while(Result::ok);
    assert!(told.any(|line| line.contains("waits behind it") || line.contains("nobody waits behind it")));
    let reader = server.background("postgres", "reader", "select from orders");
    assert!(told.any(|line| line.contains("1 session waits behind it")));
    lock.end();
    assert!(migration.wait().unwrap().success());
    reader.end();
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

    /// A deployment that was rolled back was restored within, others by the next that succeeded.
    fn mean_time_to_restore(&self) -> f64 {
        let (mut lengths, mut since, mut rolled_back) = (Vec::new(), None, None);
        for event in &self.0 {
            let duration = std::time::Duration::from_secs_f64(number(&event["duration_s"]));
            let began = ended(event) - duration;
            match (event["stage"].as_str().unwrap(), event["status"].as_str().unwrap()) {
                ("rollback", "success") if event["result"] == "verified" => rolled_back = Some(ended(event)),
                ("deployment", "failure") => {
                    since = since.or(Some(began));
                    if let Some(at) = rolled_back.take() {
                        lengths.extend(since.take().map(|since| at - since));
                    }
                }
                ("deployment", "success") => lengths.extend(since.take().map(|since| ended(event) - since)),
                _ => {}
            }
        }
        let number = f64::from(u32::try_from(lengths.len()).unwrap());
        lengths.into_iter().map(chrono::TimeDelta::as_seconds_f64).sum::<f64>() / number
    }

    fn sum(&self, stage: &'static str, number: impl Fn(&Value) -> f64) -> f64 {
        self.of(stage).map(number).sum()
    }
}

fn ended(event: &Value) -> DateTime<Utc> {
    event["ts"].as_str().unwrap().parse().unwrap()
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_default()
}

#[test]
fn every_panel_has_data_and_the_headlines_are_true() {
    let gateway = Pushgateway::start();
    let folder = tempfile::tempdir().unwrap();
    let rules = shortened::rules(folder.path());
    let commit = (SystemClock.now() - std::time::Duration::from_mins(90)).to_rfc3339();
    let machine = Machine::new()
        .with("PUSHGATEWAY_URL", &gateway.url())
        .with("DM_EXPORT_BUDGET", "30s")
        .with("DM_VERSION", "2.0")
        .with("DM_RUN_URL", "https://ci.example.com/runs/7")
        .with("DM_COMMIT_TIME", &commit)
        .with("DM_RUNNER_PRICE_PER_MINUTE", "0.6");

    // What is there before Prometheus is: it begins to count with what it sees first, and shows what comes after that.
    let (good, bad) = (Service::start(0), Service::start(60));
    assert_eq!(deploy(&machine, &bad, "true"), Some(10));
    assert_eq!(deploy(&machine, &good, "true"), Some(0));
    let prometheus = Prometheus::with(&gateway, &rules, tempfile::tempdir().unwrap());
    prometheus.expect("sum(deployment_total{job=\"dm_counters\",stage=\"deployment\"})", 2.0);
    let before = machine.journal().len();

    assert_eq!(deploy(&machine, &bad, "true"), Some(10));
    assert_eq!(deploy(&machine, &good, "false"), Some(1));
    prometheus.expect("service_environment:deployment_broken:bool", 1.0);
    assert_eq!(deploy(&machine, &good, "true"), Some(0));
    assert_eq!(deploy(&machine, &good, "true"), Some(0));
    migrate_behind_a_lock(&machine);
    let truth = Truth(machine.journal().split_off(before));
    let running_since = SystemClock.now();
    let started = machine.tool("dm-stage").args(["deployment", "--start"]).output().unwrap();
    assert!(started.status.success(), "{started:?}");
    // It runs until nobody writes to it any more.
    let mut migration = machine.tool("dm-migrate");
    let mut migration = migration.args(["--", "cat"]).stdin(Stdio::piped()).spawn().unwrap();
    prometheus.expect("sum(deployment_in_progress)", 1.0);
    prometheus.expect("sum(database_migration_in_progress)", 1.0);
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
    drop(migration.stdin.take());
    assert!(migration.wait().unwrap().success());
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

    expect("pipeline", "Last deployment", 0.0, 0.0);
    expect("pipeline", "In progress", 1.0, 0.0);
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
    expect("success", "Failures left, 30 d", all * 0.005 - bad, bad / 10.0);
    expect("success", "Change failure rate, 7 d", bad / all, 1e-6);
    expect("success", "Deployments a day, 7 d", good / 7.0, good / 70.0);
    expect("success", "Mean time to restore, 30 d", truth.mean_time_to_restore(), 0.01);
    // The middle of the bucket from one to two hours.
    expect("success", "Median lead time, 7 d", 5400.0, 1.0);

    expect("migrations", "Last migration", duration(truth.last("migration")), 1e-9);
    let migrations = truth.count("migration", "success") + truth.count("migration", "failure");
    expect("migrations", "Migrations, 30 d", migrations, 0.0);
    expect("migrations", "Failed, 30 d", truth.count("migration", "failure"), 0.0);
    expect("migrations", "Objective of 100 %", 0.0, 0.0);
    expect("migrations", "In progress", 1.0, 0.0);
    expect("migrations", "Waited for locks", number(&truth.last("migration")["lock_wait_s"]), 1e-9);
    expect("migrations", "Sessions held up", 1.0, 0.0);

    let time = truth.sum("deployment", duration);
    let cost = truth.sum("deployment", |event| number(&event["cost_dollars"]));
    expect("costs", "Runner time, 7 d", time, time / 10.0);
    expect("costs", "Cost, 7 d", cost, cost / 10.0);
    expect("costs", "Cost of a deployment", cost / good, 1e-6);
    expect("costs", "Mean time of a deployment, 7 d", time / all, 1e-6);

    // What grows while it is looked at: at the same moment, and rather by the machine's clock than by how long it took.
    let mut expect_since = |dashboard: &str, title: &str, since: DateTime<Utc>| {
        eventually(title, || {
            let before = SystemClock.now();
            let found = shown(prometheus, dashboard, title);
            let (least, most) = (before - since, SystemClock.now() - since);
            match found.as_slice() {
                [sample]
                    if (least.as_seconds_f64() - 1.0..=most.as_seconds_f64() + 1.0)
                        .contains(&sample.value) =>
                {
                    Ok(())
                }
                other => Err(format!("{other:?}, and it is {least} to {most}")),
            }
        });
        proven += 1;
    };
    expect_since("pipeline", "Running for", running_since);
    expect_since("migrations", "Since the last migration", ended(truth.last("migration")));
    proven
}
