//! The words by which producers tell a result, in any case.

use common::event::TestResult;

/// The result that the attribute `status`, `result` or `outcome` of a test or a suite tells. `None` if it passed, or if
/// its elements tell: the vocabulary is open, and many producers write `run`.
pub(super) fn result(word: &str) -> Option<TestResult> {
    let word: String = word.chars().filter(char::is_ascii_alphanumeric).collect();
    Some(match word.to_ascii_lowercase().as_str() {
        "fail" | "failed" | "failure" | "failing" | "unsuccessful" | "ko" => TestResult::Fail,
        "error" | "errored" | "broken" | "timeout" | "timedout" | "crash" | "crashed" | "aborted"
        | "interrupted" | "cancelled" | "canceled" => TestResult::Error,
        "skip" | "skipped" | "notrun" | "notexecuted" | "notrunnable" | "disabled" | "ignored" | "ignore"
        | "suppressed" | "pending" | "todo" | "inconclusive" | "excluded" | "filtered" | "untested" => {
            TestResult::Skip
        }
        _ => return None,
    })
}

/// The result that an element in a test tells.
pub(super) fn element(name: &str) -> Option<TestResult> {
    Some(match name {
        "failure" => TestResult::Fail,
        "error" => TestResult::Error,
        "flakyfailure" | "flakyerror" => TestResult::Flaky,
        "skipped" | "skip" | "ignored" | "disabled" | "notrun" | "pending" => TestResult::Skip,
        _ => return None,
    })
}

/// Whether the attribute `message` says more than that the test failed. Many producers put the explanation into the text
/// of the element.
pub(super) fn is_informative(message: &str) -> bool {
    let message = message.trim().trim_end_matches('.').to_ascii_lowercase();
    let says_little = [
        "",
        "failed",
        "failure",
        "error",
        "none",
        "test failure",
        "test error",
        "collection failure",
        "unexpected exception",
    ];
    !says_little.contains(&message.as_str())
        && !message.ends_with("assertion(s) failed")
        && !message.starts_with("not ok ")
}

/// Whether a skipped test is one that could not run: ctest calls it skipped, and fails.
pub(super) fn tells_missing_program(message: &str) -> bool {
    [
        "Unable to find executable",
        "Unable to find required file",
        "Required Files Missing",
        "Fixture dependency failed",
    ]
    .iter()
    .any(|start| message.trim_start().starts_with(start))
}
