use std::path::Path;
use std::time::Duration;

use common::event::{Reason, TestResult};

use super::*;
use crate::verdict::RunEnd;

/// A run of 2.25 seconds with every result, which ended early. The failed test has this message.
fn verdict(message: &str) -> Verdict {
    let tests = [
        ("good", TestResult::Pass, None, None),
        ("50% # SKIP: a\\b, c", TestResult::Fail, Some(Reason::BadStatus), Some(message)),
        ("refused", TestResult::Error, Some(Reason::Refused), Some("connection refused")),
        ("skipped", TestResult::Skip, None, Some("not selected")),
        ("shaky", TestResult::Flaky, Some(Reason::TooSlow), Some("took 9s")),
    ];
    let tests = tests.into_iter().zip(1..).map(|((name, result, reason, message), seq)| Test {
        seq,
        ts: DateTime::UNIX_EPOCH,
        name: name.to_owned(),
        result,
        attempts: match result {
            TestResult::Skip => 0,
            TestResult::Flaky => 2,
            _ => 1,
        },
        duration_ms: if result == TestResult::Skip { 0 } else { 1500 },
        reason,
        message: message.map(str::to_owned),
    });
    Verdict {
        tests: tests.collect(),
        end: RunEnd::Signal(15),
        duration: Some(Duration::from_millis(2250)),
        flaky_fails: false,
    }
}

fn without_tests(end: RunEnd) -> Verdict {
    Verdict { tests: Vec::new(), end, duration: None, flaky_fails: false }
}

#[test]
fn human_output_has_a_line_for_each_test_and_a_summary() {
    let verdict = verdict("sh: exit code 1, expected exit code 0");
    let lines: String = verdict.tests.iter().map(|test| human::test(test, Palette::PLAIN)).collect();
    insta::assert_snapshot!(lines + &human::summary(&verdict));
}

#[test]
fn the_summary_tells_why_the_run_ended_early() {
    let summary = |end| human::summary(&without_tests(end));
    assert_eq!(summary(RunEnd::Completed), "no test was run\n");
    assert_eq!(summary(RunEnd::Deadline), "no test was run; the deadline expired\n");
    assert_eq!(summary(RunEnd::Error("disk full".to_owned())), "no test was run; disk full\n");
}

#[test]
fn tap_has_a_line_and_a_block_for_each_test() {
    let verdict = verdict("status 500: \"C:\\x\ny\"");
    let tests: String = verdict.tests.iter().map(tap::test).collect();
    insta::assert_snapshot!(tap::begin(verdict.tests.len()) + &tests + &tap::end(&verdict));
}

#[test]
fn the_plan_of_an_empty_suite_tells_why() {
    assert_eq!(tap::begin(0), "TAP version 14\n1..0 # SKIP the suite has no tests\n");
}

#[test]
fn tap_bails_out_if_the_run_ended_early() {
    let end = |end| tap::end(&without_tests(end));
    assert_eq!(end(RunEnd::Completed), "");
    assert_eq!(end(RunEnd::Deadline), "Bail out! The deadline expired\n");
    assert_eq!(end(RunEnd::Signal(15)), "Bail out! Stopped by signal 15\n");
    assert_eq!(end(RunEnd::Error("a\nb".to_owned())), "Bail out! a b\n");
}

#[test]
fn junit_has_an_element_for_each_result() {
    let verdict = verdict("status 500: \"<b> & \u{1b}[31m\u{0}\"");
    insta::assert_snapshot!(junit::document("shop", DateTime::UNIX_EPOCH, &verdict).unwrap());
}

#[test]
fn only_failed_and_flaky_tests_are_annotated() {
    let tests = verdict("100%: a,\nb").tests;
    let place = Some((Path::new("a,b.toml"), 7));
    let annotations: String = tests.iter().filter_map(|test| annotation::for_test(test, place)).collect();
    insta::assert_snapshot!(annotations);
    let without_place = annotation::for_test(&tests[4], None);
    assert_eq!(without_place.as_deref(), Some("::warning title=shaky::took 9s\n"));
}
