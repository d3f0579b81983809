//! Each safeguard, as a script observes it.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::Stdio;

use predicates::prelude::*;
use predicates::str::contains;
use serde_json::json;

use crate::team::{TRACE, Team, event, healthy, unhealthy};

#[test]
fn a_rollback_restores_the_last_kept_version() {
    let team = Team::new();
    team.keeps("d-1", "1.0");
    team.fails("d-2", "2.0", &[], TRACE).code(12).stderr(contains("rolling back to 1.0"));
    assert_eq!(team.trace(), ["d-2 from 2.0 to 1.0"]);
    let types: Vec<String> = team.ledger().iter().map(|entry| entry["type"].to_string()).collect();
    assert_eq!(types, ["\"good\"", "\"intent\"", "\"outcome\""]);
}

#[test]
fn the_first_time_the_command_chooses_unless_a_target_is_required() {
    let team = Team::new();
    team.fails("d-1", "1.0", &["--require-target"], TRACE)
        .code(11)
        .stderr(contains("NOT rolled back: no other version is known to be good: name one with --target"));
    assert!(team.trace().is_empty() && team.ledger().is_empty());
    team.fails("d-1", "1.0", &[], TRACE).code(12).stderr(contains(
        "No known-good version is recorded yet. Running your rollback command without a target",
    ));
    assert_eq!(team.trace(), ["d-1 from 1.0 to unknown"]);
}

#[test]
fn the_version_that_failed_is_never_the_target() {
    let team = Team::new();
    team.keeps("d-1", "1.0");
    let bad = |flags: &[&str]| team.fails("d-2", "1.0", flags, TRACE);
    bad(&["--require-target"]).code(11).stderr(contains("no other version is known to be good"));
    bad(&["--target", "1.0"]).code(11).stderr(contains("the target 1.0 is the version that failed"));
    bad(&["--target", "0.9"]).code(12);
    assert_eq!(team.trace(), ["d-2 from 1.0 to 0.9"]);
}

#[test]
fn a_provisional_check_does_not_make_a_version_good() {
    let team = Team::new();
    let mut check = team.tool("d-1", "1.0");
    check.args(["--if-health-fails", "--provisional", "--", "false"]).write_stdin(healthy()).assert().code(0);
    assert!(team.ledger().is_empty());
    team.tool("d-1", "1.0")
        .arg("--mark-good")
        .assert()
        .code(0)
        .stderr(contains("recorded version 1.0 as known good"));
    assert_eq!(team.ledger()[0]["version"], "1.0");
}

#[test]
fn a_version_that_is_only_no_worse_than_before_is_not_recorded_as_good() {
    let team = Team::new();
    // Ten requests in each of 600 seconds. The first half came before the deployment.
    let log = |is_error: fn(u32) -> bool| -> String {
        let line = |request: u32| {
            let (minute, second) = (request / 600, request / 10 % 60);
            let status = if is_error(request) { 503 } else { 200 };
            format!(
                "10.0.0.1 - - [01/Jan/2026:00:{minute:02}:{second:02} +0000] \"GET / HTTP/1.1\" {status} 5\n"
            )
        };
        (0..6000).map(line).collect()
    };
    let watch = |log: String| {
        let mut tool = team.tool("d-1", "1.0");
        tool.args(["--provisional", "--dry-run", "--if-error-rate", "5", "--since", "2026-01-01T00:05:00Z"]);
        tool.args(["--access-log", "-"]).write_stdin(log).assert().code(0);
    };
    let mark = |flags: &[&str]| team.tool("d-1", "1.0").arg("--mark-good").args(flags).assert();

    watch(log(|request| request % 14 == 0));
    let event = team.last_event();
    let (curve, counts) = (&event["watch"], &event["evidence"][0]);
    let points = curve["points"].as_array().unwrap();
    let sum = |field: &str| points.iter().map(|point| point[field].as_u64().unwrap()).sum::<u64>();
    assert_eq!((points.len(), sum("total"), sum("errors")), (30, 2990, 214), "{curve}");
    assert_eq!((&counts["total"], &counts["errors"]), (&2990.into(), &214.into()));
    assert_eq!(
        (&curve["began"], &points[29]["after_s"]),
        (&"2026-01-01T00:05:00Z".into(), &300.0.into()),
        "{curve}"
    );
    let refused =
        "version 1.0 is not recorded as known good: it was kept only because it is no worse than before";
    mark(&[]).code(1).stderr(contains(refused).and(contains("give --allow-refused")));
    mark(&["--assumed"]).code(1).stderr(contains(refused));
    assert!(team.ledger().is_empty());
    // Neither a check without requests nor another service changes that; a later watch does.
    team.tool("d-1", "1.0")
        .args(["--if-health-fails", "--provisional", "--", "false"])
        .write_stdin(healthy())
        .assert()
        .code(0);
    mark(&[]).code(1);
    mark(&["--service", "web"]).code(0);
    watch(log(|_| false));
    mark(&[]).code(0).stderr(contains("recorded version 1.0 as known good"));

    watch(log(|request| request % 14 == 0));
    mark(&[]).code(1);
    mark(&["--allow-refused"]).code(0);
}

