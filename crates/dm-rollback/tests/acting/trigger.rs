//! `--from-alertmanager`: a payload is a hint that Alertmanager has to confirm.

use assert_cmd::assert::Assert;
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

/// Posts an alert with these labels, and waits until Alertmanager lists it.
fn fires(alertmanager: &Alertmanager, labels: &Value) {
    let url = format!("http://{}/api/v2/alerts", alertmanager.address());
    let body = json!([{"labels": labels}]).to_string();
    let post =
        reqwest::blocking::Client::new().post(&url).header("Content-Type", "application/json").body(body);
    assert!(post.send().unwrap().status().is_success());
    eventually("the alert", || {
        let alerts: Value = reqwest::blocking::get(&url).unwrap().json().unwrap();
        if alerts.as_array().unwrap().is_empty() { Err(alerts.to_string()) } else { Ok(()) }
    });
}

/// The result of a payload in a CI run that the relay started.
fn relayed(team: &Team, alertmanager: &str, payload: &str) -> Assert {
    let mut tool = team.tool("", "");
    // The variables of the relay's own CI run do not describe the deployment.
    tool.env("GITHUB_ACTIONS", "true").env("GITHUB_RUN_ID", "99").env("GITHUB_RUN_ATTEMPT", "1");
    tool.env("GITHUB_SHA", "0123456789abcdef0123456789abcdef01234567").env("ALERTMANAGER_URL", alertmanager);
    tool.args(["--from-alertmanager", "--", "sh", "-c", TRACE]);
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
    let post = reqwest::blocking::Client::new().post(format!("{url}/api/v2/silences"));
    let made = post.header("Content-Type", "application/json").body(silence.to_string()).send().unwrap();
    assert!(made.status().is_success(), "{made:?}");
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
