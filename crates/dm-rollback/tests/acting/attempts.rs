//! Once per deployment means once per attempt: jobs that are run again, and services that share a name.

use assert_cmd::assert::Assert;
use predicates::prelude::*;
use predicates::str::contains;
use serde_json::json;

use crate::team::{TRACE, Team, event, healthy, unhealthy};

const NOW: [&str; 2] = ["--cool-down", "0s"];

/// A judgement in a CI job with these variables, without a deployment id.
fn in_job(team: &Team, variables: &[(&str, &str)], stream: String) -> Assert {
    let mut tool = team.tool("", "2.0");
    tool.envs(variables.iter().copied()).arg("--if-health-fails").args(NOW);
    tool.args(["--", "sh", "-c", TRACE]).write_stdin(stream).assert()
}

#[test]
fn a_job_that_is_run_again_is_another_attempt() {
    for (system, run, job) in [
        ("GITLAB_CI", "CI_PIPELINE_ID", "CI_JOB_ID"),
        ("BUILDKITE", "BUILDKITE_BUILD_ID", "BUILDKITE_RETRY_COUNT"),
        ("TRAVIS", "TRAVIS_BUILD_ID", "TRAVIS_JOB_ID"),
        ("CIRCLECI", "CIRCLE_WORKFLOW_ID", "CIRCLE_WORKFLOW_JOB_ID"),
    ] {
        let team = Team::new();
        team.keeps("d-1", "1.0");
        let judge = |id, stream| in_job(&team, &[(system, "true"), (run, "5001"), (job, id)], stream);
        judge("1", unhealthy()).code(12).stderr(contains("rolling back to 1.0"));
        judge("1", unhealthy()).code(12).stderr(contains("was rolled back before"));
        assert_eq!(team.trace().len(), 1, "{system}");
        judge("2", unhealthy()).code(12).stderr(contains("rolling back to 1.0"));
        judge("2", unhealthy()).code(12).stderr(contains("(attempt 2) was rolled back before"));
        assert_eq!(team.trace().len(), 2, "{system}");
        assert_eq!(team.ledger()[3]["attempt"], 2);
        // The third attempt is good.
        judge("3", healthy()).code(0);
        assert_eq!(team.ledger().last().unwrap()["type"], "good");
    }
}

#[test]
fn a_start_without_the_stage_that_deploys_does_not_hide_a_job_that_is_run_again() {
    let team = Team::new();
    team.keeps("d-1", "1.0");
    let mut started = event("d-2", "api", "deployment", &json!({}));
    started["type"] = "start".into();
    team.append_event(&started);
    for (job, runs) in [("1", 1), ("1", 1), ("2", 2), ("2", 2)] {
        let mut tool = team.tool("d-2", "2.0");
        tool.env("GITLAB_CI", "true").env("CI_JOB_ID", job).arg("--if-health-fails").args(NOW);
        tool.args(["--", "sh", "-c", TRACE]).write_stdin(unhealthy()).assert().code(12);
        assert_eq!(team.trace().len(), runs, "job {job}");
    }
}

#[test]
fn another_job_of_the_same_run_is_no_other_attempt() {
    let team = Team::new();
    let judge = |name, id| {
        let job =
            [("GITLAB_CI", "true"), ("CI_PIPELINE_ID", "5001"), ("CI_JOB_NAME", name), ("CI_JOB_ID", id)];
        in_job(&team, &job, unhealthy())
    };
    judge("deploy", "1").code(12);
    judge("check later", "2").code(12).stderr(contains("was rolled back before"));
    assert_eq!(team.trace().len(), 1);
}

#[test]
fn each_start_of_the_deploying_stage_is_an_attempt() {
    let team = Team::new();
    team.keeps("d-1", "1.0");
    for attempt in 1..=2 {
        let id = format!("{attempt:016}");
        team.append_event(&event("d-2", "api", "deploy", &json!({"id": id})));
        team.fails("d-2", "2.0", &NOW, TRACE).code(12).stderr(contains("rolling back to 1.0"));
        team.append_event(&event("d-2", "api", "health_check", &json!({})));
        team.append_event(&event("d-2", "web", "deploy", &json!({"id": format!("{attempt:015}a")})));
        team.fails("d-2", "2.0", &NOW, TRACE).code(12).stderr(contains("was rolled back before"));
        assert_eq!(team.trace().len(), attempt);
    }
    // Budget and cool-down apply to attempts too.
    team.append_event(&event("d-2", "api", "deploy", &json!({"id": "00000000000000ff"})));
    let budget = [&NOW[..], &["--max-rollbacks-per-day", "2"]].concat();
    team.fails("d-2", "2.0", &budget, TRACE).code(11).stderr(contains("2 rollbacks in 24 hours"));
    team.fails("d-2", "2.0", &[], TRACE).code(75).stderr(contains("Cool-down"));
}

#[test]
fn a_stage_that_still_runs_counts_as_a_start() {
    let team = Team::new();
    team.keeps("d-1", "1.0");
    for (span, before) in [("00000000000000aa", 0), ("00000000000000bb", 1)] {
        assert_eq!(team.trace().len(), before);
        for _ in 0..2 {
            let mut inside = team.tool("d-2", "2.0");
            inside.env("DM_PARENT_STAGE", "deploy");
            inside.env("TRACEPARENT", format!("00-0af7651916cd43dd8448eb211c80319c-{span}-01"));
            inside.arg("--if-health-fails").args(NOW).args(["--", "sh", "-c", TRACE]);
            inside.write_stdin(unhealthy()).assert().code(12);
        }
        team.append_event(&event("d-2", "api", "deploy", &json!({"id": span})));
        team.fails("d-2", "2.0", &NOW, TRACE).code(12).stderr(contains("was rolled back before"));
        assert_eq!(team.trace().len(), before + 1);
    }
}

#[test]
fn two_services_that_are_named_after_their_repository_are_not_taken_for_one() {
    let team = Team::new();
    let judge = |job: &str, command: &str, stream: String| {
        // dm-health names its service after the repository, too.
        let stream = stream.replace("\"api\"", "\"shop\"");
        let mut tool = team.tool("", "2.0");
        tool.env_remove("DM_SERVICE").env("GITHUB_ACTIONS", "true").env("GITHUB_REPOSITORY", "acme/shop");
        tool.env("GITHUB_RUN_ID", "7").env("GITHUB_RUN_ATTEMPT", "1").env("GITHUB_JOB", job);
        tool.arg("--if-health-fails").args(NOW).args(["--", "sh", "-c", command]);
        tool.write_stdin(stream).assert()
    };
    judge("api", TRACE, unhealthy()).code(12).stderr(contains("rolled back, NOT verified"));
    judge("api", TRACE, unhealthy()).code(12).stderr(contains("was rolled back before"));
    let other = || contains("by another job, folder or command").and(contains("set DM_SERVICE"));
    judge("web", TRACE, unhealthy()).code(11).stderr(contains("NOT rolled back").and(other()));
    // A matrix of jobs has one name.
    judge("api", "./rollback.sh web", unhealthy()).code(11).stderr(other());
    judge("web", TRACE, healthy()).code(3).stderr(other());
    assert_eq!(team.trace().len(), 1);
}
