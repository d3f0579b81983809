//! Whether the rules tell the truth: after real deployments, every count, objective, DORA metric and cost is compared with
//! the journal, on each database, although the gateway is restarted, the databases miss a part of the deployments, and the
//! gateway has old data when they start.
//!
//! The tests run a slice, with a scrape every second. `scripts/trials.sh truth` runs the whole: the intervals that people
//! use, the rules with their own intervals, and more deployments.
#![expect(clippy::print_stdout, reason = "the table of a trial")]

mod drive;
mod journal;
mod rules;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

pub(crate) use drive::Fleet;
use journal::{Counts, Labels};
use rules::Expected;
use serde_json::Value;
use testkit::port::ReservedPort;
use testkit::prometheus::Sample;
use testkit::pushgateway::Pushgateway;
use testkit::server::eventually_within;
use testkit::trial;
use testkit::tsdb::{Product, Settings, Tsdb};

use crate::repository;
use crate::shortened_waits;

/// The scale of a run.
struct Scale {
    /// The number of deployments that count.
    deployments: usize,
    /// Seconds of a long stage.
    long: &'static str,
    /// The times between two scrapes: each database runs once with each.
    scrapes: Vec<Duration>,
    /// The time between two evaluations of the rules that have no interval of their own.
    evaluation: Duration,
    /// See [`Settings::latency`].
    latency: Option<Duration>,
    /// The files with the rules.
    rules: Vec<PathBuf>,
    /// The minimum time for which the databases are down.
    gap: Duration,
    /// The limit for the rules to be right, after the last push.
    limit: Duration,
}

/// The gateway at a fixed address, with a file, as it is meant to be run.
fn gateway(port: &ReservedPort, folder: &Path) -> Pushgateway {
    let file = format!("--persistence.file={}", folder.join("gateway").display());
    Pushgateway::with(&port.address(), &[&file, "--persistence.interval=5s"])
}

/// 500 deployments that were counted before any database existed.
fn old_deployments(gateway: &Pushgateway) {
    let body = "# TYPE deployment_total counter\n\
        deployment_total{status=\"success\"} 480\ndeployment_total{status=\"failure\"} 20\n";
    gateway.put("job/dm_counters/environment/production/service/shop/stage/deployment/slot/1", body);
    gateway.put("job/dm_counters/environment/staging/service/search/stage/deployment/slot/0", body);
}

fn run(scale: &Scale) {
    let (port, folder) = (ReservedPort::new(), tempfile::tempdir().unwrap());
    let first = gateway(&port, folder.path());
    old_deployments(&first);
    let fleet = Fleet::new(&first.url(), scale.long);
    fleet.deploy(4, false);
    fleet.flush();
    let before = (events(&fleet).len(), restored(&first));

    let settings = |scrape| Settings {
        gateway: port.address(),
        scrape,
        evaluation: scale.evaluation,
        latency: scale.latency,
        rules: scale.rules.clone(),
    };
    let of = |product| scale.scrapes.iter().map(move |&scrape| (product, scrape));
    let mut databases: Vec<Tsdb> = Product::ALL
        .into_iter()
        .flat_map(of)
        .map(|(product, scrape)| Tsdb::start(product, settings(scrape)))
        .collect();
    for database in &databases {
        // A new database takes what it finds in its first two minutes for old.
        database.wait_for_marker();
    }

    let third = scale.deployments / 3;
    fleet.deploy(third, false);
    first.shut_down();
    let second = gateway(&port, folder.path());
    fleet.deploy(third, false);
    for database in &mut databases {
        database.stop();
    }
    let stopped = Instant::now();
    fleet.deploy(scale.deployments - 2 * third, true);
    fleet.flush();
    eventually_within(scale.gap + Duration::from_mins(1), "the gap", || {
        if stopped.elapsed() < scale.gap { Err(format!("{:?}", stopped.elapsed())) } else { Ok(()) }
    });
    for database in &mut databases {
        database.resume();
    }

    let journal = events(&fleet).split_off(before.0);
    assert_every_ending(&journal);
    let mut counts = Counts::new(&journal);
    counts.add_restored(&before.1, &restored(&second));
    let expected = rules::expected(&counts);
    assert!(expected.len() > 30, "{} rules", expected.len());
    let limit = Instant::now() + scale.limit;
    let columns: Vec<Column> = databases
        .iter()
        .map(|database| {
            let left = limit.saturating_duration_since(Instant::now()).max(Duration::from_secs(1));
            let mut column = Column::read(database, &expected);
            wait_until(left, || {
                column = Column::read(database, &expected);
                column.faults.is_empty()
            });
            column
        })
        .collect();
    println!("{} deployments", journal.iter().filter(|event| event["stage"] == "deployment").count());
    print_table(&columns, &expected);
    let faults: Vec<String> = columns.into_iter().flat_map(|column| column.faults).collect();
    assert!(faults.is_empty(), "{} values are wrong:\n{}", faults.len(), faults.join("\n"));
}

/// What a database says: the sum of each rule over all labels, and the values that are wrong.
struct Column {
    name: String,
    sums: Vec<f64>,
    faults: Vec<String>,
}