#[test]
fn a_second_call_returns_the_first_result_and_runs_nothing() {
    let team = Team::new();
    team.keeps("d-1", "1.0");
    team.fails("d-2", "2.0", &[], "exit 4").code(12).stderr(contains("exit code 4"));
    for _ in 0..2 {
        team.fails("d-2", "2.0", &[], TRACE).code(12).stderr(
            contains("deployment d-2 was rolled back before, failed at")
                .and(contains("nothing is run again")),
        );
    }
    // The live version is now the restored one, so a health check says nothing about 2.0.
    let mut good = team.tool("d-2", "2.0");
    good.args(["--if-health-fails", "--", "false"]).write_stdin(healthy()).assert().code(12);
    assert!(team.trace().is_empty());
    assert_eq!(team.ledger().iter().filter(|entry| entry["type"] == "good").count(), 1);
}

#[test]
fn of_two_concurrent_rollbacks_only_one_runs() {
    let team = Team::new();
    team.keeps("d-1", "1.0");
    let mut first = team.std_tool("d-2", "2.0");
    let slow = "echo started >&2; read -r go < go; echo done >> trace";
    first.args(["--if-health-fails", "--", "sh", "-c", slow]).stdin(Stdio::piped()).stderr(Stdio::piped());
    make_pipe(&team);
    let mut first = first.stdout(Stdio::null()).spawn().unwrap();
    first.stdin.take().unwrap().write_all(unhealthy().as_bytes()).unwrap();
    let mut lines = BufReader::new(first.stderr.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap() == "started"));
    for (deployment, version) in [("d-2", "2.0"), ("d-3", "3.0")] {
        team.fails(deployment, version, &[], TRACE)
            .code(75)
            .stderr(contains("NOT rolled back: another rollback of api in production is running"));
    }
    common::fs::atomic::write(&team.path().join("go"), b"go\n").unwrap();
    assert_eq!(first.wait().unwrap().code(), Some(12));
    assert_eq!(team.trace(), ["done"]);
}

/// A named pipe; writing to it lets the command continue.
fn make_pipe(team: &Team) {
    assert_cmd::Command::new("mkfifo").arg(team.path().join("go")).assert().success();
}

#[test]
fn a_version_that_comes_back_is_not_rolled_back_again_at_once() {
    let team = Team::new();
    team.keeps("d-1", "1.0");
    team.fails("d-2", "2.0", &[], TRACE).code(12);
    team.fails("d-3", "2.0", &[], TRACE).code(75).stderr(
        contains("NOT rolled back: the new version is still live. Cool-down after the rollback of d-2 (")
            .and(contains("lasts another 14m").and(contains("override with --cool-down 0s"))),
    );
    team.advance(16);
    team.fails("d-3", "2.0", &[], TRACE).code(12);
    let mut shorter = team.tool("d-4", "2.0");
    shorter.env("DM_COOL_DOWN", "0s").args(["--because", "the deploy command failed", "--"]);
    shorter.args(["sh", "-c", TRACE]).assert().code(12);
    assert_eq!(team.trace().len(), 3);
}

#[test]
fn of_three_bad_deployments_twelve_minutes_apart_none_stays_live() {
    let team = Team::new();
    team.keeps("d-1", "1.0");
    for (deployment, version) in [("d-2", "2.0"), ("d-3", "3.0"), ("d-4", "4.0")] {
        team.append_event(&event(deployment, "api", "deploy", &json!({"version": version})));
        team.fails(deployment, version, &[], TRACE).code(12);
        team.advance(12);
    }
    assert_eq!(team.trace(), ["d-2 from 2.0 to 1.0", "d-3 from 3.0 to 1.0", "d-4 from 4.0 to 1.0"]);
}

#[test]
fn a_deployment_that_began_before_a_rollback_waits_for_the_cool_down() {
    let team = Team::new();
    team.keeps("d-1", "1.0");
    team.append_event(&event("d-3", "api", "build", &json!({"version": "3.0"})));
    team.fails("d-2", "2.0", &[], TRACE).code(12);
    // What it saw may be what the rollback did.
    team.fails("d-3", "3.0", &[], TRACE).code(75);
    team.advance(16);
    team.fails("d-3", "3.0", &[], TRACE).code(12);
}

