//! `[[setup]]` and `[[teardown]]`.

use predicates::prelude::*;
use predicates::str::{contains, is_match};

use crate::shell;
use crate::support::Place;

/// A test of another section.
fn section(name: &str, test: &str) -> String {
    test.replace("[[test]]", &format!("[[{name}]]"))
}

#[test]
fn setup_runs_first_and_teardown_last_whatever_failed() {
    let suite = section("teardown", &shell("clean", "echo clean >> log", ""))
        + &shell("good", "echo test >> log", "")
        + &shell("bad", "echo test >> log; exit 1", "")
        + &section("setup", &shell("prepare", "echo setup >> log", ""));
    let place = Place::with_suite(&suite);
    let order =
        is_match(r"(?s)\Aok    prepare.*ok    good.*FAIL  bad.*ok    clean.*3 passed, 1 failed").unwrap();
    place.smoke(&["--format", "human"]).code(1).stdout(order);
    assert_eq!(std::fs::read_to_string(place.path("log")).unwrap(), "setup\ntest\ntest\nclean\n");
    // Nothing to test: nothing to prepare.
    place.smoke(&["--filter", "nothing"]).code(4);
    place.smoke(&["--filter", "good", "--format", "human"]).code(0).stdout(contains("3 passed"));
}

#[test]
fn a_setup_that_fails_leaves_only_the_teardown() {
    let suite = section("setup", &shell("prepare", "exit 1", ""))
        + &shell("test", "echo test >> log", "")
        + &section("teardown", &shell("clean", "echo clean >> log", ""))
        + &section(
            "teardown",
            &shell("clean what was prepared", "echo never >> log", "depends_on = 'prepare'"),
        );
    let place = Place::with_suite(&suite);
    place
        .smoke(&["--format", "human", "--max-fail", "1"])
        .code(1)
        .stdout(contains("depends on \"prepare\", which did not pass").count(2))
        .stdout(contains("1 passed, 1 failed, 2 skipped"));
    assert_eq!(std::fs::read_to_string(place.path("log")).unwrap(), "clean\n");
}

#[test]
fn teardown_runs_after_the_deadline_and_after_max_fail() {
    let clean = section("teardown", &shell("clean", "echo clean >> log", ""));
    let slow =
        shell("slow", "exec sleep 1000", "timeout = '1h'") + &shell("next", "true", "depends_on = 'slow'");
    let place = Place::with_suite(&(slow + &clean));
    place
        .smoke(&["--deadline", "1s", "--format", "human"])
        .code(124)
        .stdout(contains("ok    clean").and(contains("not finished within the deadline of 1.0s").count(2)));
    let failing = shell("one", "exit 1", "") + &shell("two", "true", "");
    let place = Place::with_suite(&(failing + &clean));
    place
        .smoke(&["--max-fail", "1", "--jobs", "1", "--format", "human"])
        .code(1)
        .stdout(contains("ok    clean").and(contains("1 passed, 1 failed, 1 skipped")));
}

#[test]
fn a_test_cannot_wait_for_what_runs_later() {
    let suite =
        shell("test", "true", "depends_on = 'clean'") + &section("teardown", &shell("clean", "true", ""));
    Place::with_suite(&suite)
        .smoke(&["--check"])
        .code(2)
        .stderr(contains("smoke.toml:2:8: the test depends on one that runs later"));
}
