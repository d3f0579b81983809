//! A rollback for a reason that a script gives: there is no stream to judge.

use std::io::Write as _;
use std::process::Stdio;

use predicates::prelude::*;
use predicates::str::contains;
use serde_json::Value;
use testkit::fault;

use crate::notifications::{alertmanager, alerts};
use crate::team::{TRACE, Team};

/// What the command is told about the reason.
const REASON: &str = "printf '%s\\n' \"$DM_ROLLBACK_REASON\" >> trace";

fn reported(team: &Team, reason: &str, flags: &[&str], command: &str) -> assert_cmd::assert::Assert {
    let mut tool = team.tool("d-2", "2.0");
    tool.args(["--because", reason]).args(flags).args(["--", "sh", "-c", command]).assert()
}

fn events(team: &Team) -> Vec<Value> {
    let text = std::fs::read_to_string(team.path().join("journal.jsonl")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn the_reason_reaches_the_command_the_ledger_and_the_journal() {
    let team = Team::new();
    team.keeps("d-1", "1.0");
    reported(&team, "the migration failed: column \"z\"\ndoes not exist", &[], REASON)
        .code(12)
        .stderr(contains("rolling back to 1.0").and(contains("NOT verified: the reported fault cannot be")));
    let why = "the migration failed: column \"z\" does not exist";
    assert_eq!(team.trace(), [why]);
    let intent = team.ledger().into_iter().find(|entry| entry["type"] == "intent").unwrap();
    assert_eq!((&intent["why"], &intent["target"]), (&why.into(), &"1.0".into()));
    let event = events(&team).pop().unwrap();
    assert_eq!((&event["condition"], &event["why"]), (&"reported".into(), &why.into()));
    assert_eq!(event["result"], "unverified");
    team.tool("d-3", "2.0").arg("--check-version").assert().code(1);
}

#[test]
fn the_restored_version_has_to_answer() {
    let version =
        |version: &str| fault::answering(&fault::answer("200 OK", &format!("{{\"v\":\"{version}\"}}")));
    // The proof needs some ninety answers, which may take a slow machine long.
    for (answers, deadline, code, said) in
        [("1.0", "1m", 10, "rolled back and verified"), ("2.0", "2s", 12, "NOT verified")]
    {
        let (team, server) = (Team::new(), alertmanager());
        let url = format!("http://{}", server.address());
        team.keeps("d-1", "1.0");
        let page = version(answers);
        let flags = [
            "--verify-url",
            &page,
            "--version-at",
            "json:$.v",
            "--bucket",
            "50ms",
            "--verify-deadline",
            deadline,
        ];
        let flags = [&flags[..], &["--alertmanager-url", &url]].concat();
        reported(&team, "a sibling is bad", &flags, TRACE).code(code).stderr(contains(said));
        assert_eq!(team.trace(), ["d-2 from 2.0 to 1.0"]);
        let posted = alerts(&server);
        assert!(posted[0]["annotations"]["description"].as_str().unwrap().contains("a sibling is bad"));
        // The second reason for the same deployment is no second rollback.
        reported(&team, "the deploy command failed", &flags, TRACE)
            .code(code)
            .stderr(contains("was rolled back before"));
        assert_eq!(team.trace().len(), 1);
    }
}

#[test]
fn a_reason_is_text_and_stays_short() {
    let team = Team::new();
    let long = format!("$(touch pwned) `touch pwned`\u{1b}[31m ::error::x {}", "y".repeat(100_000));
    reported(&team, &long, &[], REASON).code(12);
    let [line] = team.trace().try_into().unwrap();
    assert!(line.starts_with("$(touch pwned) `touch pwned`") && line.len() <= 1000, "{line}");
    assert!(!line.contains('\u{1b}') && !team.path().join("pwned").exists());
}

#[test]
fn stdin_is_left_alone() {
    let team = Team::new();
    let mut tool = team.std_tool("d-2", "2.0");
    tool.args(["--because", "x", "--", "sh", "-c", "cat >> trace"]);
    // Nobody writes to it or closes it.
    let mut child = tool.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(12));
    assert!(stdin.write_all(b"late").is_err());
    assert_eq!(team.trace(), [""; 0]);
}

#[test]
fn a_reason_stands_alone() {
    let team = Team::new();
    for (flags, why) in [
        (&["--if-health-fails"][..], "--because is a reason of its own"),
        (&["--access-log", "-", "--since", "all"], "--because is a reason of its own"),
    ] {
        reported(&team, "x", flags, TRACE).code(2).stderr(contains(why));
    }
    reported(&team, " \n", &[], TRACE).code(2).stderr(contains("--because needs a reason"));
    assert!(team.trace().is_empty() && team.ledger().is_empty());
}

#[test]
fn a_deployment_that_changed_nothing_is_not_rolled_back() {
    let team = Team::new();
    team.keeps("d-1", "1.0");
    let failed = "the deploy command failed";
    let before = |before: &str, now: &str| {
        reported(&team, failed, &["--release-before", before, "--release", now], TRACE)
    };
    // Not even a safeguard is asked: there is nothing to do.
    common::fs::atomic::write(&team.path().join("rollback.disabled"), b"").unwrap();
    before("r41", "r41").code(1).stderr(contains(
        "nothing to roll back: release r41 is live, as before the deployment, so nothing went live",
    ));
    let mut dry = team.tool("d-2", "2.0");
    dry.args(["--because", failed, "--dry-run", "--release-before", "r41", "--release", "r41"])
        .assert()
        .code(1);
    std::fs::remove_file(team.path().join("rollback.disabled")).unwrap();
    assert!(team.trace().is_empty());
    assert_eq!(team.ledger().len(), 1, "nothing was rolled back");
    let event = events(&team).pop().unwrap();
    assert_eq!((&event["status"], &event["result"]), (&"skipped".into(), &Value::Null));
    // What is not known may have gone live.
    before("r41", "").code(12);
    assert_eq!(team.trace(), ["d-2 from 2.0 to 1.0"]);
    before("r41", "r41").code(12).stderr(contains("was rolled back before"));
}
