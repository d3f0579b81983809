//! Stamps of a clock that was wrong.

use chrono::TimeDelta;
use predicates::prelude::*;
use predicates::str::contains;
use serde_json::json;

use crate::team::{self, TRACE, Team, event};

/// Moves the stamps of the ledger's entries about this deployment.
fn shift(team: &Team, deployment: &str, by: TimeDelta) {
    let mut entries = team.ledger();
    for entry in entries.iter_mut().filter(|entry| entry["deployment"] == deployment) {
        team::shift(entry, by);
    }
    team.write_ledger(&entries);
}

/// Sets the time of the ledger's file.
fn written(team: &Team, ago: TimeDelta) {
    let file = team.path().join("rollback/production/api.jsonl");
    let file = std::fs::OpenOptions::new().append(true).open(file).unwrap();
    file.set_modified((common::clock::Clock::now(&common::clock::SystemClock) - ago).into()).unwrap();
}

#[test]
fn a_rollback_from_the_future_delays_the_next_by_no_more_than_the_cool_down() {
    for by in [TimeDelta::hours(6), TimeDelta::days(3650)] {
        let team = Team::new();
        team.keeps("d-1", "1.0");
        team.fails("d-2", "2.0", &[], TRACE).code(12);
        shift(&team, "d-2", by);
        let reported = || contains("deployment d-2 is stamped").and(contains("in the future"));
        team.fails("d-3", "2.0", &[], TRACE)
            .code(75)
            .stderr(reported().and(contains("lasts another 14m").or(contains("lasts another 15m"))));
        written(&team, TimeDelta::minutes(16));
        team.fails("d-3", "2.0", &[], TRACE).code(12).stderr(reported());
        assert_eq!(team.trace().len(), 2);
    }
}

#[test]
fn a_clock_that_was_set_back_does_not_end_the_cool_down() {
    let team = Team::new();
    team.keeps("d-1", "1.0");
    team.fails("d-2", "2.0", &[], TRACE).code(12);
    shift(&team, "d-2", TimeDelta::hours(-6));
    team.fails("d-3", "2.0", &[], TRACE)
        .code(75)
        .stderr(contains("earlier than the entry before it").and(contains("Cool-down")));
}

#[test]
fn a_deployment_from_the_future_is_reported_and_makes_no_other_old() {
    let team = Team::new();
    let at = |hours| {
        let now = common::clock::Clock::now(&common::clock::SystemClock);
        json!({"ts": now + TimeDelta::hours(hours)})
    };
    team.append_event(&event("d-1", "api", "deploy", &at(6)));
    team.append_event(&event("d-2", "api", "deploy", &at(0)));
    let reported = contains("journal's entry about deployment d-1 is stamped").and(contains("in the future"));
    team.fails("d-2", "2.0", &[], TRACE).code(12).stderr(reported);
    // A later one is later, whatever its stamp says, and whatever its stage is called.
    team.append_event(&event("d-3", "api", "release", &at(-6)));
    team.fails("d-2", "2.0", &["--cool-down", "0s"], TRACE).code(12);
    team.append_event(&event("d-4", "api", "deploy", &json!({})));
    team.append_event(&event("d-5", "api", "release", &at(-6)));
    team.fails("d-4", "4.0", &["--cool-down", "0s"], TRACE)
        .code(11)
        .stderr(contains("deployment d-5 began at"));
    assert_eq!(team.trace().len(), 1);
}
