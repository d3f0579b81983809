//! Which version and release a rollback restores, and what its command is told.

use predicates::prelude::*;
use predicates::str::contains;

use crate::team::{TRACE, Team, healthy, unhealthy};

/// A rollback command that writes what it is told.
const TOLD: &str = "printf '%s\\n' \"${DM_ROLLBACK_TARGET-none} ${DM_ROLLBACK_RELEASE-none} \
                    ${DM_ROLLBACK_OTHER-none} ${DM_FAILED_VERSION-none}\" >> trace";

fn judge(
    team: &Team,
    deployment: &str,
    version: &str,
    release: &str,
    stream: String,
) -> assert_cmd::assert::Assert {
    let mut tool = team.tool(deployment, version);
    tool.env("DM_RELEASE", release).args(["--if-health-fails", "--cool-down", "0s", "--", "sh", "-c", TOLD]);
    tool.write_stdin(stream).assert()
}

#[test]
fn variables_of_another_rollback_never_reach_the_command() {
    let team = Team::new();
    let stale = [
        ("DM_ROLLBACK_TARGET", "stale"),
        ("DM_ROLLBACK_RELEASE", "rs-STALE"),
        ("DM_ROLLBACK_REASON", "stale"),
        ("DM_ROLLBACK_OTHER", "stale"),
        ("DM_FAILED_VERSION", "stale"),
    ];
    let run = |deployment, version| {
        let mut tool = team.tool(deployment, version);
        tool.envs(stale).args(["--if-health-fails", "--cool-down", "0s", "--", "sh", "-c", TOLD]);
        tool.write_stdin(unhealthy()).assert().code(12);
    };
    run("d-1", "");
    team.keeps("d-2", "1.0");
    run("d-3", "2.0");
    assert_eq!(team.trace(), ["none none none none", "1.0 none none 2.0"]);
}

#[test]
fn a_later_good_word_does_not_erase_the_release() {
    let team = Team::new();
    let mark = |flags: &[&str]| team.tool("d-1", "1.0").arg("--mark-good").args(flags).assert().code(0);
    mark(&["--release", "rs-1"]);
    mark(&[]);
    team.keeps("d-1", "1.0");
    judge(&team, "d-2", "2.0", "", unhealthy()).code(12);
    assert_eq!(team.trace(), ["1.0 rs-1 none 2.0"]);
}

#[test]
fn the_same_version_with_another_configuration_is_another_release() {
    let team = Team::new();
    judge(&team, "d-1", "1.0", "r4", healthy()).code(0);
    judge(&team, "d-2", "2.0", "r5", healthy()).code(0);
    judge(&team, "d-3", "2.0", "r7", unhealthy()).code(12).stderr(contains("rolling back to 2.0"));
    assert_eq!(team.trace(), ["2.0 r5 none 2.0"]);
    team.tool("d-9", "2.0").arg("--check-version").assert().code(0);
    // Without a release, the two cannot be told apart.
    judge(&team, "d-4", "2.0", "", unhealthy()).code(11).stderr(contains("restored version 2.0"));
    judge(&team, "d-5", "3.0", "r9", unhealthy()).code(12);
    assert_eq!(team.trace()[1], "2.0 r5 none 3.0");
}

#[test]
fn a_target_that_nobody_knows_is_passed_on_with_a_warning() {
    let team = Team::new();
    team.keeps("d-1", "1.0");
    team.fails("d-2", "2.0", &["--target", "1.O"], TRACE)
        .code(12)
        .stderr(contains("nobody knows the target 1.O").and(contains("known to be good: 1.0")));
    team.fails("d-3", "3.0", &["--target", "v1.0", "--cool-down", "0s"], TRACE)
        .code(12)
        .stderr(contains("nobody knows").not());
    assert_eq!(team.trace(), ["d-2 from 2.0 to 1.O", "d-3 from 3.0 to 1.0"]);
    team.fails(
        "d-4",
        "4.0",
        &["--target", "v4.0", "--max-rollbacks-per-day", "9", "--cool-down", "0s"],
        TRACE,
    )
    .code(11)
    .stderr(contains("the target v4.0 is the version 4.0 that failed"));
    team.tool("d-9", "v2.0").arg("--check-version").assert().code(1);
}

#[test]
fn a_target_that_is_only_assumed_is_announced() {
    let team = Team::new();
    team.keeps("d-0", "0.9");
    team.keeps("d-1", "1.0");
    let mut ledger = team.ledger();
    let announced = contains("no version was detected when 1.0 proved good: it is assumed that it served");
    ledger[1]["assumed"] = true.into();
    team.write_ledger(&ledger);
    team.fails("d-2", "2.0", &["--dry-run"], TRACE).code(11).stderr(announced.clone());
    team.fails("d-2", "2.0", &[], TRACE).code(12).stderr(announced.clone());
    assert_eq!(team.trace(), ["d-2 from 2.0 to 1.0"]);
    // A script does not know more than the checks before it. A person's word is no assumption.
    team.tool("d-1", "1.0").args(["--mark-good", "--assumed"]).assert().code(0);
    team.fails("d-3", "3.0", &["--dry-run", "--cool-down", "0s"], TRACE).code(11).stderr(announced.clone());
    team.tool("d-1", "1.0").arg("--mark-good").assert().code(0);
    team.fails("d-3", "3.0", &["--dry-run", "--cool-down", "0s"], TRACE).code(11).stderr(announced.not());
}

#[test]
fn a_deployment_that_was_rolled_back_is_not_recorded_as_good() {
    let team = Team::new();
    team.keeps("d-1", "1.0");
    team.fails("d-2", "2.0", &[], TRACE).code(12);
    let marked = |flags: &[&str]| team.tool("d-2", "2.0").arg("--mark-good").args(flags).assert();
    marked(&[])
        .code(1)
        .stderr(contains("2.0 is not recorded as known good: its deployment d-2 was rolled back at"));
    team.tool("d-2", "2.0").arg("--check-version").assert().code(1);
    // What judges or rehearses is another command.
    for flag in [&["--dry-run"][..], &["--if-error-rate", "5"], &["--provisional"]] {
        marked(flag).code(2).stderr(contains("judge nothing"));
    }
    marked(&["--allow-refused"]).code(0);
    team.tool("d-2", "2.0").arg("--check-version").assert().code(0);
}

#[test]
fn a_target_whose_last_rollback_was_not_verified_is_named() {
    let team = Team::new();
    team.keeps("d-1", "1.0");
    team.fails("d-2", "2.0", &[], TRACE).code(12);
    team.advance(60);
    team.fails("d-3", "3.0", &[], TRACE)
        .code(12)
        .stderr(contains("WARNING: the rollback to 1.0 at").and(contains("was not verified")));
}
