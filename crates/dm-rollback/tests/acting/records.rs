//! Damaged and lost records: a rollback is not done twice, and none is done past a deployment that cannot be read.

use std::fs;
use std::path::PathBuf;

use predicates::prelude::*;
use predicates::str::contains;
use serde_json::json;

use crate::team::{TRACE, Team, event};

fn ledger_file(team: &Team) -> PathBuf {
    team.path().join("rollback/production/api.jsonl")
}

fn write_ledger(team: &Team, lines: &[String]) {
    common::fs::atomic::write(&ledger_file(team), lines.concat().as_bytes()).unwrap();
}

/// The ledger after 1.0 was kept and d-2 was rolled back: three lines.
fn rolled_back(team: &Team) -> Vec<String> {
    team.keeps("d-1", "1.0");
    team.fails("d-2", "2.0", &[], TRACE).code(12);
    let text = fs::read_to_string(ledger_file(team)).unwrap();
    text.lines().map(|line| format!("{line}\n")).collect()
}

#[test]
fn without_the_ledger_the_journal_knows_what_was_rolled_back() {
    let team = Team::new();
    rolled_back(&team);
    fs::remove_dir_all(team.path().join("rollback")).unwrap();
    team.fails("d-2", "2.0", &[], TRACE)
        .code(12)
        .stderr(contains("d-2 was rolled back before, unverified at").and(contains("nothing is run again")));
    assert_eq!(team.trace().len(), 1);
    // A CI job that may have deployed again is not told that all is well.
    let mut job = team.tool("d-2", "2.0");
    job.env("GITLAB_CI", "true").env("CI_JOB_ID", "2").args(["--if-health-fails", "--", "sh", "-c", TRACE]);
    job.write_stdin(crate::team::unhealthy()).assert().code(11).stderr(contains("act by hand"));
    // It is the second attempt that the journal shows, which was not rolled back.
    team.append_event(&event("d-2", "api", "deploy", &json!({"id": "00000000000000aa"})));
    team.append_event(&event("d-2", "api", "deploy", &json!({"id": "00000000000000bb"})));
    team.fails("d-2", "2.0", &[], TRACE).code(12);
    assert_eq!(team.trace().len(), 2);
}

#[test]
fn an_intent_that_is_cut_off_and_an_outcome_without_one_are_not_done_again() {
    let team = Team::new();
    let [good, intent, outcome] = rolled_back(&team).try_into().unwrap();
    fs::remove_file(team.path().join("journal.jsonl")).unwrap();
    let half = intent[..intent.find("pid").unwrap()].to_owned();
    write_ledger(&team, &[good.clone(), half.clone()]);
    let refused = contains("is cut off").and(contains("check which version is live"));
    team.fails("d-2", "2.0", &[], TRACE).code(12).stderr(refused);
    write_ledger(&team, &[good.clone(), outcome]);
    fs::remove_file(team.path().join("journal.jsonl")).unwrap();
    team.fails("d-2", "2.0", &[], TRACE).code(12).stderr(contains("was rolled back before"));
    // A line that does not even tell its deployment.
    write_ledger(&team, &[good, half[..12].to_owned()]);
    fs::remove_file(team.path().join("journal.jsonl")).unwrap();
    team.fails("d-2", "2.0", &[], TRACE).code(11).stderr(contains("last line of the ledger is cut off"));
    assert_eq!(team.trace().len(), 1);
}

#[test]
fn a_damaged_line_of_the_journal_stops_a_rollback_and_an_incomplete_one_does_not() {
    let team = Team::new();
    team.append_event(&event("d-2", "api", "deploy", &json!({})));
    team.append_event(&event("d-3", "api", "deploy", &json!({})));
    let journal = team.path().join("journal.jsonl");
    let text = fs::read_to_string(&journal).unwrap();
    let damaged = text.replace("\"d-3\"", "\"d\0-3\"");
    common::fs::atomic::write(&journal, damaged.as_bytes()).unwrap();
    team.fails("d-2", "2.0", &[], TRACE).code(11).stderr(
        contains("line 2 of ")
            .and(contains("may record a deployment after d-2"))
            .and(contains("remove the line")),
    );
    assert!(team.trace().is_empty());
    // A deployment that began after the damage is not affected.
    team.append_event(&event("d-4", "api", "deploy", &json!({})));
    team.fails("d-4", "4.0", &[], TRACE).code(12);
    let cut = text.trim_end();
    common::fs::atomic::write(&journal, &cut.as_bytes()[..cut.len() - 9]).unwrap();
    team.fails("d-2", "2.0", &["--cool-down", "0s"], TRACE).code(12).stderr(contains("NOT verified"));
    assert_eq!(team.trace().len(), 2);
}
