//! Mutation testing of the alerting rules: changes each alert in many small ways and checks that its tests fail.
//!
//! One change at a time: each number, window and wait is doubled and halved, each comparison is reversed, each label
//! matcher is removed, and each label is changed. It takes minutes, so the other tests do not include it:
//! `scripts/mutate-rules.sh` runs it.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use serde_json::{Value, json};
use testkit::bin::server;

use crate::promql;
use crate::repository::{names, rule_files, yaml};

const WHOLE: &str = "the rule counts whole events";
const PRESENCE: &str =
    "0 times the same series as above: only its presence matters, and the series above is present too";
const TOO_OLD: &str = "a timestamp that has been missing for longer is too old to matter";
const SAME: &str =
    "`unless`, `/`, `and` and `>` match series with the same labels, so that one side selects for both";
const VALUE: &str = "nothing uses its value";

/// Mutants that no test can kill, because they are equivalent to the original rule, and the reason for each.
const EQUIVALENT: &[(&str, &str)] = &[
    ("DeploymentCountersReset: line 1: 0 → 0.5", WHOLE),
    ("DeploymentFailed: line 7: ,stage=\"deployment\" → nothing", PRESENCE),
    ("DeploymentFailed: line 7: 0 → 0.5", PRESENCE),
    ("DeploymentFailed: line 7: 15m → 1800s", PRESENCE),
    ("DeploymentFailed: line 7: job=\"dm\", → nothing", PRESENCE),
    ("DeploymentFailedRolledBack: line 7: ,stage=\"deployment\" → nothing", PRESENCE),
    ("DeploymentFailedRolledBack: line 7: 0 → 0.5", PRESENCE),
    ("DeploymentFailedRolledBack: line 7: 15m → 1800s", PRESENCE),
    ("DeploymentFailedRolledBack: line 7: job=\"dm\", → nothing", PRESENCE),
    ("DeploymentPushRejected: line 2: job=~\"dm|dm_counters|dm_run\" → nothing", SAME),
    ("DeploymentRollbackFailed: line 7: ,stage=\"rollback\" → nothing", PRESENCE),
    ("DeploymentRollbackFailed: line 7: 0 → 0.5", PRESENCE),
    ("DeploymentRollbackFailed: line 7: 15m → 1800s", PRESENCE),
    ("DeploymentRollbackFailed: line 7: job=\"dm\", → nothing", PRESENCE),
    ("DeploymentRolledBack: line 1: 15m → 1800s", TOO_OLD),
    ("DeploymentSLOBudgetExhausted: line 2: 0 → 0.5", WHOLE),
    ("DeploymentSLOBurnFast: line 3: 0 → 0.5", WHOLE),
    ("DeploymentSLOBurnSlow: line 3: 0 → 0.5", WHOLE),
    ("DeploymentWatchdog: line 1: 1 → 0.5", VALUE),
    ("DeploymentWatchdog: line 1: 1 → 2", VALUE),
    ("HealthCheckFailuresPostDeploy: line 15: 15m → 1800s", TOO_OLD),
    ("HealthCheckFailuresPostDeploy: line 18: 15m → 1800s", TOO_OLD),
    ("HealthCheckFailuresPostDeploy: line 20: ,stage=\"health_check\" → nothing", PRESENCE),
    ("HealthCheckFailuresPostDeploy: line 20: 0 → 0.5", PRESENCE),
    ("HealthCheckFailuresPostDeploy: line 20: 15m → 1800s", PRESENCE),
    ("HealthCheckFailuresPostDeploy: line 20: job=\"dm\", → nothing", PRESENCE),
    ("HealthCheckFailuresPostDeploy: line 5: ,result=\"failure\" → nothing", SAME),
    ("HealthCheckFailuresPostDeploy: line 5: job=\"dm_counters\", → nothing", SAME),
    ("SmokeTestsFailing: line 4: ,result=~\"fail|error\" → nothing", SAME),
    ("SmokeTestsFailing: line 4: job=\"dm_counters\", → nothing", SAME),
    ("TimeToDeployP95High: line 2: slo=\"time_to_deploy\" → nothing", SAME),
    ("TimeToDeployP95High: line 3: slo=\"time_to_deploy\" → nothing", SAME),
];

/// A rule file with one small fault in one alert.
struct Mutant {
    alert: String,
    description: String,
    rules: Value,
}

