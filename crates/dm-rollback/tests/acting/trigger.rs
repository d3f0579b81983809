//! `--from-alertmanager`: a payload is a hint that Alertmanager has to confirm.

use assert_cmd::assert::Assert;
use chrono::{DateTime, TimeDelta, Utc};
use common::clock::{Clock, SystemClock};
use predicates::prelude::*;
use predicates::str::contains;
use serde_json::{Value, json};
use testkit::alertmanager::Alertmanager;
use testkit::fault;
use testkit::server::eventually;

use crate::notifications::alertmanager;
use crate::team::{TRACE, Team, event};

fn labels() -> Value {
    json!({"alertname": "PostDeployErrorRateHigh", "service": "api", "environment": "production", "severity": "critical",
        "auto_action": "rollback"})
}

/// A payload as Alertmanager 0.25 posts it.
fn payload(status: &str, labels: &Value) -> String {
    json!({"receiver": "hook", "status": status, "externalURL": "http://alertmanager:9093", "version": "4",
        "groupKey": "{}:{alertname=\"PostDeployErrorRateHigh\"}", "truncatedAlerts": 0, "groupLabels": {},
        "commonLabels": labels, "commonAnnotations": {"summary": "x"},
        "alerts": [{"status": status, "labels": labels, "annotations": {"summary": "x"}, "fingerprint": "0123456789abcdef",
            "startsAt": "2026-01-01T00:00:00Z", "endsAt": "0001-01-01T00:00:00Z", "generatorURL": ""}]})
    .to_string()
}

/// Posts an alert with these labels that begins to fire now, and waits until Alertmanager lists it.
fn fires(alertmanager: &Alertmanager, labels: &Value) {
    fires_since(alertmanager, labels, SystemClock.now());
}

fn fires_since(alertmanager: &Alertmanager, labels: &Value, began: DateTime<Utc>) {
    post(alertmanager, "alerts", &json!([{"labels": labels, "startsAt": began.to_rfc3339()}]));
    let url = format!("http://{}/api/v2/alerts", alertmanager.address());
    eventually("the alert", || {
        let alerts: Value = reqwest::blocking::get(&url).unwrap().json().unwrap();
        let is_there = |alert: &Value| alert["labels"] == *labels;
        if alerts.as_array().unwrap().iter().any(is_there) { Ok(()) } else { Err(alerts.to_string()) }
    });
}

fn post(alertmanager: &Alertmanager, resource: &str, body: &Value) {
    let url = format!("http://{}/api/v2/{resource}", alertmanager.address());
    let post = reqwest::blocking::Client::new().post(&url).header("Content-Type", "application/json");
    assert!(post.body(body.to_string()).send().unwrap().status().is_success());
}

/// The result of a payload in a CI run that the relay started.
fn relayed(team: &Team, alertmanager: &str, payload: &str) -> Assert {
    relayed_with(team, alertmanager, payload, &[])
}

fn relayed_with(team: &Team, alertmanager: &str, payload: &str, flags: &[&str]) -> Assert {
    let mut tool = team.tool("", "");
    // The variables of the relay's own CI run do not describe the deployment.
    tool.env("GITHUB_ACTIONS", "true").env("GITHUB_RUN_ID", "99").env("GITHUB_RUN_ATTEMPT", "1");
    tool.env("GITHUB_SHA", "0123456789abcdef0123456789abcdef01234567").env("ALERTMANAGER_URL", alertmanager);
    tool.arg("--from-alertmanager");
    if !flags.contains(&"--verify-deadline") {
        // The alert fires on, whatever the command does.
        tool.args(["--verify-deadline", "100ms"]);
    }
    tool.args(flags).args(["--", "sh", "-c", TRACE]);
    tool.write_stdin(payload.to_owned()).assert()
}

/// A team whose deployment d-2 of version 2.0 followed a good one of 1.0.
fn team() -> Team {
    let team = Team::new();
    team.keeps("d-1", "1.0");
    team.append_event(&event("d-2", "api", "deploy", &json!({"version": "2.0"})));
    team
}

