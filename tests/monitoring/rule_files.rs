//! The rules: Prometheus accepts them, their own tests pass, and the series that they name exist.

use std::collections::BTreeSet;

use crate::promql;
use crate::repository::{alerts, check, names, rule_files, rules};

#[test]
fn promtool_accepts_the_rules() {
    check("promtool", &["check", "rules", "--lint=all", "--lint-fatal"], &rule_files()).unwrap();
    check("promtool", &["check", "config", "config/prometheus/prometheus.yml"], &[]).unwrap();
}

#[test]
fn the_rules_pass_their_tests() {
    // In parallel, because each of them replays days.
    std::thread::scope(|threads| {
        let run = |file| check("promtool", &["test", "rules"], &[file]).map(drop);
        let tests = names("config/prometheus/tests", "_test.yml").into_iter();
        let running: Vec<_> = tests.map(|file| threads.spawn(move || run(file))).collect();
        for test in running {
            test.join().unwrap().unwrap_or_else(|output| panic!("{output}"));
        }
    });
}

/// As above, on the later generation.
#[test]
#[ignore = "takes half a minute: scripts/trials.sh rules"]
fn the_rules_pass_their_tests_on_the_later_generation() {
    for file in names("config/prometheus/tests", "_test.yml") {
        let mut command = std::process::Command::new(testkit::bin::later_server("promtool"));
        let output = command.args(["test", "rules"]).arg(crate::repository::path(&file)).output().unwrap();
        assert!(output.status.success(), "{file}: {output:?}");
    }
}

/// The form that the file with the counts explains, so that it needs to be understood only once.
#[test]
fn every_increase_is_counted_in_the_same_form() {
    let mut found = 0;
    for rule in rules() {
        let Some((counter, window)) = rule.record.as_deref().and_then(|name| name.split_once(":increase"))
        else {
            continue;
        };
        if counter == "service_environment:deployments" {
            continue;
        }
        let (sum, on) = (format!("{counter}:sum"), if counter.starts_with("slo:") { "slo" } else { "" });
        let form = format!(
            "increase({sum}[{window}]) and resets({sum}[{window}]) > 0 or \
             max_over_time({sum}[{window}]) and count_over_time({sum}[{window}]) < on ({on}) group_left () \
             count_over_time({sum}{{service=\"\"}}[{window}]) - 1 unless last_over_time({sum}[15m] offset {window}) or \
             max_over_time({sum}{{service!=\"\"}}[{window}]) - min_over_time({sum}[{window}])"
        );
        let written = rule.expr.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(written, form, "{}", rule.name());
        found += 1;
    }
    assert!(found > 20, "{found}");
    for rule in rules().iter().filter(|rule| rule.name().ends_with(":sum")) {
        assert!(
            rule.expr.trim_end().ends_with("or min(up{job=\"pushgateway\"}) == 1"),
            "{}: no marker",
            rule.name()
        );
    }
}

#[test]
fn every_series_that_a_rule_names_exists() {
    for rule in rules() {
        assert_eq!(promql::faults(&rule.expr), Vec::<String>::new(), "in {}", rule.name());
    }
}

#[test]
fn every_alert_has_a_unique_name_and_what_a_receiver_needs() {
    let mut alert_names = BTreeSet::new();
    for alert in alerts() {
        let name = alert.name();
        assert!(alert_names.insert(name.to_owned()), "{name} exists twice");
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
        // A value in a label would create a new alert at each evaluation.
        assert!(alert.labels.values().all(|value| !value.contains("$value")), "{name}: a value in a label");
    }
}

/// Each alert needs a test in which it fires and one in which it is silent.
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
        let alert_cases = || cases.iter().filter(|case| case["alertname"] == alert.name());
        let fires = |case: &&&serde_json::Value| {
            case["exp_alerts"].as_array().is_some_and(|alerts| !alerts.is_empty())
        };
        assert!(alert_cases().any(|case| fires(&case)), "{} fires in no test", alert.name());
        // The watchdog always fires, so no test can find it silent.
        assert!(
            !alert_cases().all(|case| fires(&case)) || alert.name() == "DeploymentWatchdog",
            "{} is silent in no test",
            alert.name()
        );
    }
}
