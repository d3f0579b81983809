//! The incidents that a bad deployment opens, as Alertmanager reports them to PagerDuty.

use chrono::{DateTime, Utc};
use common::clock::{Clock as _, SystemClock};
use serde_json::{Value, json};
use testkit::alertmanager::Alertmanager;
use testkit::fault::{Recording, answer};
use testkit::server::eventually;

use crate::repository::{alerts, text};
use crate::routes::without_switch;

/// The objective that a bad deployment makes burn.
const OBJECTIVE: &str = "DeploymentSLOBurnFast";

/// The shipped configuration with short waits, whose secrets are in `folder` and whose receivers are paths below `url`.
fn config(folder: &std::path::Path, url: &str) -> String {
    for (name, secret) in [("pagerduty-key", "the-key"), ("slack-url", &format!("{url}/slack"))] {
        common::fs::atomic::write(&folder.join(name), secret.as_bytes()).unwrap();
    }
    for name in ["webhook-password", "watchdog-password"] {
        common::fs::atomic::write(&folder.join(name), b"secret").unwrap();
    }
    without_switch(&text("config/alertmanager/alertmanager.yml"))
        .replace("/etc/alertmanager/secrets", &folder.display().to_string())
        .replace("pagerduty_configs:\n", &format!("pagerduty_configs:\n      - url: {url}/pagerduty\n"))
        .replace("      - routing_key_file", "        routing_key_file")
        .replace("https://hooks.example.com", url)
        .replace("https://tickets.example.com", url)
        .replace("https://logs.example.com", url)
        .replace("https://watchdog.example.com", url)
        .replace("group_wait: 10s", "group_wait: 1s")
        .replace("group_interval: 5m", "group_interval: 1s")
}

/// An alert of the service `api`, with the labels of its rule. It began just now: Alertmanager does not wait for the rest of a
/// group if an alert is older than its wait. It has ended, or goes on.
fn alert(name: &str, began: DateTime<Utc>, has_ended: bool) -> Value {
    let rule = alerts().into_iter().find(|rule| rule.name() == name).unwrap();
    let mut labels = json!(rule.labels);
    for (label, value) in [("alertname", name), ("service", "api"), ("environment", "production")] {
        labels[label] = value.into();
    }
    let annotations = json!({ "summary": format!("{name}!"), "run_url": "https://ci.example.com/7",
        "runbook_url": rule.annotations["runbook_url"] });
    let mut alert = json!({ "labels": labels, "annotations": annotations, "startsAt": began.to_rfc3339() });
    if has_ended {
        alert["endsAt"] = SystemClock.now().to_rfc3339().into();
    }
    alert
}

fn post(alertmanager: &Alertmanager, alerts: &[Value]) {
    let url = format!("http://{}/api/v2/alerts", alertmanager.address());
    let response = reqwest::blocking::Client::new().post(url).json(alerts).send().unwrap();
    assert!(response.status().is_success(), "{response:?}");
}

/// The state of an alert in Alertmanager.
fn state(alertmanager: &Alertmanager, name: &str) -> Value {
    let url = format!("http://{}/api/v2/alerts", alertmanager.address());
    let alerts: Vec<Value> = reqwest::blocking::get(url).unwrap().json().unwrap();
    let alert = alerts.iter().find(|alert| alert["labels"]["alertname"] == name);
    alert.map(|alert| alert["status"]["state"].clone()).unwrap_or_default()
}

/// What PagerDuty got.
fn events(inbox: &Recording) -> Vec<Value> {
    let requests = inbox.requests().into_iter();
    let to_pagerduty = requests.filter(|request| request.head.starts_with("POST /pagerduty "));
    to_pagerduty.map(|request| serde_json::from_slice(&request.body).unwrap()).collect()
}

#[test]
fn a_bad_deployment_opens_one_incident_and_its_end_resolves_it() {
    let inbox = Recording::answering(|_| answer("202 Accepted", "{}"));
    let folder = tempfile::tempdir().unwrap();
    let alertmanager = Alertmanager::with(&config(folder.path(), &inbox.url));
    let began = SystemClock.now();
    // Every page that one bad deployment can cause.
    let pages = ["DeploymentFailed", "HealthCheckFailuresPostDeploy", "PostDeployErrorRateHigh"];
    let all = |has_ended| pages.map(|name| alert(name, began, has_ended));
    post(&alertmanager, &all(false));
    eventually("an incident", || if events(&inbox).is_empty() { Err("none".to_owned()) } else { Ok(()) });
    post(&alertmanager, &[alert(OBJECTIVE, began, false)]);
    eventually("the objective has no incident of its own", || match state(&alertmanager, OBJECTIVE) {
        state if state == "suppressed" => Ok(()),
        state => Err(state.to_string()),
    });
    // It ends first: the deployment's alerts no longer inhibit it when they have ended.
    post(&alertmanager, &[alert(OBJECTIVE, began, true)]);
    post(&alertmanager, &all(true));
    let resolved = |events: &[Value]| events.iter().any(|event| event["event_action"] == "resolve");
    eventually("it is resolved", || {
        if resolved(&events(&inbox)) { Ok(()) } else { Err(format!("{:?}", events(&inbox))) }
    });

    let events = events(&inbox);
    let [opened, closed] = events.as_slice() else { panic!("{events:#?}") };
    assert_eq!(opened["event_action"], "trigger");
    assert_eq!(opened["routing_key"], "the-key");
    assert_eq!(opened["dedup_key"], closed["dedup_key"]);
    let payload = &opened["payload"];
    assert_eq!(payload["severity"], "critical");
    assert_eq!((&payload["component"], &payload["group"]), (&json!("api"), &json!("production")));
    for name in pages {
        assert!(payload["summary"].as_str().unwrap().contains(&format!("{name}!")), "{payload}");
    }
    assert!(payload["custom_details"]["run"].as_str().unwrap().contains("https://ci.example.com/7"));
    // PagerDuty refuses an event with an empty link, and these alerts have no dashboard.
    let links = opened["links"].as_array().unwrap();
    assert_eq!(links.len(), 2);
    assert!(links.iter().all(|link| link["href"].as_str().unwrap().starts_with("http")), "{links:?}");
}