#[test]
fn an_alert_that_fires_rolls_back_the_last_deployment_once() {
    let (team, alertmanager) = (team(), alertmanager());
    let url = format!("http://{}", alertmanager.address());
    let firing = payload("firing", &labels());
    relayed(&team, &url, &firing).code(3).stderr(contains("is not (or no longer) active in Alertmanager"));
    assert!(team.trace().is_empty());
    fires(&alertmanager, &labels());
    relayed(&team, &url, &firing)
        .code(12)
        .stderr(contains("rollback: PostDeployErrorRateHigh fires, and Alertmanager confirms it"));
    // Alertmanager sends an alert again while it fires.
    relayed(&team, &url, &firing).code(12).stderr(contains("deployment d-2 was rolled back before"));
    assert_eq!(team.trace(), ["d-2 from 2.0 to 1.0"]);
}

/// The result of a payload about an alert that fires, if `change` happens while its rollback runs.
fn relayed_while(
    team: &Team,
    alertmanager: &Alertmanager,
    flags: &[&str],
    change: impl FnOnce() + Send,
) -> Assert {
    fires(alertmanager, &labels());
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let is_done = || if team.trace().is_empty() { Err("no trace".to_owned()) } else { Ok(()) };
            eventually("the rollback", is_done);
            change();
        });
        let url = format!("http://{}", alertmanager.address());
        relayed_with(team, &url, &payload("firing", &labels()), flags)
    })
}

#[test]
fn an_alert_that_is_silenced_during_the_rollback_verifies_nothing() {
    let (team, alertmanager) = (team(), alertmanager());
    let silence = || {
        let now = SystemClock.now();
        let silence = json!({
            "matchers": [{"name": "service", "value": "api", "isRegex": false}],
            "startsAt": now.to_rfc3339(), "endsAt": (now + TimeDelta::hours(1)).to_rfc3339(),
            "createdBy": "operator", "comment": "quiet, please",
        });
        post(&alertmanager, "silences", &silence);
    };
    relayed_while(&team, &alertmanager, &["--verify-deadline", "2s", "--bucket", "100ms"], silence)
        .code(12)
        .stderr(contains("the alert still fires after 2.0s"));
}

#[test]
fn an_alert_that_the_rollback_resolves_verifies_it() {
    let (team, alertmanager) = (team(), alertmanager());
    let resolve = || {
        let now = SystemClock.now();
        let (began, ended) = ((now - TimeDelta::seconds(60)).to_rfc3339(), now.to_rfc3339());
        post(&alertmanager, "alerts", &json!([{"labels": labels(), "startsAt": began, "endsAt": ended}]));
    };
    relayed_while(&team, &alertmanager, &["--verify-deadline", "1m", "--bucket", "50ms"], resolve)
        .code(10)
        .stderr(contains("rolled back and verified"));
    assert_eq!(team.ledger().last().unwrap()["result"], "verified");
}

#[test]
fn a_resolved_silenced_or_foreign_alert_rolls_nothing_back() {
    let (team, alertmanager) = (team(), alertmanager());
    let url = format!("http://{}", alertmanager.address());
    fires(&alertmanager, &labels());
    relayed(&team, &url, &payload("resolved", &labels()))
        .code(3)
        .stderr(contains("a resolved alert is no reason"));
    let mut other = labels();
    other["service"] = "web".into();
    relayed(&team, &url, &payload("firing", &other))
        .code(3)
        .stderr(contains("contains no alert of api in production"));
    let mut unmarked = labels();
    unmarked["auto_action"] = "incident".into();
    relayed(&team, &url, &payload("firing", &unmarked))
        .code(3)
        .stderr(contains("does not have the label auto_action"));
    for nonsense in ["", "{}", "[1]", "\u{0}", "{\"version\":\"4\",\"alerts\":7}"] {
        relayed(&team, &url, nonsense).code(3).stderr(contains("not a payload of Alertmanager"));
    }
    let matcher = json!({"name": "service", "value": "api", "isRegex": false, "isEqual": true});
    let silence = json!({"matchers": [matcher], "startsAt": "2026-01-01T00:00:00Z", "endsAt": "2100-01-01T00:00:00Z",
        "createdBy": "a person", "comment": "known"});
    post(&alertmanager, "silences", &silence);
    eventually("the silence", || {
        match relayed(&team, &url, &payload("firing", &labels())).get_output().status.code() {
            Some(3) => Ok(()),
            code => Err(format!("{code:?}")),
        }
    });
}

#[test]
fn without_an_answer_from_alertmanager_nothing_is_rolled_back() {
    let team = team();
    for url in
        [fault::refused(), fault::internal_error(), fault::answering(&fault::answer("200 OK", "<html>"))]
    {
        relayed(&team, &url, &payload("firing", &labels()))
            .code(3)
            .stderr(contains("fires according to the payload; Alertmanager cannot confirm it"));
    }
    let mut unasked = team.tool("d-2", "2.0");
    unasked.args(["--from-alertmanager", "--", "true"]).write_stdin("{}");
    unasked.assert().code(2).stderr(contains("before it acts: give --alertmanager-url"));
    assert!(team.trace().is_empty());
}

