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
    refused.stderr(contains("not started, nothing was deployed: deployment d-1"));
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
    // Nothing tells this machine that the deployment is exclusive.
    finish.args(["deployment", "--finish", "success"]).assert().code(0).stderr("");
    run(&two, "d-2", &["--start", "--exclusive"]).code(0);
}

#[test]
fn a_deployment_that_loses_its_lease_says_so_at_once_and_is_no_success() {
    let (store, [one, two]) = (state_dir(), [(); 2].map(|()| state_dir()));
    let mut command = machine(&one, &store, "d-1");
    command.stderr(Stdio::piped());
    let mut first = begin(command, one.path());
    signal(&first, "STOP");
    let mut second: assert_cmd::Command = machine(&two, &store, "d-2").into();
    let second = second.args(["deployment", "--exclusive=wait 1m", "--", "true"]).assert().code(0);
    second.stderr(contains("deployment d-1").and(contains("taking over")));
    signal(&first, "CONT");
    // Its command still runs.
    let stderr = first.stderr.take().unwrap();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(stderr));
    let line = lines.next().unwrap().unwrap();
    assert!(line.contains("this deployment has lost its lease") && line.contains("goes on"), "{line}");
    drop(first.stdin.take());
    assert_eq!(first.wait().unwrap().code(), Some(125));
    assert_eq!(lines.map(Result::unwrap).collect::<Vec<_>>(), Vec::<String>::new(), "it is said once");
}

fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill").args(["-s", name, &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

/// Changes the lease in the document.
fn change_lease(store: &TempDir, change: impl FnOnce(&mut serde_json::Value)) {
    let path = store.path().join("production/shop/state.json");
    let mut document: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    change(&mut document["lease"]);
    common::fs::atomic::write(&path, document.to_string().as_bytes()).unwrap();
}

#[test]
fn a_holder_that_seems_dead_is_watched_without_being_asked_for_it() {
    let (store, [one, two]) = (state_dir(), [(); 2].map(|()| state_dir()));
    let mut first = begin(machine(&one, &store, "d-1"), one.path());
    first.kill().unwrap();
    first.wait().unwrap();
    // On another machine, one cannot see that its process has ended.
    change_lease(&store, |lease| {
        lease["holder"]["process"]["boot"] = "elsewhere".into();
        lease["renewed_at"] = "2026-01-01T00:00:00Z".into();
    });
    let mut second: assert_cmd::Command = machine(&two, &store, "d-2").into();
    let second = second.args(["deployment", "--exclusive", "--", "true"]).assert().code(0);
    second.stderr(contains("waiting for at most").and(contains("taking over")));
}

#[test]
fn what_one_run_has_watched_counts_for_the_next_one() {
    let (store, [one, two]) = (state_dir(), [(); 2].map(|()| state_dir()));
    let mut first = begin(machine(&one, &store, "d-1"), one.path());
    first.kill().unwrap();
    first.wait().unwrap();
    change_lease(&store, |lease| {
        lease["holder"]["process"]["boot"] = "elsewhere".into();
        // Just now: it does not seem dead.
        lease["renewed_at"] = "2999-01-01T00:00:00Z".into();
        lease["ttl_s"] = 6.into();
        lease["is_renewed"] = false.into();
    });
    // Each run asks once and goes away.
    testkit::server::eventually("a takeover", || {
        let mut second: assert_cmd::Command = machine(&two, &store, "d-2").into();
        let output = second.args(["deployment", "--exclusive", "--", "true"]).output().unwrap();
        if output.status.success() { Ok(()) } else { Err(String::from_utf8(output.stderr).unwrap()) }
    });
}

#[test]
fn a_deployment_between_processes_begins_again_and_a_forgotten_one_ends() {
    let (store, [one, two]) = (state_dir(), [(); 2].map(|()| state_dir()));
    let start = |state: &TempDir, deployment: &str| {
        let mut tool: assert_cmd::Command = machine(state, &store, deployment).into();
        tool.args(["deployment", "--start", "--exclusive"]).assert()
    };
    start(&one, "d-1").code(0);
    // The runner died, and the job runs again on another one.
    start(&two, "d-1").code(0);
    start(&two, "d-2").code(75).stderr(contains("its lease expires in 1h"));
    change_lease(&store, |lease| lease["renewed_at"] = "2026-01-01T00:00:00Z".into());
    start(&two, "d-2").code(0).stderr(contains("taking over"));
}

#[test]
fn a_wrong_url_of_the_state_stops_only_who_needs_it() {
    let (store, state) = (state_dir(), state_dir());
    let run = |args: &[&str]| {
        let mut tool: assert_cmd::Command = machine(&state, &store, "d-1").into();
        tool.env("DM_STATE_URL", "hunter2:x").args(args).assert().stderr(contains("hunter2").not())
    };
    run(&["build", "--", "true"]).code(0).stderr(contains("so nothing is shared"));
    run(&["deployment", "--exclusive", "--", "touch", "never"]).code(125).stderr(contains("is wrong"));
    run(&["--flush"]).code(125);
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
