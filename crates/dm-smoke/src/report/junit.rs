//! JUnit XML: one document, which is written when all is known.

use std::io;
use std::time::Duration;

use chrono::{DateTime, Utc};
use common::event::TestResult;
use common::records::Test;
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestRerun, TestSuite};

use crate::verdict::{Ended, Verdict};

/// The whole document.
pub fn document(suite: &str, started: DateTime<Utc>, verdict: &Verdict) -> io::Result<String> {
    let mut tests = TestSuite::new(suite);
    tests.set_timestamp(started);
    tests.add_test_cases(verdict.tests.iter().map(|test| case(suite, test)));
    // Whoever reads only this document must not take the tests that were finished for all there were.
    tests.add_test_cases(early(&verdict.ended).map(|why| {
        let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
        status.set_message(why);
        let mut case = TestCase::new("the suite was run to its end", status);
        case.set_classname(suite);
        case
    }));
    let mut report = Report::new(suite);
    report.set_timestamp(started);
    if let Some(took) = verdict.took {
        tests.set_time(took);
        report.set_time(took);
    }
    report.add_test_suite(tests);
    report.to_string().map_err(io::Error::other)
}

fn case(suite: &str, test: &Test) -> TestCase {
    let mut case = TestCase::new(test.name.as_str(), status(test));
    case.set_classname(suite).set_time(Duration::from_millis(test.duration_ms));
    case
}

fn status(test: &Test) -> TestCaseStatus {
    let kind = match test.result {
        TestResult::Pass => return TestCaseStatus::success(),
        TestResult::Flaky => {
            let mut rerun = TestRerun::new(NonSuccessKind::Failure);
            rerun.set_message(test.message.as_deref().unwrap_or_default());
            let mut status = TestCaseStatus::success();
            status.add_rerun(rerun);
            return status;
        }
        TestResult::Skip => None,
        TestResult::Fail => Some(NonSuccessKind::Failure),
        TestResult::Error => Some(NonSuccessKind::Error),
    };
    let mut status = kind.map_or_else(TestCaseStatus::skipped, TestCaseStatus::non_success);
    if let Some(message) = &test.message {
        status.set_message(message.as_str());
    }
    if let Some(reason) = test.reason {
        status.set_type(reason.as_str());
    }
    status
}

fn early(ended: &Ended) -> Option<String> {
    match ended {
        Ended::Whole | Ended::Unread => None,
        Ended::Deadline => Some("the deadline came first".to_owned()),
        Ended::Stopped(signal) => Some(format!("stopped by signal {signal}")),
        Ended::Broken(why) => Some(why.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use common::event::Reason;

    fn test(name: &str, result: TestResult, reason: Option<Reason>, message: Option<&str>) -> Test {
        Test {
            seq: 1,
            ts: DateTime::UNIX_EPOCH,
            name: name.to_owned(),
            result,
            attempts: 1,
            duration_ms: 1500,
            reason,
            message: message.map(str::to_owned),
        }
    }

    #[test]
    fn every_result_has_its_element() {
        let verdict = Verdict {
            tests: vec![
                test("good", TestResult::Pass, None, None),
                test(
                    "bad",
                    TestResult::Fail,
                    Some(Reason::BadStatus),
                    Some("status 500: \"<b> & \u{1b}[31m\u{0}\""),
                ),
                test("refused", TestResult::Error, Some(Reason::Refused), Some("connection refused")),
                test("left out", TestResult::Skip, None, Some("not chosen")),
                test("shaky", TestResult::Flaky, Some(Reason::TooSlow), Some("took 9s")),
            ],
            ended: Ended::Stopped(15),
            took: Some(Duration::from_millis(2250)),
            flaky_fails: false,
        };
        let text = document("shop", DateTime::UNIX_EPOCH, &verdict).unwrap();
        for wanted in [
            "<testsuite name=\"shop\" tests=\"6\" skipped=\"1\" errors=\"2\" failures=\"1\"",
            "<testcase name=\"good\" classname=\"shop\" time=\"1.500\"/>",
            "<failure message=\"status 500: &quot;&lt;b&gt; &amp; &quot;\" type=\"bad_status\"/>",
            "<error message=\"connection refused\" type=\"refused\"/>",
            "<skipped message=\"not chosen\"/>",
            "<flakyFailure message=\"took 9s\"",
            "<error message=\"stopped by signal 15\"/>",
        ] {
            assert!(text.contains(wanted), "{wanted}\n{text}");
        }
        assert_eq!(text.matches(" time=\"2.250\">").count(), 2, "{text}");
    }
}