#[test]
fn a_service_that_only_gets_bad_versions_needs_a_person() {
    let team = Team::new();
    team.keeps("d-1", "1.0");
    for (number, (deployment, version)) in [("d-2", "2.0"), ("d-3", "3.0"), ("d-4", "4.0")].iter().enumerate()
    {
        let budget = ["--max-rollbacks-per-day", "2"];
        let code = if number < 2 { 12 } else { 11 };
        let run = team.fails(deployment, version, &budget, TRACE).code(code);
        let why = contains("2 rollbacks in 24 hours, and 2 are allowed");
        if code == 11 {
            run.stderr(why);
        }
    }
    let mut lower = team.tool("d-5", "5.0");
    lower
        .env("DM_MAX_ROLLBACKS_PER_DAY", "1")
        .args(["--because", "x", "--", "sh", "-c", TRACE])
        .assert()
        .code(11);
    team.advance(24 * 60);
    team.fails("d-6", "6.0", &["--max-rollbacks-per-day", "2"], TRACE).code(12);
    assert_eq!(team.trace().len(), 3);
}

#[test]
fn a_rolled_back_version_is_neither_a_target_nor_deployed_again() {
    let team = Team::new();
    team.keeps("d-1", "1.0");
    team.tool("d-2", "2.0").arg("--check-version").assert().code(0).stderr("");
    team.fails("d-2", "2.0", &[], TRACE).code(12);
    team.tool("d-9", "2.0")
        .arg("--check-version")
        .assert()
        .code(1)
        .stderr(contains("version 2.0 was rolled back at").and(contains("--allow-refused")));
    team.tool("d-9", "2.0").args(["--check-version", "--allow-refused"]).assert().code(0);
    team.tool("d-9", "1.0").arg("--check-version").assert().code(0);
    team.tool("d-9", "").arg("--check-version").assert().code(3).stderr(contains("the version is not known"));
    team.advance(20);
    team.fails("d-3", "3.0", &["--target", "2.0"], TRACE).code(11).stderr(contains("2.0 was rolled back at"));
    team.fails("d-3", "3.0", &["--target", "2.0", "--allow-refused"], TRACE).code(12);
    // If it is deployed anyway and proves good, it is known good.
    team.keeps("d-4", "2.0");
    team.tool("d-9", "2.0").arg("--check-version").assert().code(0);
}

#[test]
fn a_restored_version_is_not_rolled_back_in_turn() {
    let team = Team::new();
    team.keeps("d-0", "0.9");
    team.keeps("d-1", "1.0");
    team.fails("d-2", "2.0", &[], TRACE).code(12);
    team.advance(30);
    team.fails("d-3", "1.0", &[], TRACE).code(11).stderr(
        contains("the rollback of d-2 at")
            .and(contains("restored version 1.0"))
            .and(contains("A person has to check")),
    );
    let mut inside = team.tool("d-4", "4.0");
    inside.env("DM_PARENT_STAGE", "rollback").args(["--if-health-fails", "--", "sh", "-c", TRACE]);
    inside.write_stdin(unhealthy()).assert().code(11).stderr(contains("inside a rollback"));
    assert_eq!(team.trace().len(), 1);
}

#[test]
fn a_deployment_that_a_newer_one_replaced_is_not_rolled_back() {
    let team = Team::new();
    team.keeps("d-1", "1.0");
    team.append_event(&event("d-2", "api", "build", &json!({"duration_s": 60.0})));
    team.append_event(&event("d-3", "api", "deploy", &json!({})));
    team.fails("d-2", "2.0", &[], TRACE).code(11).stderr(contains("deployment d-3 began at"));
    team.fails("d-3", "3.0", &[], TRACE).code(12);
    assert_eq!(team.trace(), ["d-3 from 3.0 to 1.0"]);
}

#[test]
fn a_moved_schema_refuses_unless_the_versions_are_compatible() {
    let team = Team::new();
    team.keeps("d-1", "1.0");
    let migration = json!({"type": "migration", "before": "7", "after": "8", "dirty": false, "lock_wait_s": null,
        "blocked_max": null});
    team.append_event(&event("d-2", "database", "migration", &migration));
    team.fails("d-2", "2.0", &[], TRACE).code(11).stderr(
        contains("this deployment's migration has moved the schema").and(contains("--schema-compatible")),
    );
    for (value, code) in [("no", 11), ("", 11), ("yes", 12)] {
        let mut tool = team.tool("d-2", "2.0");
        tool.env("DM_SCHEMA_COMPATIBLE", value)
            .args(["--because", "x", "--", "sh", "-c", TRACE])
            .assert()
            .code(code);
    }
    assert_eq!(team.trace().len(), 1);

    let team = Team::new();
    let with_schema = |deployment: &str, version: &str, schema: &str, stream: String| {
        let mut tool = team.tool(deployment, version);
        tool.env("DM_SCHEMA_VERSION", schema).args(["--if-health-fails", "--", "sh", "-c", TRACE]);
        tool.write_stdin(stream).assert()
    };
    with_schema("d-1", "1.0", "7", healthy()).code(0);
    with_schema("d-2", "2.0", "8", unhealthy()).code(11).stderr(contains("the schema has moved from 7 to 8"));
    with_schema("d-3", "3.0", "7", unhealthy()).code(12);
}

