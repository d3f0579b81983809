//! What a person asks afterwards, or meanwhile: the history, a running deployment, and both as JSON.
#![expect(clippy::unwrap_used, reason = "a panic is a failed test")]
#![expect(
    clippy::disallowed_methods,
    reason = "the commands of these stages leave nothing that holds a pipe"
)]

mod support;

use std::fs::OpenOptions;
use std::io::{BufRead, BufReader, Write as _};
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use support::{dm_stage, journal, state_dir};

const TOOL: &str = env!("CARGO_BIN_EXE_dm-stage");

fn deploy(state: &TempDir, version: &str, script: &str) {
    let mut command = dm_stage(state);
    command.args(["deployment", "--deployment-id", &format!("d-{version}"), "--app-version", version]);
    command.args(["--", "sh", "-c", &format!("{TOOL} build -- true; {script}")]);
    command.output().unwrap();
}

/// The answer on stdout.
fn ask(state: &TempDir, arguments: &[&str]) -> String {
    // The variables of a job do not select deployments unless the flags do.
    let output = dm_stage(state).env_remove("DM_SERVICE").args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn json(state: &TempDir, arguments: &[&str]) -> Value {
    serde_json::from_str(&ask(state, arguments)).unwrap()
}

/// A state directory with a good deployment, one that failed, and one of another service.
fn some_deployments() -> TempDir {
    let state = state_dir();
    deploy(&state, "1", &format!("{TOOL} deploy -- true"));
    deploy(&state, "2", &format!("{TOOL} build --tail 1 -- sh -c 'echo no space left >&2; exit 3'; exit 1"));
    let mut other = dm_stage(&state);
    other.env("DM_SERVICE", "billing").args(["deployment", "--deployment-id", "d-3", "--", "true"]);
    other.output().unwrap();
    state
}

#[test]
fn the_history_is_a_line_for_each_deployment_the_newest_first() {
    let state = some_deployments();
    let all = ask(&state, &["--history"]);
    let lines: Vec<&str> = all.lines().collect();
    let ids: Vec<&str> = lines[1..].iter().map(|line| line.split_whitespace().nth(2).unwrap()).collect();
    assert_eq!(ids, ["d-3", "d-2", "d-1"], "{all}");
    assert!(lines[0].starts_with("BEGAN (UTC)") && lines[2].contains("failed"), "{all}");
    let shop =
        ask(&state, &["--history", "--service", "shop", "--environment", "production", "--since", "1d"]);
    assert_eq!(shop.lines().count(), 3, "{shop}");
    assert_eq!(ask(&state, &["--history", "--service", "nobody"]), "no deployments\n");
}

#[test]
fn a_program_gets_the_history_and_the_timeline_as_json() {
    let state = some_deployments();
    let history = json(&state, &["--history", "--service", "shop", "--format", "json"]);
    let of = |field: &str| {
        let values = history.as_array().unwrap().iter().map(|it| it[field].as_str().unwrap_or("-"));
        values.collect::<Vec<_>>().join(" ")
    };
    assert_eq!(of("deployment"), "d-2 d-1");
    assert_eq!(of("outcome"), "failed deployed");
    assert_eq!(of("failed_stage"), "build -");
    assert_eq!(of("now"), "unknown live");
    assert_eq!(history[0]["cause"], "exit code 3: no space left");

    let timeline = json(&state, &["--timeline", "d-2", "--format", "json"]);
    assert_eq!(timeline["sentence"], "FAILED at build: exit code 3: no space left");
    let stages = timeline["stages"].as_array().unwrap();
    let recorded = journal(state.path());
    let recorded =
        recorded.iter().filter(|event| event["deployment"] == "d-2" && event["stage"] != "deployment");
    assert_eq!(stages.len(), recorded.count());
    let statuses: Vec<&str> = stages.iter().map(|stage| stage["status"].as_str().unwrap()).collect();
    assert_eq!(statuses, ["success", "failure"]);
    assert_eq!(stages[1]["service"], "shop");
    assert!(stages[1]["duration_s"].as_f64().is_some());
}

#[test]
fn a_running_deployment_is_followed_to_its_end() {
    let state = state_dir();
    let gate = state.path().join("gate");
    assert!(Command::new("mkfifo").arg(&gate).status().unwrap().success());
    let idle = dm_stage(&state).arg("--follow").output().unwrap();
    assert_eq!(idle.status.code(), Some(125));
    assert!(String::from_utf8_lossy(&idle.stderr).contains("no deployment is running on this machine"));

    let script = format!("{TOOL} build -- sh -c 'echo building; read -r line < {}'; exit 7", gate.display());
    let mut deployment = dm_stage(&state);
    deployment.args(["deployment", "--deployment-id", "d-1", "--", "sh", "-c", &script]);
    let mut deployment = deployment.stdout(Stdio::piped()).spawn().unwrap();
    let mut started = String::new();
    BufReader::new(deployment.stdout.take().unwrap()).read_line(&mut started).unwrap();
    assert_eq!(started, "building\n");

    let mut follower = dm_stage(&state).arg("--follow").stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(follower.stdout.take().unwrap()).lines().map(Result::unwrap);
    let running = lines.next().unwrap();
    assert!(running.contains("shop/build") && running.ends_with("started"), "{running}");
    let running = json(&state, &["--timeline", "--format", "json"]);
    assert_eq!(
        (&running["outcome"], &running["stages"][0]["status"]),
        (&"running".into(), &"running".into())
    );

    OpenOptions::new().write(true).open(&gate).unwrap().write_all(b"go\n").unwrap();
    let rest: Vec<String> = lines.collect();
    assert!(rest[0].contains("shop/build") && rest[0].ends_with("ok"), "{rest:?}");
    assert_eq!(rest[1..], ["FAILED: exit code 7"]);
    assert_eq!(deployment.wait().unwrap().code(), Some(7));
    assert!(follower.wait().unwrap().success());
}

#[test]
fn the_page_is_written_to_a_file_and_printed_later() {
    let state = state_dir();
    let page = state.path().join("page.md");
    let mut command = dm_stage(&state);
    command.args(["deployment", "--app-version", "2", "--summary"]).arg(&page).args(["--", "true"]);
    assert!(command.status().unwrap().success());
    let written = std::fs::read_to_string(&page).unwrap();
    assert!(written.starts_with("**✅ deployed 2 in "), "{written}");
    assert_eq!(ask(&state, &["--timeline", "--format", "markdown"]), written);

    let lost = dm_stage(&state)
        .args(["deployment", "--summary", "/nowhere/page.md", "--", "sh", "-c", "exit 3"])
        .output();
    let lost = lost.unwrap();
    assert_eq!(lost.status.code(), Some(3), "a page that cannot be written changes nothing");
    let stderr = String::from_utf8_lossy(&lost.stderr).into_owned();
    assert!(stderr.contains("cannot write the page of the deployment to /nowhere/page.md: "), "{stderr}");

    let refused = dm_stage(&state).args(["--history", "--format", "markdown"]).output().unwrap();
    assert_eq!(refused.status.code(), Some(125));
    assert!(
        String::from_utf8_lossy(&refused.stderr).contains("is the page of one deployment"),
        "{refused:?}"
    );
}
