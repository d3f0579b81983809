//! The notifications of a rollback: to a real Alertmanager, and to GitHub Actions.

use predicates::prelude::*;
use predicates::str::contains;
use serde_json::Value;
use testkit::alertmanager::Alertmanager;
use testkit::fault;

use crate::team::{Team, unhealthy, unhealthy_at};

/// An Alertmanager that forwards nothing.
pub(crate) fn alertmanager() -> Alertmanager {
    Alertmanager::with("{route: {receiver: nobody}, receivers: [{name: nobody}]}")
}

/// The active alerts.
pub(crate) fn alerts(alertmanager: &Alertmanager) -> Vec<Value> {
    let url = format!("http://{}/api/v2/alerts?active=true", alertmanager.address());
    reqwest::blocking::get(url).unwrap().json().unwrap()
}

#[test]
fn a_failed_rollback_is_a_critical_alert_until_one_succeeds() {
    let (team, server) = (Team::new(), alertmanager());
    let url = format!("http://{}", server.address());
    team.keeps("d-1", "1.0");
    team.fails("d-2", "2.0", &["--alertmanager-url", &url], "exit 4").code(12);
    let [failed] = alerts(&server).try_into().unwrap();
    let labels = &failed["labels"];
    assert_eq!(
        (&labels["alertname"], &labels["severity"]),
        (&"DeploymentRollbackFailed".into(), &"critical".into())
    );
    assert_eq!((&labels["service"], &labels["environment"]), (&"api".into(), &"production".into()));
    let description = failed["annotations"]["description"].as_str().unwrap();
    for part in
        ["its command ended with exit code 4", "Version 2.0", "What to do: check which version answers"]
    {
        assert!(description.contains(part), "{part}: {description}");
    }
    assert_eq!(failed["annotations"]["deployment"], "d-2");

    // The next rollback succeeds: the failure is resolved, and only the success remains.
    team.advance(20);
    let good = fault::answering(&fault::answer("200 OK", "well"));
    let mut tool = team.tool("d-3", "3.0");
    let flags = ["--if-error-rate", "5", "--bucket", "100ms", "--alertmanager-url", &url];
    tool.args(flags).args(["--", "true"]);
    tool.write_stdin(unhealthy_at(&good)).assert().code(10);
    let [done] = alerts(&server).try_into().unwrap();
    assert_eq!(
        (&done["labels"]["alertname"], &done["labels"]["severity"]),
        (&"DeploymentRolledBack".into(), &"info".into())
    );
    assert!(
        done["annotations"]["description"].as_str().unwrap().contains("Rolled back from 3.0 to 1.0."),
        "{done}"
    );
}

#[test]
fn a_refused_rollback_and_a_dry_run_post_no_alert() {
    let (team, server) = (Team::new(), alertmanager());
    let url = format!("http://{}", server.address());
    team.fails("d-1", "1.0", &["--alertmanager-url", &url, "--require-target"], "true").code(11);
    team.fails("d-1", "1.0", &["--alertmanager-url", &url, "--dry-run"], "true").code(11);
    assert_eq!(alerts(&server), Vec::<Value>::new());
}

#[test]
fn a_failing_alertmanager_is_one_warning_and_keeps_the_exit_code() {
    let refused = fault::refused();
    for (url, why) in [
        (refused.replace("http://", "http://user:pass-word@"), "refused"),
        (fault::internal_error(), "it answered 500 Internal Server Error: the disk is full"),
        (fault::hanging(), "no response in time"),
    ] {
        let team = Team::new();
        let assert = team.fails("d-1", "1.0", &["--alertmanager-url", &url], "exit 4").code(12);
        let stderr = String::from_utf8(assert.get_output().stderr.clone()).unwrap();
        assert_eq!(stderr.matches("no alert was posted: Alertmanager at http://").count(), 1, "{stderr}");
        assert!(stderr.contains(why) && !stderr.contains("pass-word"), "{stderr}");
    }
}

#[test]
fn github_actions_gets_annotations_and_a_row_per_run() {
    let team = Team::new();
    let summary = team.path().join("summary.md");
    let run = |deployment: &str, version: &str, flags: &[&str]| {
        let mut tool = team.tool(deployment, version);
        tool.env("GITHUB_ACTIONS", "true")
            .env("GITHUB_STEP_SUMMARY", &summary)
            .env("DM_GITHUB", "error,summary");
        tool.arg("--if-health-fails")
            .args(flags)
            .args(["--", "sh", "-c", "exit 4"])
            .write_stdin(unhealthy())
            .assert()
    };
    run("d-1", "1.0", &["--require-target"]).code(11).stderr(contains(
        "::error title=api%3A NOT rolled back::the health check ended as unhealthy: NOT rolled",
    ));
    run("d-1", "1.0", &[]).code(12).stderr(
        contains("::error title=api%3A rollback FAILED or not verified::").and(contains("exit code 4")),
    );
    let text = std::fs::read_to_string(summary).unwrap();
    let rows: Vec<&str> = text.lines().skip(2).collect();
    assert!(rows[0].starts_with("| api/rollback | NOT rolled back | "), "{text}");
    assert!(rows[1].starts_with("| api/rollback | rollback FAILED or not verified | "), "{text}");
}