/// All mutations of an expression, as pairs of a description and the changed expression.
fn changes(expr: &str) -> Vec<(String, String)> {
    let mut changes = Vec::new();
    let mut change = |at: usize, end: usize, to: &str| {
        let line = expr[..at].matches('\n').count() + 1;
        let description =
            format!("line {line}: {} → {}", &expr[at..end], if to.is_empty() { "nothing" } else { to });
        changes.push((description, format!("{}{to}{}", &expr[..at], &expr[end..])));
    };
    let bytes = expr.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let rest = &expr[at..];
        let word =
            rest.find(|c: char| !c.is_ascii_alphanumeric() && !"_:.".contains(c)).unwrap_or(rest.len());
        let length = match bytes[at] {
            b'{' => {
                let end = at + rest.find('}').unwrap();
                for (from, to) in matchers(expr, at + 1, end) {
                    change(from, to, "");
                }
                end - at
            }
            b'"' => rest[1..].find('"').unwrap() + 2,
            b'>' | b'<' => {
                change(at, at + 1, if bytes[at] == b'>' { "<" } else { ">" });
                1
            }
            b'=' if rest.starts_with("==") => {
                change(at, at + 2, "!=");
                2
            }
            b'0'..=b'9' => {
                let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
                let number: f64 = rest[..digits].parse().unwrap();
                let unit = &rest[digits..word];
                for factor in [2.0, 0.5] {
                    // Doubling a zero changes nothing.
                    let to = if number == 0.0 { factor } else { number * factor };
                    let to = if unit == "d" { format!("{}h", to * 24.0) } else { format!("{to}{unit}") };
                    // Durations are whole numbers.
                    let to = if unit == "m" { format!("{}s", number * factor * 60.0) } else { to };
                    let to = if unit == "h" { format!("{}m", number * factor * 60.0) } else { to };
                    change(at, at + word, &to);
                }
                word
            }
            _ => word.max(1),
        };
        at += length;
    }
    changes
}

/// The ranges of the matchers between two braces, each with one adjacent comma.
fn matchers(expr: &str, from: usize, end: usize) -> Vec<(usize, usize)> {
    let mut ranges = Vec::new();
    let mut start = from;
    for (offset, _) in expr[from..end].match_indices(',').chain([(end - from, "")]) {
        let comma = from + offset;
        let range = if comma < end {
            (start, comma + 1)
        } else {
            (if start > from { start - 1 } else { start }, end)
        };
        ranges.push(range);
        start = comma + 1;
    }
    ranges
}

/// All mutants of all alerts.
fn mutants() -> Vec<Mutant> {
    let rules = all_rules();
    let mut mutants = Vec::new();
    for (g, group) in rules["groups"].as_array().unwrap().iter().enumerate() {
        for (r, rule) in group["rules"].as_array().unwrap().iter().enumerate() {
            let Some(alert) = rule["alert"].as_str() else { continue };
            let mut mutant = |description: String, change: &dyn Fn(&mut Value)| {
                let mut rules = rules.clone();
                change(&mut rules["groups"][g]["rules"][r]);
                retain_alert(&mut rules, alert);
                mutants.push(Mutant { alert: alert.to_owned(), description, rules });
            };
            for (description, expr) in changes(rule["expr"].as_str().unwrap()) {
                mutant(description, &|rule| rule["expr"] = expr.clone().into());
            }
            for wait in ["for", "keep_firing_for"] {
                let Some(text) = rule[wait].as_str() else { continue };
                let seconds = common::duration::parse(text).unwrap().as_secs();
                for to in [seconds * 2, seconds / 2] {
                    let to = format!("{to}s");
                    mutant(format!("{wait}: {text} → {to}"), &|rule| rule[wait] = to.clone().into());
                }
            }
            for label in rule["labels"].as_object().unwrap().keys() {
                mutant(format!("label {label} changed"), &|rule| rule["labels"][label] = "other".into());
            }
        }
    }
    mutants
}

/// Each alert unchanged, with the recording rules that it needs.
fn originals() -> impl Iterator<Item = (Value, String)> {
    crate::repository::alerts().into_iter().map(|alert| {
        let mut rules = all_rules();
        retain_alert(&mut rules, alert.name());
        (rules, alert.name().to_owned())
    })
}

/// The groups of all files.
fn all_rules() -> Value {
    let files = rule_files().into_iter().map(|file| yaml::<Value>(&file));
    let groups: Vec<Value> = files.flat_map(|file| file["groups"].as_array().unwrap().clone()).collect();
    json!({ "groups": groups })
}

/// Removes all other alerts, and the recording rules that this one does not need.
fn retain_alert(rules: &mut Value, alert: &str) {
    let original = crate::repository::alerts().into_iter().find(|rule| rule.name() == alert).unwrap();
    let read = promql::names_read(&original.expr);
    for group in rules["groups"].as_array_mut().unwrap() {
        group["rules"].as_array_mut().unwrap().retain(|rule| {
            rule["alert"].as_str() == Some(alert)
                || rule["record"].as_str().is_some_and(|name| read.contains(name))
        });
    }
    rules["groups"].as_array_mut().unwrap().retain(|group| !group["rules"].as_array().unwrap().is_empty());
}

