//! What runs in GitHub Actions: it parses, it may do little, nothing from outside becomes a part of a script; and the
//! scripts do what they are there for.

use std::process::Command;

use serde_json::Value;
use testkit::bin::Machine;

use crate::repository::{names, path, yaml};

const SHA_LENGTH: usize = 40;

/// A step's action is that of one commit, and its script is the same whatever the run was given.
fn is_fixed(name: &str, step: &Value) {
    if let Some(action) = step["uses"].as_str().filter(|action| *action != "./") {
        let pin = action.split_once('@').unwrap().1;
        assert!(pin.len() == SHA_LENGTH && pin.bytes().all(|b| b.is_ascii_hexdigit()), "{name}: {action}");
    }
    let script = step["run"].as_str().unwrap_or_default();
    assert!(!script.contains("${{"), "{name}: {script}");
}

#[test]
fn a_workflow_is_small_in_its_rights_and_takes_input_by_variables_only() {
    for name in [names("docs/observability/examples", ".yml"), names(".github/workflows", ".yml")].concat() {
        let workflow: Value = yaml(&name);
        assert_eq!(workflow["permissions"], serde_json::json!({}), "{name}: rights are given to jobs");
        if !name.ends_with("/ci.yml") {
            assert_eq!(
                workflow["concurrency"]["cancel-in-progress"], false,
                "{name}: what changes production is not cut off"
            );
        }
        let jobs = workflow["jobs"].as_object().unwrap();
        assert!(!jobs.is_empty(), "{name}");
        for (id, job) in jobs {
            let rights = job["permissions"].as_object().unwrap();
            assert!(rights.values().all(|right| right == "read"), "{name}: {id}: {rights:?}");
            assert!(job["timeout-minutes"].is_u64(), "{name}: {id}");
            job["steps"].as_array().unwrap().iter().for_each(|step| is_fixed(&name, step));
        }
    }
    let action: Value = yaml("action.yml");
    action["runs"]["steps"].as_array().unwrap().iter().for_each(|step| is_fixed("action.yml", step));
}

/// The step of this name, as a runner would run it on this machine.
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
fn the_deployment_workflow_deploys_the_sample_and_shows_what_it_did() {
    let machine = Machine::new();
    let workflow: Value = yaml(".github/workflows/deploy-full-stack.yml");
    let job = &workflow["jobs"]["deploy"];
    let mut deploy = step(&machine, &job["steps"], "Deploy");
    deploy.env("CONFIG", "").env("DM_DEPLOYMENT_ID", "7-1");
    deploy.env("DM_GITHUB", job["env"]["DM_GITHUB"].as_str().unwrap());
    let output = deploy.output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    assert!(told.contains("deployed and kept"), "{told}");
    let show = |deployment: &str| {
        let mut show = step(&machine, &job["steps"], "Show what it did, and when");
        assert!(show.env("DM_DEPLOYMENT_ID", deployment).status().unwrap().success());
        std::fs::read_to_string(machine.folder().join("summary")).unwrap()
    };
    let summary = show("7-1");
    assert!(summary.contains("| tea-shop/deployment | success"), "a row a stage: {summary}");
    assert!(summary.contains("deployment 7-1, ") && summary.ends_with("\n```\n"), "the timeline: {summary}");
    assert_eq!(show("7-2"), summary, "a deployment that did not begin has no timeline, and not another's");
}

#[test]
fn the_action_knows_what_the_tools_are_made_of() {
    let machine = Machine::new();
    let action: Value = yaml("action.yml");
    let key = || {
        let mut sources = step(&machine, &action["runs"]["steps"], "What the tools are made of");
        assert!(sources.status().unwrap().success());
        std::fs::read_to_string(machine.folder().join("output")).unwrap()
    };
    let first = key();
    let hash = first.trim_end().rsplit('-').next().unwrap();
    assert!(first.starts_with("key=") && hash.len() == 32 && first.matches('-').count() >= 2, "{first}");
    assert_eq!(key(), first.repeat(2), "the same tools have the same key");
}
