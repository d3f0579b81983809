//! dm-stage at its edge: what a deploy script sees.
#![expect(clippy::unwrap_used, reason = "a panic is a failed test")]

mod support;

use std::os::unix::process::ExitStatusExt;
use std::process::Stdio;

use assert_cmd::Command;
use predicates::prelude::*;
use predicates::str::contains;
use serde_json::Value;
use tempfile::TempDir;
use testkit::script::install;

use support::{journal, state_dir};

fn dm_stage(state: &TempDir) -> Command {
    support::dm_stage(state).into()
}

#[test]
fn a_stage_passes_everything_through_and_is_recorded() {
    let state = state_dir();
    dm_stage(&state)
        .args(["build", "--", "sh", "-c", "cat; echo done; echo trouble >&2; exit 3"])
        .write_stdin("typed\n")
        .assert()
        .code(3)
        .stdout("typed\ndone\n")
        .stderr("trouble\n");
    let [event] = journal(state.path()).try_into().unwrap();
    assert_eq!(event["type"], "stage");
    assert_eq!(event["stage"], "build");
    assert_eq!(event["status"], "failure");
    assert_eq!(event["error_type"], "exit_code");
    assert_eq!(event["exit_code"], 3);
    assert_eq!((&event["service"], &event["environment"]), (&"shop".into(), &"production".into()));
    assert!(event["duration_s"].as_f64().unwrap() > 0.0);
    assert!(event["max_rss_bytes"].as_u64().unwrap() > 0);
}

#[test]
fn an_allowed_exit_code_counts_as_success_and_is_passed_on() {
    let state = state_dir();
    let ends_with = |code: &str| {
        dm_stage(&state)
            .args(["diff", "--allow-exit", "1,3", "--", "sh", "-c", &format!("exit {code}")])
            .assert()
    };
    ends_with("3").code(3).stderr("");
    ends_with("4").code(4);
    let [allowed, other] = journal(state.path()).try_into().unwrap();
    assert_eq!((&allowed["status"], &allowed["exit_code"]), (&"success".into(), &3.into()));
    assert_eq!(allowed["error_type"], Value::Null);
    assert_eq!(other["status"], "failure");
    dm_stage(&state)
        .args(["diff", "--allow-exit", "256", "--", "true"])
        .assert()
        .code(125)
        .stderr(contains("256 is not in 0..=255"));
}

#[test]
fn arguments_reach_the_command_untouched() {
    let argument = "a b\n$HOME `x` 'q' \\ *";
    dm_stage(&state_dir())
        .args(["build", "--", "printf", "%s", argument])
        .assert()
        .success()
        .stdout(argument)
        .stderr("");
}

#[test]
fn dies_by_the_signal_that_killed_the_command() {
    let state = state_dir();
    let assert = dm_stage(&state).args(["build", "--", "sh", "-c", "kill -TERM $$"]).assert();
    assert_eq!(assert.get_output().status.signal(), Some(15));
    assert_eq!(journal(state.path())[0]["status"], "error");
    assert_eq!(journal(state.path())[0]["error_type"], "signal");
}

