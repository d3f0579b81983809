//! Deployments whose processes are killed by SIGKILL, as by a lost runner: the timeline and the next deployment say so.
#![expect(
    clippy::disallowed_methods,
    reason = "the commands of these stages leave nothing that holds a pipe"
)]
#![expect(clippy::unwrap_used, reason = "a panic is a failed test")]

mod support;

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command};

use serde_json::Value;
use tempfile::TempDir;
use testkit::process::kill_all;
use testkit::server::eventually;

use support::{dm_stage, journal, state_dir};

const TOOL: &str = env!("CARGO_BIN_EXE_dm-stage");

/// What is noted as running in the state directory.
fn marks(state: &TempDir) -> usize {
    let Ok(folder) = fs::read_dir(state.path().join("running")) else { return 0 };
    folder.filter(|entry| !entry.as_ref().unwrap().file_name().to_str().unwrap().starts_with('.')).count()
}

/// A deployment that has built, and whose migration runs until it is killed.
fn migrating(state: &TempDir) -> Child {
    let fifo = state.path().join("ready");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let script = format!(
        "{TOOL} build -- true; DM_SERVICE=database {TOOL} migration -- sh -c 'echo on > {}; sleep 300 & wait'",
        fifo.display()
    );
    let mut command = dm_stage(state);
    command.args([
        "deployment",
        "--deployment-id",
        "d-1",
        "--app-version",
        "2.0.1",
        "--",
        "sh",
        "-c",
        &script,
    ]);
    let child = command.spawn().unwrap();
    let mut line = String::new();
    BufReader::new(fs::File::open(&fifo).unwrap()).read_line(&mut line).unwrap();
    fs::remove_file(&fifo).unwrap();
    eventually("the deployment and its migration run", || match marks(state) {
        2 => Ok(()),
        count => Err(format!("{count} marks")),
    });
    child
}

/// The processes that this one has started, and those that they have.
fn descendants(pid: u32) -> Vec<i32> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    let children: Vec<u32> = children.split_whitespace().map(|child| child.parse().unwrap()).collect();
    let mut all: Vec<i32> = children.iter().map(|child| child.cast_signed()).collect();
    all.extend(children.into_iter().flat_map(descendants));
    all
}

/// Kills the deployment and everything that it has started, as a lost machine does: whoever would notice the end of another
/// process is killed before that.
fn lose_machine(mut child: Child) {
    let all = descendants(child.id());
    assert!(all.len() >= 3, "{all:?}");
    child.kill().unwrap();
    kill_all(&all);
    child.wait().unwrap();
}

fn stdout(state: &TempDir, arguments: &[&str]) -> String {
    let output = dm_stage(state).args(arguments).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// What the next deployment of a service prints.
fn next(state: &TempDir, service: &str) -> String {
    let mut command = dm_stage(state);
    command.args(["deployment", "--service", service, "--", "true"]);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stderr).unwrap()
}

fn row<'a>(timeline: &'a str, name: &str) -> &'a str {
    let row = timeline.lines().find(|line| line.trim_start().starts_with(name));
    row.unwrap_or_else(|| panic!("no row {name} in {timeline}"))
}

#[test]
fn a_killed_deployment_is_interrupted_in_the_timeline_and_for_the_next_deployment() {
    let state = state_dir();
    lose_machine(migrating(&state));
    let assert_timeline = || {
        let timeline = stdout(&state, &["--timeline", "d-1"]);
        assert!(timeline.starts_with("shop version 2.0.1 to production, deployment d-1"), "{timeline}");
        for name in ["shop/deployment", "database/migration"] {
            assert!(row(&timeline, name).ends_with("?  interrupted"), "{timeline}");
        }
        assert!(row(&timeline, "shop/build").ends_with(" ok"), "{timeline}");
        assert_eq!(timeline.lines().count(), 4, "{timeline}");
    };
    assert_timeline();
    assert!(stdout(&state, &["--timeline"]).contains("deployment d-1"));

    assert_eq!(next(&state, "another"), "");
    let line = next(&state, "shop");
    let expected = regex_lite::Regex::new(
        r"^dm-stage: the previous deployment \(2\.0\.1, started \d\d:\d\d UTC\) was interrupted at migration: 2\.0\.1 may be live\n$",
    );
    assert!(expected.unwrap().is_match(&line), "{line}");
    assert_eq!(next(&state, "shop"), "", "it is told once");
    assert_timeline();
    assert_eq!(marks(&state), 0);
    let starts: Vec<Value> = journal(state.path()).into_iter().filter(|it| it["type"] == "start").collect();
    let [start] = starts.try_into().unwrap();
    assert_eq!((&start["deployment"], &start["stage"]), (&"d-1".into(), &"deployment".into()));
    assert_eq!(start["interrupted"][0]["stage"], "migration");
}

