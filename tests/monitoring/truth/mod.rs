//! Whether the rules tell the truth: after real deployments, every count, objective, DORA metric and cost is compared with
//! the journal, on each database, although the gateway is restarted, the databases miss a part of the deployments, and the
//! gateway has old data when they start.
//!
//! The tests run a slice, with a scrape every second. `scripts/trials.sh truth` runs the whole: the intervals that people
//! use, the rules with their own intervals, and more deployments.

mod drive;
mod journal;
mod rules;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use drive::Fleet;
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
        eventually_within(Duration::from_mins(10), "the database sees the gateway", || {
            let marker = "count_over_time(service_environment:post_deployment_request_errors_total:sum{service=\"\"}[1h]) >= 3";
            if database.query(marker).is_empty() { Err(name(database)) } else { Ok(()) }
        });
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
    let faults: Vec<String> = databases
        .iter()
        .flat_map(|database| {
            let left = limit.saturating_duration_since(Instant::now()).max(Duration::from_secs(1));
            let mut faults = Vec::new();
            wait_until(left, || {
                faults = expected.iter().flat_map(|rule| compare(database, rule)).collect();
                faults.is_empty()
            });
            faults
        })
        .collect();
    print_table(&databases, &expected, journal.iter().filter(|event| event["stage"] == "deployment").count());
    assert!(faults.is_empty(), "{} values are wrong:\n{}", faults.len(), faults.join("\n"));
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

/// The values of a rule that differ from the truth.
fn compare(database: &Tsdb, rule: &Expected) -> Vec<String> {
    let values = values(database, &rule.rule);
    let labels: BTreeSet<&Labels> = values.keys().chain(rule.values.keys()).collect();
    let wrong = labels.into_iter().filter_map(|labels| {
        let (value, truth) = (values.get(labels), rule.values.get(labels).copied());
        // A counter that has counted nothing may be absent; a service that has done nothing may be 0.
        let is_right = match (value, truth) {
            (Some(value), Some(truth)) => rule.accepts(*value, truth),
            // Ratios of nothing, and the services of the old deployments.
            (Some(value), None) => {
                value.is_nan()
                    || rule.accepts(*value, 0.0)
                    || (rule.accepts(*value, 1.0) && rule.rule.ends_with(":ratio30d"))
            }
            (None, truth) => truth.is_some_and(|truth| rule.accepts(0.0, truth)),
        };
        (!is_right).then(|| {
            format!("{}: {} {labels:?}: {value:?}, but the journal has {truth:?}", name(database), rule.rule)
        })
    });
    wrong.collect()
}

/// The sum of each rule over all labels, by database, next to the journal's.
#[expect(clippy::print_stdout, reason = "the table of a trial")]
fn print_table(databases: &[Tsdb], expected: &[Expected], deployments: usize) {
    println!("{deployments} deployments");
    let names: Vec<String> = databases.iter().map(name).collect();
    println!("| rule | journal | {} |", names.join(" | "));
    println!("| --- |{}", " ---: |".repeat(1 + names.len()));
    for rule in expected {
        let truth: f64 = rule.values.values().sum();
        let shown = databases.iter().map(|database| {
            let right = if compare(database, rule).is_empty() { "" } else { " WRONG" };
            let sum: f64 = values(database, &rule.rule).values().filter(|value| value.is_finite()).sum();
            format!("{sum:.4}{right}")
        });
        println!("| `{}` | {truth:.4} | {} |", rule.rule, shown.collect::<Vec<_>>().join(" | "));
    }
}

/// The rules without intervals of their own.
fn fast_rules(folder: &Path) -> Vec<PathBuf> {
    shortened_waits::rules(folder);
    let files = folder.read_dir().unwrap().map(|entry| entry.unwrap().path());
    files.collect()
}

#[test]
fn the_rules_say_what_the_journal_says() {
    let folder = tempfile::tempdir().unwrap();
    let rules = fast_rules(folder.path());
    run(&Scale {
        deployments: trial::rounds(21) as usize,
        long: "2",
        scrapes: vec![Duration::from_secs(1)],
        evaluation: Duration::from_secs(1),
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