impl Column {
    fn read(database: &Tsdb, expected: &[Expected]) -> Self {
        let mut column = Self { name: name(database), sums: Vec::new(), faults: Vec::new() };
        for rule in expected {
            let values = values(database, &rule.rule);
            column.sums.push(values.values().filter(|value| value.is_finite()).sum());
            let wrong = rule.differences(&values).into_iter();
            column.faults.extend(wrong.map(|difference| format!("{}: {difference}", column.name)));
        }
        column
    }
}

/// Calls `attempt` until it returns true, or until the time is over.
fn wait_until(limit: Duration, mut attempt: impl FnMut() -> bool) {
    let started = Instant::now();
    eventually_within(limit + Duration::from_mins(1), "the end of the wait", || {
        if attempt() || started.elapsed() > limit { Ok(()) } else { Err(String::new()) }
    });
}

fn name(database: &Tsdb) -> String {
    format!("{} @ {}s", database.product.name(), database.settings.scrape.as_secs())
}

/// The finished pieces of work in the journal.
fn events(fleet: &Fleet) -> Vec<Value> {
    fleet.machine.journal().into_iter().filter(|line| line["type"] != "start").collect()
}

/// The slice would prove little if something did not happen in it.
fn assert_every_ending(journal: &[Value]) {
    let endings: BTreeSet<String> = journal
        .iter()
        .map(|event| format!("{} {}", event["stage"], event["status"]).replace('"', ""))
        .collect();
    for ending in [
        "deployment success",
        "deployment failure",
        "deployment cancelled",
        "build failure",
        "migration failure",
        "smoke_test failure",
        "rollback success",
        "health_check failure",
    ] {
        assert!(endings.contains(ending), "no {ending} among {endings:?}");
    }
}

/// The number of outages that ended, and their seconds, as the gateway has them: the journal does not.
fn restored(gateway: &Pushgateway) -> BTreeMap<Labels, [f64; 2]> {
    let mut restored: BTreeMap<Labels, [f64; 2]> = BTreeMap::new();
    for (index, metric) in ["count", "sum"].iter().enumerate() {
        for line in gateway.series(&format!("deployment_time_to_restore_seconds_{metric}"), &[]) {
            let (series, value) = line.rsplit_once(' ').unwrap();
            let label = |name: &str| {
                let rest = series.split_once(&format!("{name}=\"")).unwrap().1;
                (name.to_owned(), rest.split_once('"').unwrap().0.to_owned())
            };
            let labels = Labels::from([label("service"), label("environment"), label("stage")]);
            restored.entry(labels).or_default()[index] += value.parse::<f64>().unwrap();
        }
    }
    restored
}

/// What a database says of a rule.
fn values(database: &Tsdb, rule: &str) -> BTreeMap<Labels, f64> {
    let samples = database.query(&format!("{rule}{{service!=\"\"}}")).into_iter();
    samples
        .map(|Sample { mut labels, value }| {
            labels.remove("__name__");
            if let Some(bound) = labels.get_mut("le") {
                // 720 and 720.0 are the same.
                *bound = bound.parse::<f64>().unwrap().to_string();
            }
            (labels, value)
        })
        .collect()
}

/// A table of the rules, with a column for the journal and one for each database.
fn print_table(columns: &[Column], expected: &[Expected]) {
    let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
    println!("| rule | journal | {} |", names.join(" | "));
    println!("| --- |{}", " ---: |".repeat(1 + names.len()));
    for (row, rule) in expected.iter().enumerate() {
        let truth: f64 = rule.values.values().sum();
        let sums: Vec<String> = columns.iter().map(|column| format!("{:.4}", column.sums[row])).collect();
        println!("| `{}` | {truth:.4} | {} |", rule.rule, sums.join(" | "));
    }
}

/// The rules without intervals of their own.
pub(crate) fn fast_rules(folder: &Path) -> Vec<PathBuf> {
    shortened_waits::rules(folder);
    let files = folder.read_dir().unwrap().map(|entry| entry.unwrap().path());
    files.collect()
}

#[test]
fn the_rules_say_what_the_journal_says() {
    let folder = tempfile::tempdir().unwrap();
    let rules = fast_rules(folder.path());
    run(&Scale {
        deployments: trial::rounds(14) as usize,
        long: "1",
        scrapes: vec![Duration::from_secs(1)],
        // Longer than the two seconds for which vmalert collects samples before it writes them.
        evaluation: Duration::from_secs(3),
        latency: Some(Duration::from_secs(2)),
        rules,
        gap: Duration::ZERO,
        limit: Duration::from_mins(2),
    });
}

#[test]
#[ignore = "takes half an hour: scripts/trials.sh truth"]
fn the_rules_say_what_the_journal_says_at_every_interval() {
    run(&Scale {
        deployments: trial::rounds(66) as usize,
        long: "20",
        scrapes: vec![Duration::from_secs(5), Duration::from_secs(15), Duration::from_mins(1)],
        evaluation: Duration::from_secs(15),
        latency: None,
        rules: repository::rule_files().iter().map(|file| repository::path(file)).collect(),
        // Longer than the five minutes for which a sample stays valid.
        gap: Duration::from_mins(6),
        // The longest interval of a group, and vmalert's delay, with some time to spare.
        limit: Duration::from_mins(9),
    });
}