#[test]
fn the_other_sources_have_to_confirm_the_alert() {
    let (team, alertmanager) = (team(), alertmanager());
    fires(&alertmanager, &labels());
    let confirmed = |flags: &[&str]| {
        let mut tool = team.tool("d-2", "2.0");
        tool.env("ALERTMANAGER_URL", format!("http://{}", alertmanager.address())).arg("--from-alertmanager");
        tool.args(flags).args(["--", "sh", "-c", TRACE]).write_stdin(payload("firing", &labels())).assert()
    };
    let (silent, short) = (fault::refused(), ["--watch", "1ms", "--if-error-rate", "5"]);
    confirmed(&[&["--prometheus", &silent], &short[..]].concat()).code(3).stderr(contains("inconclusive"));
    confirmed(&["--if-health-fails"]).code(2).stderr(contains("--from-alertmanager reads stdin"));
    assert!(team.trace().is_empty());
}

#[test]
fn a_version_about_which_an_alert_fires_is_not_known_good_because_its_requests_are() {
    let (team, alertmanager) = (team(), alertmanager());
    fires(&alertmanager, &labels());
    // Complete, settled steps: five minutes without a failed request.
    let now = SystemClock.now().timestamp();
    let samples: Vec<Value> =
        (3..13).rev().map(|step| json!({"ts": now - 30 * step, "value": 30.0})).collect();
    let groups = json!([{"statusCode": 200, "samples": samples}]);
    let answer = json!({"data": {"httpMetricsGroupedByStatus": groups}}).to_string();
    let railway = fault::Recording::answering(move |_| fault::answer("200 OK", &answer));
    let mut tool = team.tool("d-2", "2.0");
    tool.env("ALERTMANAGER_URL", format!("http://{}", alertmanager.address()));
    tool.env("RAILWAY_TOKEN", "t").env("RAILWAY_SERVICE_ID", "svc").env("RAILWAY_ENVIRONMENT_ID", "env");
    tool.args(["--from-alertmanager", "--railway", "--railway-url", &railway.url, "--since", "10m"]);
    tool.args(["--watch", "300ms", "--interval", "100ms", "--if-error-rate", "5", "--", "sh", "-c", TRACE]);
    let kept = tool.write_stdin(payload("firing", &labels())).assert().code(0);
    kept.stderr(contains("keep: 0 of 300 requests failed"));
    assert!(team.trace().is_empty());
    let good: Vec<Value> = team.ledger().iter().filter(|entry| entry["type"] == "good").cloned().collect();
    assert!(good.iter().all(|entry| entry["version"] == "1.0"), "{good:?}");
}

#[test]
fn the_label_names_the_deployment_and_a_newer_one_is_refused() {
    let (team, alertmanager) = (team(), alertmanager());
    let url = format!("http://{}", alertmanager.address());
    let mut old = labels();
    old["deployment"] = "d-2".into();
    team.append_event(&event("d-3", "api", "deploy", &json!({"version": "3.0"})));
    fires(&alertmanager, &old);
    relayed(&team, &url, &payload("firing", &old)).code(11).stderr(contains("deployment d-3 began at"));
    assert!(team.trace().is_empty());

    let empty = Team::new();
    relayed(&empty, &url, &payload("firing", &labels())).code(3).stderr(contains("give --deployment-id"));
}

#[test]
fn a_version_that_has_been_live_for_long_is_not_rolled_back() {
    let (team, alertmanager) = (Team::new(), alertmanager());
    let url = format!("http://{}", alertmanager.address());
    team.keeps("d-1", "1.0");
    let weeks_ago = SystemClock.now() - TimeDelta::days(21);
    team.append_event(&event("d-2", "api", "deploy", &json!({"version": "2.0", "ts": weeks_ago})));
    let ledger = team.ledger();
    fires(&alertmanager, &labels());
    let firing = payload("firing", &labels());
    relayed(&team, &url, &firing)
        .code(3)
        .stderr(contains("an alert rolls back only a deployment that began in the last 1h00m (--max-age)"));
    assert_eq!((team.trace().len(), team.ledger()), (0, ledger));
    relayed_with(&team, &url, &firing, &["--max-age", "600h"]).code(12);
    assert_eq!(team.trace(), ["d-2 from 2.0 to 1.0"]);
}

