//! The rules: Prometheus takes them, their own tests pass, and what they ask for exists.

use std::collections::BTreeSet;

use crate::promql;
use crate::repository::{alerts, check, names, rule_files, rules};

#[test]
fn promtool_has_nothing_to_say_against_the_rules() {
    check("promtool", &["check", "rules", "--lint=all", "--lint-fatal"], &rule_files()).unwrap();
    check("promtool", &["check", "config", "config/prometheus/prometheus.yml"], &[]).unwrap();
}

#[test]
fn the_rules_pass_their_tests() {
    // Side by side: each of them replays days.
    std::thread::scope(|threads| {
        let run = |file| check("promtool", &["test", "rules"], &[file]).map(drop);
        let tests = names("config/prometheus/tests", "_test.yml").into_iter();
        let running: Vec<_> = tests.map(|file| threads.spawn(move || run(file))).collect();
        for test in running {
            test.join().unwrap().unwrap_or_else(|said| panic!("{said}"));
        }
    });
}

#[test]
fn every_series_that_a_rule_names_exists() {
    for rule in rules() {
        assert_eq!(promql::faults(&rule.expr), Vec::<String>::new(), "in {}", rule.name());
    }
}

#[test]
fn every_alert_has_a_name_of_its_own_and_what_a_receiver_needs() {
    let mut seen = BTreeSet::new();
    for alert in alerts() {
        let name = alert.name();
        assert!(seen.insert(name.to_owned()), "{name} is there twice");
        let severity = alert.labels.get("severity").map(String::as_str);
        assert!(
            matches!(severity, Some("critical" | "high" | "medium" | "info" | "none")),
            "{name}: severity {severity:?}"
        );
        for annotation in ["summary", "description", "runbook_url", "dashboard_url"] {
            assert!(
                alert.annotations.get(annotation).is_some_and(|text| !text.is_empty()),
                "{name}: no {annotation}"
            );
        }
        // A value in a label would make each evaluation another alert.
        assert!(alert.labels.values().all(|value| !value.contains("$value")), "{name}: a value in a label");
    }
}

/// Each alert is tested once firing and once silent, or it is not known to tell the two apart.
#[test]
fn every_alert_is_tested_firing_and_silent() {
    let tests: Vec<serde_json::Value> = names("config/prometheus/tests", "_test.yml")
        .iter()
        .map(|name| crate::repository::yaml(name))
        .collect();
    let cases: Vec<&serde_json::Value> = tests
        .iter()
        .flat_map(|file| file["tests"].as_array().unwrap())
        .flat_map(|test| test["alert_rule_test"].as_array().into_iter().flatten())
        .collect();
    for alert in alerts() {
        let of_alert = || cases.iter().filter(|case| case["alertname"] == alert.name());
        let fires = |case: &&&serde_json::Value| {
            case["exp_alerts"].as_array().is_some_and(|alerts| !alerts.is_empty())
        };
        assert!(of_alert().any(|case| fires(&case)), "no test sees {} fire", alert.name());
        // The one that always fires has no silence to be tested.
        assert!(
            !of_alert().all(|case| fires(&case)) || alert.name() == "DeploymentWatchdog",
            "no test sees {} silent",
            alert.name()
        );
    }
}