#[test]
fn a_dry_run_prints_the_command_or_what_would_refuse_it() {
    let team = Team::new();
    team.keeps("d-1", "1.0");
    let mut dry = team.tool("d-2", "2.0");
    dry.env("DEPLOY_TOKEN", "very-secret");
    dry.args(["--if-health-fails", "--dry-run", "--", "./back.sh", "two words", "--token=very-secret"]);
    dry.write_stdin(unhealthy()).assert().code(11).stderr(contains(
        "dry run: nothing was rolled back; to restore 1.0 it would run: ./back.sh 'two words' '--token=***'",
    ));
    team.fails("d-2", "2.0", &["--dry-run", "--target", "2.0"], TRACE)
        .code(11)
        .stderr(contains("a safeguard would refuse the rollback: the target 2.0 is the version that failed"));
    assert!(team.trace().is_empty());
}

#[test]
fn a_file_or_a_variable_switches_every_rollback_off() {
    let team = Team::new();
    let mut off = team.tool("d-1", "1.0");
    off.env("DM_ROLLBACK_DISABLED", "1").args(["--if-health-fails", "--", "sh", "-c", TRACE]);
    off.write_stdin(unhealthy())
        .assert()
        .code(11)
        .stderr(contains("switched off by the variable DM_ROLLBACK_DISABLED"));
    for value in ["", "0", "no", "False"] {
        let mut on = team.tool("d-1", "1.0");
        on.env("DM_ROLLBACK_DISABLED", value).args(["--if-health-fails", "--dry-run", "--", "false"]);
        on.write_stdin(unhealthy()).assert().code(11).stderr(contains("it would run: false"));
    }
    common::fs::atomic::write(&team.path().join("rollback.disabled"), b"").unwrap();
    team.fails("d-1", "1.0", &[], TRACE).code(11).stderr(contains("rollback.disabled"));
    assert!(team.trace().is_empty());
}

#[test]
fn without_a_folder_for_the_ledger_nothing_is_rolled_back() {
    let team = Team::new();
    let mut homeless = team.tool("d-1", "1.0");
    homeless.env_remove("DM_STATE_DIR").args(["--if-health-fails", "--", "sh", "-c", TRACE]);
    homeless
        .write_stdin(unhealthy())
        .assert()
        .code(11)
        .stderr(contains("no folder for the ledger").and(contains("set DM_STATE_DIR")));
    let mut file = team.tool("d-1", "1.0");
    common::fs::atomic::write(&team.path().join("file"), b"").unwrap();
    file.env("DM_STATE_DIR", team.path().join("file")).args(["--if-health-fails", "--", "sh", "-c", TRACE]);
    file.write_stdin(unhealthy()).assert().code(11).stderr(contains("NOT rolled back"));
    assert!(team.trace().is_empty());
}

#[test]
fn a_ledger_of_another_format_stops_a_rollback_but_not_a_keep() {
    let team = Team::new();
    team.keeps("d-1", "1.0");
    common::fs::atomic::write(&team.path().join("rollback/production/api.jsonl"), b"{\"v\":2}\n").unwrap();
    team.fails("d-2", "2.0", &[], TRACE).code(11).stderr(contains("a line of format 2"));
    team.keeps("d-3", "3.0");
    assert!(team.trace().is_empty());
}

#[test]
fn the_command_gets_the_reason_and_the_release_of_the_target() {
    let team = Team::new();
    let mut kept = team.tool("d-1", "1.0");
    kept.env("DM_RELEASE", "web-6f9d")
        .args(["--if-health-fails", "--", "false"])
        .write_stdin(healthy())
        .assert()
        .code(0);
    let script =
        "printf '%s\\n' \"$DM_ROLLBACK_RELEASE\" \"$DM_ROLLBACK_REASON\" \"$DM_PARENT_STAGE\" > trace";
    team.fails("d-2", "2.0", &[], script).code(12);
    assert_eq!(team.trace(), ["web-6f9d", "the health check ended as unhealthy", "rollback"]);
}