#[test]
fn a_deployment_that_nobody_made_is_not_rolled_back_and_costs_no_budget() {
    let (team, alertmanager) = (team(), alertmanager());
    let url = format!("http://{}", alertmanager.address());
    let ledger = team.ledger();
    // The second time, the first one is in the journal.
    for forged in ["d-66", "d-66", "d-67", "d-68"] {
        let mut labels = labels();
        labels["deployment"] = forged.into();
        fires(&alertmanager, &labels);
        let why = format!("the journal knows no deployment {forged} of api in production");
        relayed_with(&team, &url, &payload("firing", &labels), &["--cool-down", "0s"])
            .code(3)
            .stderr(contains(why));
    }
    assert_eq!((team.trace().len(), team.ledger()), (0, ledger));
    fires(&alertmanager, &labels());
    relayed(&team, &url, &payload("firing", &labels())).code(12);
    assert_eq!(team.trace(), ["d-2 from 2.0 to 1.0"]);
}

#[test]
fn an_operator_says_when_a_deployment_began_that_the_journal_does_not_know() {
    let (team, alertmanager) = (team(), alertmanager());
    let url = format!("http://{}", alertmanager.address());
    fires(&alertmanager, &labels());
    let firing = payload("firing", &labels());
    let given =
        |more: &[&str]| relayed_with(&team, &url, &firing, &[&["--deployment-id", "d-9"], more].concat());
    given(&[]).code(3).stderr(contains("give --since, the time it began"));
    given(&["--since", "2h"]).code(3).stderr(contains("(--max-age)"));
    assert!(team.trace().is_empty());
    given(&["--since", "10m"]).code(12);
    assert_eq!(team.trace().len(), 1);
}

#[test]
fn what_began_before_the_deployment_is_not_its_fault() {
    let (team, alertmanager) = (team(), alertmanager());
    let url = format!("http://{}", alertmanager.address());
    let (mut old, mut new) = (labels(), labels());
    old["alertname"] = "Old".into();
    new["alertname"] = "New".into();
    // It fires for d-2; d-3 is the repair, and Alertmanager sends the alert again.
    fires_since(&alertmanager, &old, SystemClock.now() - TimeDelta::hours(29));
    team.append_event(&event("d-3", "api", "deploy", &json!({"version": "3.0"})));
    let firing = |labels: &Value| payload("firing", labels);
    relayed(&team, &url, &firing(&old))
        .code(3)
        .stderr(contains("Old fires, but it already fired before deployment d-3 began at"));
    // It fires after the deployment, but its condition began before.
    fires(&alertmanager, &new);
    relayed_with(&team, &url, &firing(&new), &["--alert-for", "10m"])
        .code(3)
        .stderr(contains("10m00s before it fired").and(contains("before deployment d-3 began at")));
    let unknown = ["--prometheus", &fault::refused(), "--if-error-rate", "5"];
    relayed_with(&team, &url, &firing(&new), &unknown)
        .code(3)
        .stderr(contains("Prometheus cannot say when its condition began"));
    assert!(team.trace().is_empty());
    // One payload has all the alerts of a group: an old one does not hide a new one.
    let mut group: Value = serde_json::from_str(&firing(&old)).unwrap();
    let second: Value = serde_json::from_str(&firing(&new)).unwrap();
    group["alerts"].as_array_mut().unwrap().push(second["alerts"][0].clone());
    relayed(&team, &url, &group.to_string())
        .code(12)
        .stderr(contains("rollback: New fires, and Alertmanager"));
    assert_eq!(team.trace(), ["d-3 from 3.0 to 1.0"]);
}

#[test]
fn what_a_stranger_writes_stays_short_and_harmless() {
    let team = team();
    let long = "\u{1b}]0;x\u{7}\n::error::x".repeat(1000);
    for payload in [
        json!({"version": "4", "alerts": long}),
        json!({"version": "4", "alerts": [{"status": "firing", "labels": {"alertname": long, "job": long}}]}),
    ] {
        let assert = relayed(&team, &fault::refused(), &payload.to_string()).code(3);
        let stderr = String::from_utf8_lossy(&assert.get_output().stderr).into_owned();
        assert!(stderr.len() < 1000 && stderr.lines().count() == 1 && !stderr.contains('\u{1b}'), "{stderr}");
    }
}
