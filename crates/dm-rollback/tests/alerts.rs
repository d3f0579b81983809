//! `--if-alert` with a real Prometheus, whose rules fire, and a real Alertmanager.
#![expect(clippy::unwrap_used, reason = "a panic is a failed test")]

use assert_cmd::Command;
use assert_cmd::assert::Assert;
use chrono::{DateTime, TimeDelta, Utc};
use common::clock::{Clock, SystemClock};
use predicates::prelude::*;
use predicates::str::contains;
use serde_json::{Value, json};
use tempfile::TempDir;
use testkit::alertmanager::Alertmanager;
use testkit::fault;
use testkit::prometheus::Prometheus;
use testkit::pushgateway::Pushgateway;
use testkit::server::eventually;

/// All conditions begin with Prometheus itself. Alertmanager gets the severity `critical` instead of `page`.
const RULES: &str = "groups:
- name: alerts
  rules:
  - {alert: Waits, expr: vector(1), for: 5s, labels: {service: api, environment: production}}
  - {alert: Relabelled, expr: vector(1), for: 5s, labels: {service: api, environment: production, severity: page}}
  - {alert: HighErrorRate, expr: vector(1), labels: {job: web, namespace: web}}
  - {alert: Pending, expr: vector(1), for: 1h, labels: {service: api, environment: production}}
  - {alert: PendingElsewhere, expr: vector(1), for: 1h, labels: {service: web}}
  - {alert: NoEnvironment, expr: vector(1), labels: {service: api}}
  - {alert: Staging, expr: vector(1), labels: {service: api, environment: staging}}
";

struct Monitoring {
    _gateway: Pushgateway,
    prometheus: Prometheus,
    alertmanager: Alertmanager,
    state: TempDir,
}

impl Monitoring {
    /// A Prometheus with these rules, and the Alertmanager that it notifies.
    fn start(rules: &str) -> Self {
        let alertmanager = Alertmanager::with("{route: {receiver: nobody}, receivers: [{name: nobody}]}");
        let (gateway, data) = (Pushgateway::start(), tempfile::tempdir().unwrap());
        common::fs::atomic::write(&data.path().join("rules.yml"), rules.as_bytes()).unwrap();
        let more = format!(
            "rule_files: [rules.yml]\nalerting:\n  alertmanagers: [{{static_configs: [{{targets: ['{}']}}]}}]\n  \
             alert_relabel_configs: [{{source_labels: [severity], regex: page, target_label: severity, \
             replacement: critical}}]",
            alertmanager.address()
        );
        let prometheus = Prometheus::with(&gateway, &more, data);
        Self { _gateway: gateway, prometheus, alertmanager, state: tempfile::tempdir().unwrap() }
    }

    fn alertmanager_url(&self) -> String {
        format!("http://{}", self.alertmanager.address())
    }

    fn wait_for(&self, alert: &str) {
        let url = format!("{}/api/v2/alerts", self.alertmanager_url());
        eventually(alert, || {
            let alerts: Value = reqwest::blocking::get(&url).unwrap().json().unwrap();
            let is_there = |active: &Value| active["labels"]["alertname"] == alert;
            if alerts.as_array().unwrap().iter().any(is_there) { Ok(()) } else { Err(alerts.to_string()) }
        });
    }

    /// The verdict on a deployment of the service api in production that began at `since`.
    fn judge(&self, prometheus: Option<&str>, alert: &str, since: DateTime<Utc>, args: &[&str]) -> Assert {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dm-rollback"));
        command
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("DM_STATE_DIR", self.state.path());
        command.env("DM_SERVICE", "api").env("DM_ENVIRONMENT", "production").env("DM_VERSION", "2.0");
        command.env("ALERTMANAGER_URL", self.alertmanager_url());
        command.envs(prometheus.map(|url| ("PROMETHEUS_URL", url)));
        command.args(["--dry-run", "--watch", "200ms", "--interval", "100ms", "--if-alert", alert]);
        command.args(["--since", &since.to_rfc3339()]).args(args).assert()
    }
}