/// The test files reduced to the tests of one alert. They stay separate because their evaluation intervals differ.
fn alert_tests(alert: &str, rules: &Value) -> Vec<Value> {
    let groups: BTreeSet<&str> =
        rules["groups"].as_array().unwrap().iter().map(|group| group["name"].as_str().unwrap()).collect();
    let matcher = format!("alertname=\"{alert}\"");
    let mut files = Vec::new();
    for name in names("config/prometheus/tests", "_test.yml") {
        let mut file: Value = yaml(&name);
        for test in file["tests"].as_array_mut().unwrap() {
            retain_cases(test, "alert_rule_test", |case| case["alertname"] == alert);
            retain_cases(test, "promql_expr_test", |case| case["expr"].as_str().unwrap().contains(&matcher));
        }
        let tests = file["tests"].as_array_mut().unwrap();
        tests.retain(|test| {
            ["alert_rule_test", "promql_expr_test"]
                .iter()
                .any(|kind| !test[*kind].as_array().unwrap().is_empty())
        });
        if tests.is_empty() {
            continue;
        }
        file["rule_files"] = json!(["rules.json"]);
        if let Some(order) = file.get_mut("group_eval_order") {
            order.as_array_mut().unwrap().retain(|group| groups.contains(group.as_str().unwrap()));
        }
        files.push(file);
    }
    files
}

/// Removes the cases of one kind from a test that do not satisfy the predicate.
fn retain_cases(test: &mut Value, kind: &str, predicate: impl Fn(&Value) -> bool) {
    let cases = test[kind].as_array().cloned().unwrap_or_default();
    test[kind] = cases.into_iter().filter(|case| predicate(case)).collect();
}

/// Whether the alert's tests pass with these rules.
fn passes(folder: &Path, alert: &str, rules: &Value) -> bool {
    common::fs::atomic::write(&folder.join("rules.json"), rules.to_string().as_bytes()).unwrap();
    alert_tests(alert, rules).iter().all(|tests| {
        let file = folder.join("test.json");
        common::fs::atomic::write(&file, tests.to_string().as_bytes()).unwrap();
        let run = Command::new(server("promtool")).args(["test", "rules"]).arg(&file).output().unwrap();
        run.status.success()
    })
}

#[test]
#[ignore = "takes minutes: scripts/mutate-rules.sh"]
fn every_mutant_is_killed_by_the_tests_of_its_alert() {
    let name_part = std::env::var("DM_MUTATE").unwrap_or_default();
    let mutants: Vec<Mutant> =
        mutants().into_iter().filter(|mutant| mutant.alert.contains(&name_part)).collect();
    assert!(!mutants.is_empty(), "no alert has {name_part:?} in its name");
    // Tests that fail without a mutation would kill every mutant.
    let folder = tempfile::tempdir().unwrap();
    for (file, alert) in originals().filter(|(_, alert)| alert.contains(&name_part)) {
        assert!(passes(folder.path(), &alert, &file), "the tests of {alert} fail without a mutation");
    }
    let next = AtomicUsize::new(0);
    let survivors = Mutex::new(BTreeSet::new());
    thread::scope(|threads| {
        for _ in 0..thread::available_parallelism().map_or(2, usize::from) {
            threads.spawn(|| {
                let folder = tempfile::tempdir().unwrap();
                while let Some(mutant) = mutants.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if passes(folder.path(), &mutant.alert, &mutant.rules) {
                        survivors.lock().unwrap().insert(format!("{}: {}", mutant.alert, mutant.description));
                    }
                }
            });
        }
    });
    let survivors = survivors.into_inner().unwrap();
    println!(
        "{} mutants, {} killed, {} survived",
        mutants.len(),
        mutants.len() - survivors.len(),
        survivors.len()
    );
    for survivor in &survivors {
        let reason = EQUIVALENT.iter().find(|(mutant, _)| mutant == survivor).map(|(_, reason)| *reason);
        println!("{survivor}: {}", reason.unwrap_or("NOT DETECTED BY ANY TEST"));
    }
    let equivalent = EQUIVALENT.iter().map(|(mutant, _)| (*mutant).to_owned());
    let expected: BTreeSet<String> = equivalent
        .filter(|mutant| mutant.split(':').next().is_some_and(|alert| alert.contains(&name_part)))
        .collect();
    assert_eq!(survivors, expected);
}
