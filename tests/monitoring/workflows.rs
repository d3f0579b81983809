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

/// What the jobs of the release may write: each does one thing with it, and runs no code of a dependency.
const RELEASE: [(&str, &[&str]); 5] = [
    ("build", &[]),
    ("publish", &["contents", "id-token", "attestations"]),
    ("image", &["packages", "id-token", "attestations"]),
    ("crates", &["id-token"]),
    ("digests", &["contents", "pull-requests"]),
];

/// Whether a job of the release workflow may have a permission to write.
fn is_for_the_release(name: &str, job: &str, permission: &str) -> bool {
    let of_job = RELEASE.iter().find(|(known, _)| *known == job);
    name.ends_with("/release.yml") && of_job.is_some_and(|(_, allowed)| allowed.contains(&permission))
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
                let is_allowed =
                    access == "read" || is_for_the_state || is_for_the_release(&name, id, permission);
                assert!(is_allowed, "{name}: {id}: {permission}: {access}");
            }
            let limit = &job["timeout-minutes"];
            assert!(limit.is_u64() || limit == "${{ inputs.timeout-minutes }}", "{name}: {id}");
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
fn the_called_workflow_deploys_with_the_secrets_of_its_caller_and_keeps_a_report() {
    let machine = Machine::new();
    let workflow: Value = yaml(".github/workflows/deploy.yml");
    let steps = &workflow["jobs"]["deploy"]["steps"];
    std::os::unix::fs::symlink(path(""), machine.folder().join("dm-scripts")).unwrap();
    let config = machine.folder().join("deploy.env");
    let settings =
        "SERVICE=shop\nCOMPONENTS=api\nAPI_DEPLOY='[ \"$TOKEN\" = \"hunter2=x y\" ]'\nAPI_ROLLBACK=true\n";
    common::fs::atomic::write(&config, settings.as_bytes()).unwrap();
    let deploy = |variables: &str| {
        let mut deploy = step(&machine, steps, "Deploy");
        deploy.env("CONFIG", &config).env("DM_CI_VARIABLES", variables).env("DM_DEPLOYMENT_ID", "8-1");
        let output = deploy.output().unwrap();
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
    };
    let (code, stdout, stderr) = deploy("EMPTY=\n\nTOKEN=hunter2=x y\r\n");
    assert_eq!(code, 0, "{stderr}");
    assert_eq!(stdout.matches("hunter2").count(), 1, "{stdout}");
    assert!(stdout.contains("::add-mask::hunter2=x y\n") && !stderr.contains("hunter2"), "{stdout}{stderr}");
    for (variables, message) in [
        ("A=1\nhunter2", "line 2 of the variables is not NAME=VALUE"),
        ("LD_PRELOAD=/hunter2.so", "line 1 of the variables must not set LD_PRELOAD"),
        ("GITHUB_ENV=/hunter2", "must not set GITHUB_ENV"),
    ] {
        let (code, _, stderr) = deploy(variables);
        assert!(code == 2 && stderr.contains(message) && !stderr.contains("hunter2"), "{code}: {stderr}");
    }
    let mut report = step(&machine, steps, "Write the summary");
    assert!(report.env("DM_DEPLOYMENT_ID", "8-1").status().unwrap().success());
    let timeline = std::fs::read_to_string(machine.folder().join("dm-report/timeline.txt")).unwrap();
    assert!(timeline.contains("deployment 8-1, "), "{timeline}");
    let report = std::fs::read_to_string(machine.folder().join("dm-report/report.html")).unwrap();
    assert!(report.contains("<h2 id=\"stages\">Stages</h2>"), "{report}");
    assert!(machine.folder().join("dm-report/journal.jsonl").exists());
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

/// The code blocks of a page, with their languages.
fn blocks(page: &str) -> Vec<(String, String)> {
    let text = std::fs::read_to_string(path(page)).unwrap();
    let mut blocks = Vec::new();
    let mut parts = text.split("```");
    // Text and code take turns.
    while let (Some(_), Some(code)) = (parts.next(), parts.next()) {
        let (language, code) = code.split_once('\n').unwrap();
        blocks.push((language.to_owned(), code.to_owned()));
    }
    blocks
}

#[test]
fn what_is_copied_into_a_pipeline_is_short_and_pinned() {
    let pages = names("docs/ci", ".md");
    assert_eq!(pages.len(), 5, "{pages:?}");
    for page in pages {
        let blocks = blocks(&page);
        let (language, code) = blocks.iter().find(|(language, _)| language != "sh").unwrap();
        assert!(code.lines().count() < 20, "{page}: {} lines", code.lines().count());
        if language == "yaml" {
            let parsed: Value =
                serde_saphyr::from_str(code).unwrap_or_else(|error| panic!("{page}: {error}"));
            assert!(parsed.is_object(), "{page}");
        }
        for line in blocks.iter().flat_map(|(_, code)| code.lines()) {
            assert!(!line.contains("uses:") || line.ends_with("@COMMIT"), "{page}: {line}");
            let image = line.split_once("image:").map(|(_, image)| image);
            assert!(image.is_none_or(|image| image.contains("@sha256:DIGEST")), "{page}: {line}");
        }
        let all: String = blocks.iter().map(|(_, code)| code.as_str()).collect();
        let installs = all.matches("install.sh\" | sha256sum -c && sh install.sh").count();
        assert!(
            !all.contains("sh install.sh") || installs == 1,
            "{page}: an installer is verified before it runs"
        );
    }
}

#[test]
fn the_example_calls_the_workflow_with_inputs_that_it_has() {
    let (_, code) = blocks("docs/ci/github.md").remove(0);
    let example: Value = serde_saphyr::from_str(&code).unwrap();
    let job = &example["jobs"]["deploy"];
    let workflow: Value = yaml(".github/workflows/deploy.yml");
    let called = &workflow["on"]["workflow_call"];
    for (given, kind) in [("with", "inputs"), ("secrets", "secrets")] {
        for name in job[given].as_object().unwrap().keys() {
            assert!(called[kind][name].is_object(), "{name}");
        }
    }
    assert_eq!(job["permissions"], workflow["jobs"]["deploy"]["permissions"]);
}