#[test]
fn a_condition_that_began_before_the_deployment_is_no_reason() {
    // Prometheus rounds the start of a condition down to a second.
    let began = SystemClock.now() - TimeDelta::seconds(2);
    let monitoring = Monitoring::start(RULES);
    let url = monitoring.prometheus.url();
    eventually("pending alerts", || {
        let held = "(time() - ALERTS_FOR_STATE > 1) and on(alertname) ALERTS{alertstate=\"pending\"}";
        let pending = monitoring.prometheus.query(held);
        if pending.len() == 4 { Ok(()) } else { Err(format!("{pending:?}")) }
    });
    // The deployment begins while the condition holds already, and the alert does not fire yet.
    let since = SystemClock.now();
    let pending = contains("the alert Pending does not fire yet, but its condition holds");
    monitoring.judge(Some(&url), "Pending", since, &[]).code(3).stderr(pending);
    monitoring.judge(Some(&url), "PendingElsewhere", since, &[]).code(0);
    monitoring.judge(None, "Pending", since, &[]).code(0);
    for alert in ["Waits", "Relabelled"] {
        monitoring.wait_for(alert);
    }
    let before = || contains("its condition began at").and(contains("before the deployment"));
    let waits = |prometheus, since, args: &[&str]| monitoring.judge(prometheus, "Waits", since, args);
    waits(Some(&url), since, &[]).code(3).stderr(contains("the alert Waits fires, but").and(before()));
    waits(Some(&url), began, &[]).code(11).stderr(contains("the alert Waits fires: its condition began at"));
    waits(None, since, &["--prometheus", &url]).code(3).stderr(before());
    // Prometheus does not find the relabelled alert, but its rule.
    let as_rule = before().and(contains("5.0s before it fired, as its rule says"));
    monitoring.judge(Some(&url), "Relabelled", since, &[]).code(3).stderr(as_rule);
    // Without Prometheus it looks new, and the verdict says why.
    let firing = contains("the alert Waits fires: it began to fire at").and(contains("is not known without"));
    waits(None, since, &[]).code(11).stderr(firing);
    waits(None, since, &["--alert-for", "10s"]).code(3).stderr(before());
    waits(None, began, &["--alert-for", "1ms"]).code(11);
    // A Prometheus that is down proves nothing.
    let refused = fault::refused();
    waits(Some(&refused), began, &[])
        .code(3)
        .stderr(contains("Prometheus cannot say when its condition began"));
    waits(Some(&refused), since, &["--alert-for", "10s"]).code(3).stderr(before());
}

#[test]
fn only_an_alert_that_names_this_service_counts() {
    // Prometheus rounds the start of a condition down to a second.
    let began = SystemClock.now() - TimeDelta::seconds(2);
    let monitoring = Monitoring::start(RULES);
    let url = monitoring.prometheus.url();
    let judge = |alert: &str, args: &[&str]| monitoring.judge(Some(&url), alert, began, args);
    for alert in ["HighErrorRate", "NoEnvironment", "Staging"] {
        monitoring.wait_for(alert);
    }
    let advice = "HighErrorRate fires, but its labels do not name the service api: give --alert-match job=web if it is \
                  about it";
    judge("HighErrorRate", &[]).code(3).stderr(contains(advice));
    judge("HighErrorRate", &["--alert-match", "job=web", "--alert-match", "namespace=web"]).code(11);
    judge("HighErrorRate", &["--alert-match", "job=web", "--alert-match", "namespace=shop"])
        .code(0)
        .stderr(contains("HighErrorRate fires with namespace=web"));
    judge("HighErrorRate", &["--alert-match", "job=web", "--alert-match", "pod=a"]).code(3);
    judge("NoEnvironment", &[]).code(3).stderr(contains("do not name the environment production"));
    judge("NoEnvironment", &["--alert-match", "service=api"]).code(11);
    judge("Staging", &[]).code(0).stderr(contains("Staging fires with environment=staging"));
    judge("Staging", &["--alert-match", "job"]).code(2).stderr(contains("a label and its value"));
}

#[test]
fn an_alert_that_prometheus_does_not_know_needs_a_word_of_the_operator() {
    let monitoring = Monitoring::start("groups: []");
    let began = SystemClock.now();
    let labels = json!({"alertname": "Forged", "service": "api", "environment": "production"});
    let url = format!("{}/api/v2/alerts", monitoring.alertmanager_url());
    let client = reqwest::blocking::Client::new();
    let alert = json!([{"labels": labels}]).to_string();
    let posted = client.post(&url).header("Content-Type", "application/json").body(alert).send().unwrap();
    assert!(posted.status().is_success());
    monitoring.wait_for("Forged");
    monitoring.prometheus.expect("vector(1)", 1.0);
    let url = monitoring.prometheus.url();
    let judge = |args: &[&str]| monitoring.judge(Some(&url), "Forged", began, args);
    judge(&[]).code(3).stderr(contains("Prometheus does not know it"));
    judge(&["--alert-for", "0s"]).code(11);
}
