//! Retries, selected tests, and tests that never start.

use common::event::{Detail, Status, TestResult};
use common::records::Record;
use predicates::str::{contains, is_match};

use crate::shell;
use crate::support::{Place, records, tests};

/// Passes on the third attempt.
const SHAKY: &str = "echo >> runs; test $(wc -l < runs) = 3";

fn run(place: &Place, args: &[&str], code: i32) -> Vec<(String, TestResult, u32)> {
    let result = place.smoke(args).code(code);
    let records = records(&result.get_output().stdout);
    assert!(
        matches!(records.last(), Some(Record::End { exit, .. }) if i32::from(*exit) == code),
        "{records:?}"
    );
    tests(&records).iter().map(|test| (test.name.clone(), test.result, test.attempts)).collect()
}

#[test]
fn a_flaky_test_counts_as_passed_unless_the_flag_says_fail() {
    let suite = shell("shaky", SHAKY, "") + &shell("good", "true", "");
    for (how, code, status) in [("pass", 0, Status::Success), ("fail", 1, Status::Failure)] {
        let place = Place::with_suite(&suite);
        let results = run(&place, &["--retries", "4", "--retry-delay", "1ms", "--flaky", how], code);
        assert_eq!(
            results,
            [("shaky".to_owned(), TestResult::Flaky, 3), ("good".to_owned(), TestResult::Pass, 1)]
        );
        let event = place.event();
        assert_eq!(event.status, status);
        let Detail::Smoke { results, .. } = event.detail else { panic!("{event:?}") };
        assert_eq!(results.last(), Some(&(TestResult::Flaky, 1)));
    }
}

#[test]
fn human_output_shows_the_attempt_that_passed() {
    let place = Place::with_suite(&shell("shaky", SHAKY, ""));
    let args = ["--retries", "4", "--retry-delay", "1ms", "--format", "human"];
    place.smoke(&args).code(0).stdout(is_match(r"\Aflaky shaky \(\d+ms, attempt 3\)\n").unwrap());
}

#[test]
fn the_retries_of_a_test_override_the_flag() {
    let suite = shell("once more", "echo >> runs; exit 1", "retries = 1");
    let place = Place::with_suite(&suite);
    let results = run(&place, &["--retries", "9", "--retry-delay", "0s"], 1);
    assert_eq!(results, [("once more".to_owned(), TestResult::Fail, 2)]);
    assert_eq!(std::fs::read_to_string(place.path("runs")).unwrap(), "\n\n");
    Place::with_suite(&shell("a", "true", "retries = 21"))
        .smoke(&["--check"])
        .code(2)
        .stderr(contains("0 to 20"));
}

#[test]
fn no_test_starts_after_max_fail_failures() {
    let suite = shell("a", "exit 1", "")
        + &shell("b", "true", "")
        + &shell("c", "exit 1", "")
        + &shell("d", "true", "");
    let place = Place::with_suite(&suite);
    let results = run(&place, &["--jobs", "1", "--max-fail", "2"], 1);
    let kinds: Vec<_> = results.into_iter().map(|(_, result, _)| result).collect();
    assert_eq!(kinds, [TestResult::Fail, TestResult::Pass, TestResult::Fail, TestResult::Skip]);
    place
        .smoke(&["--jobs", "1", "--max-fail", "1", "--format", "human"])
        .code(1)
        .stdout(contains("skip  d\n      not started: 1 failed, the limit of --max-fail"))
        .stdout(contains("1 failed, 3 skipped in "));
}

#[test]
fn unfinished_tests_are_skipped_at_the_deadline() {
    let suite = shell("quick", "true", "")
        + &shell("slow", "exec sleep 1000", "timeout = '1h'")
        + &shell("last", "true", "");
    let place = Place::with_suite(&suite);
    let results = run(&place, &["--jobs", "1", "--deadline", "2s"], 124);
    let kinds: Vec<_> = results.into_iter().map(|(_, result, _)| result).collect();
    assert_eq!(kinds, [TestResult::Pass, TestResult::Skip, TestResult::Skip]);
    assert_eq!(place.event().status, Status::Timeout);
}

#[test]
fn a_test_that_failed_before_the_deadline_has_failed() {
    let place = Place::with_suite(&shell("bad", "exit 3", ""));
    let args = ["--retries", "20", "--retry-delay", "1h", "--deadline", "2s"];
    let results = run(&place, &args, 1);
    assert_eq!((results.len(), results[0].1), (1, TestResult::Fail), "{results:?}");
    assert_eq!(place.event().status, Status::Failure);
}

#[test]
fn selected_tests_run_with_their_dependencies() {
    let suite = shell("one", "true", "tags = ['slow']")
        + &shell("two", "true", "depends_on = 'one'\ntags = ['critical', 'slow']")
        + &shell("three", "true", "tags = 'critical'")
        + &shell("four", "true", "");
    let place = Place::with_suite(&suite);
    let names =
        |args: &[&str], code| run(&place, args, code).into_iter().map(|(name, ..)| name).collect::<Vec<_>>();
    assert_eq!(names(&["--tag", "critical"], 0), ["one", "two", "three"]);
    assert_eq!(names(&["--filter", "^t"], 0), ["one", "two", "three"]);
    assert_eq!(names(&["--filter", "^t", "--tag", "slow"], 0), ["one", "two"]);
    assert_eq!(names(&["--tag", "slow", "--tag", "critical"], 0), ["one", "two", "three"]);
    assert_eq!(names(&["--filter", "no such test"], 4), Vec::<String>::new());
    place.smoke(&["--filter", "("]).code(2).stderr(contains("unclosed group"));
}
