use super::*;

use std::time::Duration;

use common::event::TestResult;

use crate::import::{ImportedReport, ImportedTest};
use crate::mutation;
use proptest::prelude::*;

fn results(text: &str) -> Vec<(String, TestResult)> {
    parse(text).tests.into_iter().map(|case| (case.name, case.result)).collect()
}

#[test]
fn a_stream_without_all_its_tests_is_broken() {
    let incomplete = |text: &str| parse(text).incomplete.unwrap_or_default();
    assert_eq!(incomplete("1..2\nok 1\nok 2\n"), "");
    assert_eq!(incomplete("ok\nok\n1..2\n"), "");
    assert!(incomplete("1..3\nok 1\nok 2\n").starts_with("the plan is 3 tests, but the report has 2"));
    assert!(incomplete("1..1\nok 1\nok 2\n").starts_with("the plan is 1 tests, but the report has 2"));
    assert!(incomplete("ok 1\n").starts_with("there is no plan"));
    assert!(incomplete("").starts_with("there is no plan"));
    assert_eq!(incomplete("1..2\nok 1\nBail out! no database\nok 2\n"), "the runner bailed out: no database");
    assert_eq!(parse("1..0 # SKIP nothing here\n"), ImportedReport::default());
}

#[test]
fn directives_and_escapes() {
    use TestResult::{Fail, Pass, Skip};
    let text = "1..9\nok 1 - a \\# b \\\\ c\nok 2 # SKIP: no\nnot ok 3 - later # TODO x\nok 4 - done # todo\nnot ok\n\
                okay\nok 6 - # 5\nnot ok 7 the page has a #skip-link\nnot ok 8 - a # SKIPPING is no word\nnot ok 9 - issue #42 # skip\n";
    assert_eq!(
        results(text),
        [
            ("a # b \\ c".to_owned(), Pass),
            ("test 2".to_owned(), Skip),
            ("later".to_owned(), Skip),
            ("done".to_owned(), Skip),
            ("test ".to_owned(), Fail),
            ("test 6".to_owned(), Pass),
            ("the page has a #skip-link".to_owned(), Fail),
            ("a # SKIPPING is no word".to_owned(), Fail),
            ("issue #42".to_owned(), Skip)
        ]
    );
}

#[test]
fn a_subtest_speaks_through_its_parent() {
    let messages = |text: &str| {
        parse(text)
            .tests
            .into_iter()
            .map(|test| (test.name, test.message.unwrap_or_default()))
            .collect::<Vec<_>>()
    };
    let named = |name: &str, message: &str| vec![(name.to_owned(), message.to_owned())];
    let buffered = "1..1\nnot ok 1 - a # time=5ms {\n    not ok 1 - b {\n        not ok 1 - c\n          ---\n          error:\n            message: why\n          ...\n    }\n}\n";
    assert_eq!(messages(buffered), named("a", "b > c: why"));
    let before = "    not ok 1 - b\n    # why\n    1..1\n    # Looks like you failed 1 test of 1.\nnot ok 1 - a\n# tests 1\n1..1\n";
    assert_eq!(messages(before), named("a", "b: why"));
    assert_eq!(messages("1..1\nok 1 - a {\n"), named("a {", ""));
    let bailed = parse("1..1\nok 1 - a {\n    Bail out! no database\n}\n");
    assert_eq!(bailed.incomplete.as_deref(), Some("the runner bailed out: no database"));
}

#[test]
fn a_block_ends_at_its_own_mark_and_totals_are_no_message() {
    let text = "1..2\nnot ok 1 - a\n    ---\n    message: |-\n      first\n      ...\n      last\n    duration_ms: 1,500.5\n    ...\nnot ok 2 - b\n# tests 2\n# pass 0\n# fail 2\n";
    let tests = parse(text).tests;
    assert_eq!(tests[0].message.as_deref(), Some("first\n...\nlast"));
    assert_eq!((tests[0].duration, tests[1].message.clone()), (Duration::from_micros(1_500_500), None));
}

#[test]
fn numbers_and_plans_agree() {
    let incomplete = |text: &str| parse(text).incomplete.unwrap_or_default();
    assert!(incomplete("1..2\nok 1\nok 1\n").starts_with("the number 1 comes more than once"));
    assert!(incomplete("1..2\nok 1\nok 3\n").starts_with("the test 3 is outside the plan"));
    assert!(incomplete("1..1\nok 1\n1..2\nok 2\n").starts_with("there are two plans"));
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(
        text in "\\PC{0,80}|(ok|not ok| |1|\\.\\.|\n|#|SKIP|  ---\n|  \\.\\.\\.\n|Bail out!|message: \\|\n|\\\\){0,40}",
    ) {
        let _ = parse(&text);
    }

    #[test]
    fn a_real_report_broken_anywhere_is_read_or_refused(text in mutation::of_one(&[
        include_str!("../../../tests/fixtures/bats-1.8.2.tap"),
        include_str!("../../../tests/fixtures/hurl-8.0.1.tap"),
        include_str!("../../../tests/fixtures/node-20.20.2.tap"),
    ], &["\n", "ok ", "not ok ", "1..", "#", "\\", " # SKIP", "  ---\n", "  ...\n", "Bail out!", "message: |\n", "\u{2028}"])) {
        let _ = parse(&text);
    }

    #[test]
    fn the_tap_output_can_be_imported(name in "[^\\s\\p{C}][^\\p{C}\\p{Zl}\\p{Zp}]{0,30}[^\\s\\p{C}]", bad in any::<bool>()) {
        let (result, message) =
            if bad { (TestResult::Fail, Some("why".to_owned())) } else { (TestResult::Pass, None) };
        let test = common::records::Test {
            seq: 1, ts: chrono::DateTime::UNIX_EPOCH, name: name.clone(), result, attempts: 1, duration_ms: 12,
            reason: None, message: message.clone(),
        };
        let text = crate::report::tap::begin(1) + &crate::report::tap::test(&test);
        let report = parse(&text);
        prop_assert_eq!(report.incomplete, None);
        let expected = ImportedTest { name, result, duration: Duration::from_millis(12), message };
        prop_assert_eq!(report.tests, vec![expected]);
    }
}