#[test]
fn a_deployment_that_runs_is_not_interrupted() {
    let state = state_dir();
    let child = migrating(&state);
    assert_eq!(next(&state, "shop"), "");
    let timeline = stdout(&state, &["--timeline", "d-1"]);
    for name in ["shop/deployment", "database/migration"] {
        assert!(row(&timeline, name).ends_with("  running"), "{timeline}");
    }
    assert!(stdout(&state, &["--timeline"]).contains("shop/deployment"));
    lose_machine(child);
}

#[test]
fn a_killed_stage_is_interrupted_and_its_deployment_ends_as_its_script_does() {
    let state = state_dir();
    let running = state.path().join("running");
    let script = format!(
        "{TOOL} test -- sh -c 'while [ $(ls {} | wc -l) -lt 2 ]; do sleep 0.01; done; kill -KILL $PPID' || exit 9",
        running.display()
    );
    let mut command = dm_stage(&state);
    command.args([
        "deployment",
        "--deployment-id",
        "d-1",
        "--summary-line",
        "always",
        "--",
        "sh",
        "-c",
        &script,
    ]);
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(9));
    assert!(String::from_utf8(output.stderr).unwrap().contains("FAILED: exit code 9"));
    let timeline = stdout(&state, &["--timeline"]);
    assert!(row(&timeline, "shop/deployment").contains("failure"), "{timeline}");
    assert!(row(&timeline, "shop/test").ends_with("interrupted"), "{timeline}");
    assert_eq!(next(&state, "shop"), "");
}

#[test]
fn a_process_that_cannot_be_seen_from_here_counts_as_running_for_a_day() {
    let state = state_dir();
    lose_machine(migrating(&state));
    let folder = state.path().join("running");
    let change = |name: &str, field: &str, to: &dyn Fn(&mut Value)| {
        let path = folder.join(name);
        let mut mark: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        to(mark.pointer_mut(field).unwrap());
        common::fs::atomic::write(&path, mark.to_string().as_bytes()).unwrap();
    };
    let names: Vec<String> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    for name in &names {
        change(name, "/process/boot", &|boot| *boot = "another machine".into());
    }
    assert_eq!(next(&state, "shop"), "");
    assert!(row(&stdout(&state, &["--timeline", "d-1"]), "shop/deployment").ends_with("running"));
    for name in &names {
        change(name, "/ts", &|ts| *ts = "2026-01-01T00:00:00Z".into());
    }
    assert!(next(&state, "shop").contains("(2.0.1, started 2026-01-01 00:00 UTC) was interrupted"));
}

#[test]
fn damaged_marks_and_a_folder_that_cannot_be_used_change_nothing() {
    let state = state_dir();
    let folder = state.path().join("running");
    assert_eq!(next(&state, "shop"), "");
    for (name, text) in [("0", ""), ("1", "{\"v\":1"), ("2", "[]"), ("3", "{\"v\":1,\"type\":\"start\"}")] {
        common::fs::atomic::write(&folder.join(name), text.as_bytes()).unwrap();
    }
    assert_eq!(next(&state, "shop"), "");
    fs::remove_dir_all(&folder).unwrap();
    common::fs::atomic::write(&folder, b"a file").unwrap();
    assert_eq!(next(&state, "shop"), "");
    assert!(stdout(&state, &["--timeline"]).contains("ok"));
}
