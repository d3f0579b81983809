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
