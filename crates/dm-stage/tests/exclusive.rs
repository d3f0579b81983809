//! Exclusive deployments: of several machines, one at a time deploys a service.
#![expect(clippy::unwrap_used, reason = "a panic is a failed test")]

mod support;

use std::path::Path;
use std::process::{Child, Command, Stdio};

use predicates::prelude::PredicateBooleanExt as _;
use predicates::str::contains;
use tempfile::TempDir;

use support::{journal, state_dir};

/// The tool on one of several machines that share their state.
fn machine(state: &TempDir, store: &TempDir, deployment: &str) -> Command {
    let mut command = support::dm_stage(state);
    command.env("DM_DEPLOYMENT_ID", deployment).env("DM_LEASE_TTL", "2s");
    command.env("DM_STATE_URL", format!("file://{}", store.path().display()));
    command
}

/// A deployment that runs until its stdin ends. Returns once it runs.
fn begin(mut command: Command, folder: &Path) -> Child {
    let began = folder.join("began");
    let script = format!("echo > {}; cat; true", began.display());
    command.args(["deployment", "--exclusive", "--", "sh", "-c", &script]);
    let child = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    testkit::server::eventually("the deployment", || {
        if began.exists() { Ok(()) } else { Err("not yet".to_owned()) }
    });
    child
}

#[test]
fn a_second_deployment_is_refused_with_the_holder_s_name_or_waits() {
    let (store, [one, two, three]) = (state_dir(), [(); 3].map(|()| state_dir()));
    let mut first = begin(machine(&one, &store, "d-1"), one.path());
    let mut refused: assert_cmd::Command = machine(&two, &store, "d-2").into();
    let refused = refused.args(["deployment", "--exclusive", "--", "touch", "never"]).assert().code(75);
    refused.stderr(contains(
        "not started: the deployment of deployment d-1 of shop in production is running on",
    ));
    // Without --exclusive, nobody asks.
    let mut other: assert_cmd::Command = machine(&two, &store, "d-2").into();
    other.args(["build", "--", "true"]).assert().code(0);

    let mut waiting = machine(&three, &store, "d-3");
    waiting.args(["deployment", "--exclusive=wait 1m", "--", "true"]).stderr(Stdio::piped());
    let mut waiting = waiting.spawn().unwrap();
    let stderr = waiting.stderr.take().unwrap();
    let line = std::io::BufRead::lines(std::io::BufReader::new(stderr)).next().unwrap().unwrap();
    assert!(line.contains("waiting for at most 1m"), "{line}");
    drop(first.stdin.take());
    assert!(first.wait().unwrap().success());
    assert!(waiting.wait().unwrap().success());
    let stages: Vec<_> = journal(two.path()).iter().map(|event| event["stage"].clone()).collect();
    assert_eq!(stages, ["build"], "a deployment that did not start is not recorded");
}

#[test]
fn a_deployment_whose_machine_died_is_taken_over() {
    let (store, [one, two]) = (state_dir(), [(); 2].map(|()| state_dir()));
    let mut first = begin(machine(&one, &store, "d-1"), one.path());
    first.kill().unwrap();
    first.wait().unwrap();
    let mut second: assert_cmd::Command = machine(&two, &store, "d-2").into();
    let second = second.args(["deployment", "--exclusive=wait 1m", "--", "true"]).assert().code(0);
    second.stderr(contains("deployment d-1").and(contains("taking over")));
}

#[test]
fn a_deployment_that_spans_machines_holds_the_lease_from_start_to_finish() {
    let (store, [one, two, three]) = (state_dir(), [(); 3].map(|()| state_dir()));
    let run = |state: &TempDir, deployment: &str, args: &[&str]| {
        let mut tool: assert_cmd::Command = machine(state, &store, deployment).into();
        tool.arg("deployment").args(args).assert()
    };
    let variables = run(&one, "d-1", &["--start", "--exclusive"]).code(0);
    variables.stdout(contains("DM_EXCLUSIVE=1"));
    run(&two, "d-2", &["--start", "--exclusive"]).code(75).stderr(contains("d-1"));
    let mut finish: assert_cmd::Command = machine(&three, &store, "d-1").into();
    finish.env("DM_EXCLUSIVE", "1").args(["deployment", "--finish", "success"]).assert().code(0);
    run(&two, "d-2", &["--start", "--exclusive"]).code(0);
}

#[test]
fn exclusive_is_for_deployments_and_needs_its_lease() {
    let (store, state) = (state_dir(), state_dir());
    let mut build: assert_cmd::Command = machine(&state, &store, "d-1").into();
    build
        .args(["build", "--exclusive", "--", "true"])
        .assert()
        .code(125)
        .stderr(contains("whole deployment"));
    let mut unreachable: assert_cmd::Command = machine(&state, &store, "d-1").into();
    unreachable.env("DM_STATE_URL", "file:///proc/none").args([
        "deployment",
        "--exclusive",
        "--",
        "touch",
        "never",
    ]);
    unreachable.assert().code(75).stderr(contains("cannot tell whether another deployment runs"));
    // On one machine, the state directory serves.
    let mut alone: assert_cmd::Command = machine(&state, &store, "d-1").into();
    alone.env_remove("DM_STATE_URL").args(["deployment", "--exclusive", "--", "true"]).assert().code(0);
}
