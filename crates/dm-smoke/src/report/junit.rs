//! JUnit XML: one document, written at the end of the run.

use std::io;
use std::time::Duration;

use chrono::{DateTime, Utc};
use common::event::TestResult;
use common::records::Test;
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestRerun, TestSuite};

use crate::verdict::Verdict;

/// The document.
pub(super) fn document(suite: &str, started: DateTime<Utc>, verdict: &Verdict) -> io::Result<String> {
    let mut tests = TestSuite::new(suite);
    tests.set_timestamp(started);
    tests.add_test_cases(verdict.tests.iter().map(|test| case(suite, test)));
    // Without this test case, a run that ended early would look complete to a reader of this document.
    tests.add_test_cases(verdict.end.early_reason().map(|why| {
        let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
        status.set_message(why);
        let mut case = TestCase::new("the suite ran to its end", status);
        case.set_classname(suite);
        case
    }));
    let mut report = Report::new(suite);
    report.set_timestamp(started);
    if let Some(duration) = verdict.duration {
        tests.set_time(duration);
        report.set_time(duration);
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