#[test]
fn a_signal_to_the_wrapper_reaches_the_command_as_cancellation() {
    let state = state_dir();
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_dm-stage"))
        .env("DM_STATE_DIR", state.path())
        .args([
            "deploy",
            "--",
            "sh",
            "-c",
            "trap 'echo bye; exit 7' TERM; echo ready; while :; do sleep 0.1; done",
        ])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = std::io::BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    std::io::BufRead::read_line(&mut out, &mut line).unwrap();
    assert_eq!(line, "ready\n");
    let kill = format!("kill -TERM {}", child.id());
    assert!(std::process::Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    line.clear();
    std::io::BufRead::read_line(&mut out, &mut line).unwrap();
    assert_eq!(line, "bye\n");
    assert_eq!(child.wait().unwrap().code(), Some(7));
    assert_eq!(journal(state.path())[0]["status"], "cancelled");
}

#[test]
fn a_command_that_cannot_start_exits_126_or_127_with_its_cause() {
    let state = state_dir();
    let folder = state.path();
    let script = folder.join("script");
    let write = |text: &str| {
        install(&script, text);
        script.to_str().unwrap()
    };
    let fails = |program: &str, code: i32, cause: &str| {
        dm_stage(&state)
            .args(["build", "--", program])
            .assert()
            .code(code)
            .stderr(contains(cause).and(predicate::function(|text: &str| text.lines().count() == 1)));
    };
    fails("no-such-program", 127, "not found in PATH");
    fails("/no/such/program", 127, "directory /no does not exist");
    fails("/etc/no-such-program", 127, "no such file");
    fails("/etc/passwd/program", 127, "part of its path is not a directory");
    fails("/etc/passwd", 126, "is not executable; run chmod +x on it");
    fails(write("#!/no/such/shell\n"), 127, "its interpreter /no/such/shell is missing");
    fails("/tmp", 126, "is a directory");
    // As env(1), timeout(1) and every shell do.
    dm_stage(&state)
        .args(["build", "--", write("echo no '#!' line\n")])
        .assert()
        .success()
        .stdout("no #! line\n");
    let mut events = journal(state.path());
    assert_eq!(events.pop().unwrap()["status"], "success");
    assert!(events.iter().all(|event| event["status"] == "error"));
    assert_eq!(events[0]["error_type"], "not_found");
}

#[test]
fn nested_stages_know_their_deployment() {
    let state = state_dir();
    let inner = format!("{} build -- true", env!("CARGO_BIN_EXE_dm-stage"));
    dm_stage(&state)
        .args(["deployment", "--app-version", "2.0", "--", "sh", "-c", &inner])
        .assert()
        .success();
    let [build, whole] = journal(state.path()).try_into().unwrap();
    assert_eq!((&build["stage"], &build["parent"]), (&"build".into(), &"deployment".into()));
    assert_eq!((&whole["stage"], &whole["parent"]), (&"deployment".into(), &Value::Null));
    for same in ["deployment", "service", "version", "trace_id"] {
        assert_eq!(build[same], whole[same], "{same}");
    }
    assert_eq!(build["parent_span_id"], whole["id"]);
}

#[test]
fn a_deployment_starts_on_one_machine_and_finishes_on_another() {
    let (one, other) = (state_dir(), state_dir());
    let output =
        dm_stage(&one).args(["deployment", "--start"]).assert().success().get_output().stdout.clone();
    let lines = String::from_utf8(output).unwrap();
    let variables = lines.lines().map(|line| line.split_once('=').unwrap());
    dm_stage(&other)
        .envs(variables)
        .args(["deployment", "--finish", "failure"])
        .assert()
        .success()
        .stderr("");
    let [event] = journal(other.path()).try_into().unwrap();
    assert_eq!((&event["stage"], &event["status"]), (&"deployment".into(), &"failure".into()));
    assert!(event["duration_s"].is_number());
    assert_eq!(journal(one.path())[0]["deployment"], event["deployment"]);

    dm_stage(&other)
        .args(["deployment", "--finish", "success", "--deployment-id", "another"])
        .assert()
        .success()
        .stderr(contains("the start of deployment is unknown"));
}

#[test]
fn a_deployment_ends_once() {
    let state = state_dir();
    let run = |args: &[&str]| dm_stage(&state).args(args).args(["--deployment-id", "d-1"]).assert().success();
    run(&["deployment", "--start"]);
    run(&["deployment", "--finish", "failure"]).stderr("");
    run(&["deployment", "--finish", "success"])
        .stderr("dm-stage: the deployment d-1 has already ended with failure: nothing more is recorded\n");
    let ends = || journal(state.path()).into_iter().filter(|event| event["type"] == "stage").count();
    assert_eq!(ends(), 1);
    // The same one again.
    run(&["deployment", "--start"]);
    run(&["deployment", "--finish", "success"]).stderr("");
    assert_eq!(ends(), 2);
}

#[test]
fn wrong_settings_of_recording_do_not_stop_the_command() {
    let state = state_dir();
    for (name, value, says) in [
        ("PUSHGATEWAY_URL", "nowhere", "PUSHGATEWAY_URL is wrong: "),
        ("DM_TEXTFILE", "dm.txt", "DM_TEXTFILE is wrong: the name must end in .prom"),
        ("DM_TEXTFILE", "/no/such/folder/dm.prom", "its folder /no/such/folder does not exist"),
        ("DM_EXPORT", "later", "DM_EXPORT is wrong: must be detached or foreground; it is detached"),
        ("DM_EXPORT_BUDGET", "2", "DM_EXPORT_BUDGET is wrong: a duration needs a unit"),
        ("DM_COMMIT_TIME", "today", "DM_COMMIT_TIME is \"today\", not a time"),
        ("DM_LEASE_TTL", "2", "DM_LEASE_TTL is \"2\", not a duration"),
    ] {
        dm_stage(&state)
            .env(name, value)
            .args(["build", "--", "sh", "-c", "echo built; exit 7"])
            .assert()
            .code(7)
            .stdout("built\n")
            .stderr(contains(says).and(predicate::function(|text: &str| text.lines().count() == 1)));
    }
    assert!(!std::path::Path::new("/no").exists());
    assert_eq!(journal(state.path()).len(), 7);
}

#[test]
fn a_script_with_the_line_ends_of_windows_is_explained() {
    let state = state_dir();
    let script = state.path().join("deploy.sh");
    common::fs::atomic::write(&script, b"#!/bin/sh\r\necho hi\r\n").unwrap();
    std::fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    dm_stage(&state).args(["build", "--"]).arg(&script).assert().code(127).stderr(contains(
        r#"it has the line ends of Windows, so its interpreter is "/bin/sh\r"; run sed -i 's/\r$//' on it"#,
    ));
}

#[test]
fn the_timeline_shows_the_stages_of_a_deployment() {
    let state = state_dir();
    let tool = env!("CARGO_BIN_EXE_dm-stage");
    let script = format!("{tool} build -- true && {tool} deploy -- sh -c 'exit 4'");
    dm_stage(&state)
        .args(["deployment", "--deployment-id", "d-1", "--", "sh", "-c", &script])
        .assert()
        .code(4);
    dm_stage(&state).args(["build", "--deployment-id", "d-2", "--", "true"]).assert().success();
    dm_stage(&state)
        .args(["--timeline", "d-1"])
        .assert()
        .success()
        .stdout(contains("deployment d-1"))
        .stdout(
            predicate::str::is_match("shop/deployment +█+ .*failure \\(exit_code\\): exit code 4\n").unwrap(),
        )
        .stdout(predicate::str::is_match("shop/build .*ok\n").unwrap());
    dm_stage(&state).arg("--timeline").assert().success().stdout(contains("deployment d-2"));
    dm_stage(&state)
        .args(["--timeline", "d-3"])
        .assert()
        .code(125)
        .stderr(contains("has no deployment d-3; the newest are d-2, d-1"));
}

#[test]
fn wrong_usage_exits_125_with_one_line_before_anything_runs() {
    let state = state_dir();
    let fails = |args: &[&str], cause: &str| {
        dm_stage(&state).args(args).assert().code(125).stdout("").stderr(
            contains(cause)
                .and(predicate::function(|text: &str| text.lines().count() == 1))
                .and(predicate::str::starts_with("dm-stage: ")),
        );
    };
    fails(&["build", "--timeout", "3", "--", "echo"], "a duration needs a unit, such as 3s");
    fails(
        &["build", "--require-export", "--pushgateway-url", "localhost:9091", "--", "echo"],
        "not http or https",
    );
    fails(
        &["build", "cargo", "build"],
        "unexpected argument 'cargo' found: write -- before the command and its arguments;",
    );
    fails(&["build", "--unknown", "--", "echo"], "unexpected argument '--unknown'");
    fails(&["build"], "no command given: write dm-stage build -- COMMAND");
    fails(&["build", "--", ""], "no command given");
    fails(&["Build", "--", "echo"], "a stage name is a lower-case letter");
    fails(&[], "no stage given");
    fails(&["deployment", "--finish", "well"], "a status is one of: success, failure");
    assert!(!state.path().join("journal.jsonl").exists());
}

#[test]
fn empty_variables_count_as_absent() {
    let state = state_dir();
    dm_stage(&state)
        .envs([("PUSHGATEWAY_URL", ""), ("DM_VERSION", ""), ("DM_EXPORT_BUDGET", ""), ("DM_TEXTFILE", "")])
        .args(["build", "--", "true"])
        .assert()
        .success()
        .stderr("");
}

#[test]
fn an_unwritable_state_directory_causes_only_a_warning() {
    let state = state_dir();
    dm_stage(&state)
        .env("DM_STATE_DIR", "/proc/nowhere")
        .args(["build", "--", "sh", "-c", "echo hi; exit 5"])
        .assert()
        .code(5)
        .stdout("hi\n")
        .stderr(
            contains("cannot write the journal in /proc/nowhere")
                .and(predicate::function(|text: &str| text.lines().count() == 1)),
        );
}

#[test]
fn help_has_examples_and_version_is_printed() {
    let state = state_dir();
    dm_stage(&state)
        .arg("--help")
        .assert()
        .success()
        .stdout(contains("Examples:").and(contains("[env: PUSHGATEWAY_URL]")).and(contains("Exit code")));
    dm_stage(&state)
        .arg("--version")
        .assert()
        .success()
        .stdout(contains(concat!("dm-stage ", env!("CARGO_PKG_VERSION"))));
}
