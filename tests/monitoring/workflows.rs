//! The GitHub Actions workflows: they parse, have minimal permissions, and insert no input into a script. The steps that
//! can run locally do what they should.

use std::process::Command;

use serde_json::Value;
use testkit::bin::Machine;

use crate::repository::{names, path, yaml};

const SHA_LENGTH: usize = 40;

/// Checks that a step's action is pinned to a commit, and that its script contains no expression.
fn check_step(name: &str, step: &Value) {
    if let Some(action) = step["uses"].as_str().filter(|action| *action != "./") {
        let pin = action.split_once('@').unwrap().1;
        assert!(pin.len() == SHA_LENGTH && pin.bytes().all(|b| b.is_ascii_hexdigit()), "{name}: {action}");
    }
    let script = step["run"].as_str().unwrap_or_default();
    assert!(!script.contains("${{"), "{name}: {script}");
}

/// Whether a step of the job keeps the shared state in a ref of its own repository, with the job's token.
fn pushes_the_state(job: &Value) -> bool {
    job["steps"].as_array().unwrap().iter().any(|step| {
        let url = step["env"]["DM_STATE_URL"].as_str().unwrap_or_default();
        url.contains("git+https:") && url.contains("github.token")
    })
}

#[test]
fn workflows_have_minimal_permissions_and_no_inlined_input() {
    for name in [names("docs/observability/examples", ".yml"), names(".github/workflows", ".yml")].concat() {
        let workflow: Value = yaml(&name);
        assert_eq!(workflow["permissions"], serde_json::json!({}), "{name}: grant permissions to jobs");
        if !name.ends_with("/ci.yml") {
            assert_eq!(
                workflow["concurrency"]["cancel-in-progress"], false,
                "{name}: a deployment must not be cancelled half-way"
            );
        }
        let jobs = workflow["jobs"].as_object().unwrap();
        assert!(!jobs.is_empty(), "{name}");
        for (id, job) in jobs {
            for (permission, access) in job["permissions"].as_object().unwrap() {
                let is_for_the_state = permission == "contents" && pushes_the_state(job);
                assert!(access == "read" || is_for_the_state, "{name}: {id}: {permission}: {access}");
            }
            assert!(job["timeout-minutes"].is_u64(), "{name}: {id}");
            job["steps"].as_array().unwrap().iter().for_each(|step| check_step(&name, step));
        }
    }
    let action: Value = yaml("action.yml");
    action["runs"]["steps"].as_array().unwrap().iter().for_each(|step| check_step("action.yml", step));
}

/// The command of the step of this name, in an environment like a runner's.
fn step(machine: &Machine, steps: &Value, name: &str) -> Command {
    let steps = steps.as_array().unwrap();
    let step = steps.iter().find(|step| step["name"] == name).unwrap_or_else(|| panic!("no step {name}"));
    let script = machine.folder().join("step.sh");
    common::fs::atomic::write(&script, step["run"].as_str().unwrap().as_bytes()).unwrap();
    let mut command = machine.shell("exec bash --noprofile --norc -eo pipefail \"$1\"");
    command.arg("bash").arg(script).current_dir(path(""));
    command.env("GITHUB_ACTIONS", "true").env("GITHUB_STEP_SUMMARY", machine.folder().join("summary"));
    command.env("GITHUB_OUTPUT", machine.folder().join("output")).env("GITHUB_ACTION_PATH", path(""));
    command.env("RUNNER_TEMP", machine.folder());
    command
}

#[test]
fn the_workflow_deploys_the_sample_and_writes_the_summary() {
    let machine = Machine::new();
    let workflow: Value = yaml(".github/workflows/deploy-full-stack.yml");
    let job = &workflow["jobs"]["deploy"];
    let mut deploy = step(&machine, &job["steps"], "Deploy");
    deploy.env("CONFIG", "").env("DM_DEPLOYMENT_ID", "7-1");
    deploy.env("DM_GITHUB", job["env"]["DM_GITHUB"].as_str().unwrap());
    let output = deploy.output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    assert!(stderr.contains("\ndeployed 1 in ") && stderr.contains(", kept: 0 of "), "{stderr}");
    let show = |deployment: &str| {
        let mut show = step(&machine, &job["steps"], "Write the summary");
        assert!(show.env("DM_DEPLOYMENT_ID", deployment).status().unwrap().success());
        std::fs::read_to_string(machine.folder().join("summary")).unwrap()
    };
    let summary = show("7-1");
    assert!(summary.starts_with("**✅ deployed 1 in "), "the first line: {summary}");
    assert!(summary.contains("| tea-shop/smoke\\_test | ✅&nbsp;ok |"), "a row for each stage: {summary}");
    assert_eq!(summary.matches("deployment 7-1").count(), 1, "one page: {summary}");
    assert_eq!(show("7-2"), summary, "a deployment that did not start has no page, not even another's");
}

#[test]
fn the_cache_key_of_the_action_depends_on_the_sources() {
    let machine = Machine::new();
    let action: Value = yaml("action.yml");
    let key = || {
        let mut sources = step(&machine, &action["runs"]["steps"], "Hash the sources of the tools");
        assert!(sources.status().unwrap().success());
        std::fs::read_to_string(machine.folder().join("output")).unwrap()
    };
    let first = key();
    let hash = first.trim_end().rsplit('-').next().unwrap();
    assert!(first.starts_with("key=") && hash.len() == 32 && first.matches('-').count() >= 2, "{first}");
    assert_eq!(key(), first.repeat(2), "the same sources have the same key");
}
