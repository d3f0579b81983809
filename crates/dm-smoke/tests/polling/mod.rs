//! `until`: a test that is repeated until it holds.

use std::sync::atomic::{AtomicU32, Ordering};

use common::event::TestResult;
use predicates::prelude::*;
use predicates::str::{contains, is_match};

use crate::shell;
use crate::support::{Place, Server, answer, records, tests};

/// Holds on the third run.
const SHAKY: &str = "echo >> runs; test $(wc -l < runs) = 3";

#[test]
fn a_job_is_polled_until_it_is_done() {
    let polls = AtomicU32::new(0);
    let server = Server::start(move |_| match polls.fetch_add(1, Ordering::Relaxed) {
        0 => answer(404, ""),
        1 => answer(200, r#"{"state": "running"}"#),
        _ => answer(200, r#"{"state": "done", "id": 7}"#),
    });
    let suite = r#"
        [[test]]
        name = "job"
        http = { url = "/jobs/1" }
        expect = { json = '$.state == "done"' }
        capture = { id = "$.id" }
        until = "1m"
        interval = "1ms"
        [[test]]
        name = "result"
        command = ["test", "{{id}}", "=", "7"]
    "#;
    // A poll is no retry, and the test is not flaky.
    let result =
        Place::with_suite(suite).smoke(&["--base-url", &server.url, "--retries", "5", "--flaky", "fail"]);
    let records = records(&result.code(0).get_output().stdout);
    let results: Vec<_> = tests(&records).iter().map(|test| (test.result, test.attempts)).collect();
    assert_eq!(results, [(TestResult::Pass, 1), (TestResult::Pass, 1)]);
    assert_eq!(server.requests().len(), 3);
}

#[test]
fn what_does_not_hold_in_time_fails_with_its_last_result() {
    let suite = shell("never", "echo no; exit 1", "until = '20ms'\ninterval = '1ms'")
        + &shell("in time", SHAKY, "until = '1m'\ninterval = '1ms'");
    let result = Place::with_suite(&suite).smoke(&["--format", "human", "--retries", "9"]).code(1);
    let last = r"sh: exit code 1, expected exit code 0: .no.; not met within 20ms \(\d+ attempts?\)";
    result.stdout(is_match(last).unwrap().and(contains("1 passed, 1 failed")));
}

#[test]
fn a_program_that_is_missing_is_not_waited_for() {
    let suite = "[[test]]\nname = \"a\"\ncommand = [\"no-such-program\"]\nuntil = \"1h\"";
    Place::with_suite(suite).smoke(&["--format", "human"]).code(5).stdout(contains("(1 attempt)"));
}

#[test]
fn the_deadline_of_the_run_ends_the_polls() {
    let suite = shell("never", "exit 1", "until = '1h'");
    Place::with_suite(&suite)
        .smoke(&["--deadline", "4s", "--format", "human"])
        .code(1)
        .stdout(contains("FAIL  never"));
}
