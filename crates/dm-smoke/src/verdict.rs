//! The verdict of a run: a pure function of its tests' results and of how the run ended.

use std::time::Duration;

use common::event::{FailedTest, MAX_FAILED_TESTS, Reason, Status, TestResult};
use common::exit::Exit;
use common::records::Test;

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RunEnd {
    /// After the last test.
    Completed,
    /// At `--deadline`.
    Deadline,
    /// The tool received this signal.
    Signal(i32),
    /// The reader of stdout closed it.
    OutputClosed,
    /// The tool, or the runner whose report was imported, failed for this reason.
    Error(String),
}

impl RunEnd {
    /// The end by an error, with its causes.
    pub(crate) fn from_error(error: &anyhow::Error) -> Self {
        Self::Error(format!("{error:#}"))
    }

    /// Why the run ended before its last test; `None` if it did not, or if nobody reads the answer.
    pub(crate) fn early_reason(&self) -> Option<String> {
        match self {
            Self::Completed | Self::OutputClosed => None,
            Self::Deadline => Some("the deadline expired".to_owned()),
            Self::Signal(signal) => Some(format!("stopped by signal {signal}")),
            Self::Error(why) => Some(why.clone()),
        }
    }
}

/// The results of a run.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Verdict {
    /// The tests with a result, in the suite's order.
    pub(crate) tests: Vec<Test>,
    /// How the run ended.
    pub(crate) end: RunEnd,
    /// How long the run took; for imported results, how long the tests took together. `None` if it did not start.
    pub(crate) duration: Option<Duration>,
    /// Whether a flaky test counts as failed.
    pub(crate) flaky_fails: bool,
}

impl Verdict {
    /// The number of tests with this result.
    pub(crate) fn count(&self, result: TestResult) -> u64 {
        self.tests.iter().map(|test| u64::from(test.result == result)).sum()
    }

    fn first(&self, result: TestResult) -> Option<&Test> {
        self.tests.iter().find(|test| test.result == result)
    }

    /// The exit code. A run that ended early never succeeds, and a proven failure stays one however the run ended.
    pub(crate) fn exit(&self) -> Exit {
        let failed = || self.tests.iter().filter(|test| self.is_failed(test.result));
        // A program that is missing on this machine proves nothing about the service.
        let is_missing = |test: &Test| matches!(test.reason, Some(Reason::NotFound | Reason::NotExecutable));
        match self.end {
            RunEnd::Signal(signal) => Exit::Signal(signal),
            RunEnd::OutputClosed => Exit::Signal(nix::libc::SIGPIPE),
            _ if failed().any(|test| !is_missing(test)) => Exit::Failure,
            _ if failed().next().is_some() => Exit::CouldNotJudge,
            RunEnd::Error(_) => Exit::CouldNotJudge,
            RunEnd::Deadline => Exit::TimedOut,
            RunEnd::Completed if self.tests.iter().all(|test| test.result == TestResult::Skip) => {
                Exit::NothingRan
            }
            RunEnd::Completed => Exit::Success,
        }
    }

    /// Adds the exit code of the runner whose results were imported. One that no test explains leaves the run without a
    /// verdict: the runner knows more than its report.
    #[must_use]
    pub(crate) fn with_runner_exit(mut self, code: u8) -> Self {
        let is_explained = self.count(TestResult::Fail) + self.count(TestResult::Error) > 0;
        if code != 0 && !is_explained {
            let why = format!("the runner exited with {code}, but no test in its report failed");
            self.end = RunEnd::Error(match self.end.early_reason() {
                Some(reason) => format!("{reason}; {why}"),
                None => why,
            });
        }
        self
    }

    fn is_failed(&self, result: TestResult) -> bool {
        match result {
            TestResult::Fail | TestResult::Error => true,
            TestResult::Flaky => self.flaky_fails,
            TestResult::Pass | TestResult::Skip => false,
        }
    }

    /// The status and the reason of a failure, for the record.
    pub(crate) fn status(&self) -> (Status, Option<Reason>) {
        match self.exit() {
            Exit::Success => (Status::Success, None),
            Exit::Failure => (Status::Failure, Some(self.reason())),
            Exit::TimedOut => (Status::Timeout, Some(Reason::Timeout)),
            Exit::Signal(_) => (Status::Cancelled, Some(Reason::Cancelled)),
            _ => (Status::Error, Some(Reason::Other)),
        }
    }

    /// What went wrong: the first failed test, with what was expected and what came, or why the run ended early. `None`
    /// after a success.
    pub(crate) fn cause(&self) -> Option<String> {
        if self.exit() == Exit::Success {
            return None;
        }
        let failed = self.tests.iter().filter(|test| self.is_failed(test.result)).count();
        let first = self.first(TestResult::Fail).or_else(|| self.first(TestResult::Error));
        let first = first.or_else(|| self.first(TestResult::Flaky).filter(|_| self.flaky_fails));
        let Some(test) = first else {
            return self.end.early_reason().or_else(|| Some("no test was run".to_owned()));
        };
        let message = test.message.as_ref().map(|message| format!(": {message}")).unwrap_or_default();
        let more = if failed > 1 { format!("{failed} tests, the first is ") } else { String::new() };
        Some(format!("{more}\"{}\"{message}", test.name))
    }

    /// The first tests that failed, for the record.
    pub(crate) fn failed_tests(&self) -> Vec<FailedTest> {
        let failed = self.tests.iter().filter(|test| self.is_failed(test.result));
        let describe = |test: &Test| {
            FailedTest::new(&test.name, test.message.as_deref().unwrap_or(test.result.as_str()))
        };
        failed.take(MAX_FAILED_TESTS).map(describe).collect()
    }

    /// An unmet expectation says more about the deployment than a test that could not run.
    fn reason(&self) -> Reason {
        if self.first(TestResult::Fail).is_some() {
            return Reason::Assertion;
        }
        let test = self.first(TestResult::Error).or_else(|| self.first(TestResult::Flaky));
        test.and_then(|test| test.reason).unwrap_or(Reason::Other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use TestResult::{Error, Fail, Pass};

    fn verdict(results: &[(TestResult, Option<Reason>)], end: RunEnd) -> Verdict {
        let tests = results
            .iter()
            .zip(1..)
            .map(|(&(result, reason), seq)| Test {
                seq,
                ts: chrono::DateTime::UNIX_EPOCH,
                name: format!("test {seq}"),
                result,
                attempts: 1,
                duration_ms: 1,
                reason,
                message: None,
            })
            .collect();
        Verdict { tests, end, duration: None, flaky_fails: false }
    }

    #[test]
    fn a_flaky_test_counts_as_the_flag_says() {
        let passed = verdict(&[(Pass, None), (TestResult::Flaky, Some(Reason::TooSlow))], RunEnd::Completed);
        assert_eq!(passed.status(), (Status::Success, None));
        let failed = Verdict { flaky_fails: true, ..passed };
        assert_eq!(
            (failed.exit(), failed.status()),
            (Exit::Failure, (Status::Failure, Some(Reason::TooSlow)))
        );
    }

    #[test]
    fn the_cause_is_the_first_failed_test_or_why_the_run_ended() {
        let mut failed =
            verdict(&[(Pass, None), (Error, Some(Reason::Refused)), (Fail, None)], RunEnd::Completed);
        failed.tests[2].message = Some("status 500, expected 200".to_owned());
        let expected = "2 tests, the first is \"test 3\": status 500, expected 200";
        assert_eq!(failed.cause().unwrap(), expected);
        failed.tests.remove(1);
        assert_eq!(failed.cause().unwrap(), "\"test 3\": status 500, expected 200");
        assert_eq!(verdict(&[(Pass, None)], RunEnd::Completed).cause(), None);
        assert_eq!(verdict(&[(Pass, None)], RunEnd::Deadline).cause().unwrap(), "the deadline expired");
        assert_eq!(verdict(&[], RunEnd::Completed).cause().unwrap(), "no test was run");
    }

    #[test]
    fn the_exit_code_of_the_runner_counts_if_no_test_explains_it() {
        let exit = |results: &[(TestResult, Option<Reason>)], code| {
            verdict(results, RunEnd::Completed).with_runner_exit(code).exit()
        };
        assert_eq!(exit(&[(Pass, None)], 0), Exit::Success);
        assert_eq!(exit(&[(Pass, None)], 137), Exit::CouldNotJudge);
        assert_eq!(exit(&[(TestResult::Skip, None)], 1), Exit::CouldNotJudge);
        assert_eq!(exit(&[(Fail, None)], 0), Exit::Failure);
        assert_eq!(exit(&[(Pass, None), (Fail, None)], 1), Exit::Failure);
        let incomplete = verdict(&[], RunEnd::Error("no plan".to_owned())).with_runner_exit(2);
        let why = "no plan; the runner exited with 2, but no test in its report failed";
        assert_eq!(incomplete.end, RunEnd::Error(why.to_owned()));
    }

    #[test]
    fn the_exit_code_and_the_record_follow_from_the_results() {
        let refused = (Error, Some(Reason::Refused));
        let bad_status = (Fail, Some(Reason::BadStatus));
        let missing = (Error, Some(Reason::NotFound));
        let error = || RunEnd::Error("no space left for the report".to_owned());
        let table = [
            (verdict(&[(Pass, None)], error()), Exit::CouldNotJudge, Status::Error, Some(Reason::Other)),
            (verdict(&[bad_status], error()), Exit::Failure, Status::Failure, Some(Reason::Assertion)),
            (
                verdict(&[(Pass, None), missing], RunEnd::Completed),
                Exit::CouldNotJudge,
                Status::Error,
                Some(Reason::Other),
            ),
            (
                verdict(&[missing, bad_status], RunEnd::Completed),
                Exit::Failure,
                Status::Failure,
                Some(Reason::Assertion),
            ),
            (verdict(&[(Pass, None)], RunEnd::Completed), Exit::Success, Status::Success, None),
            (
                verdict(&[(Pass, None), refused], RunEnd::Completed),
                Exit::Failure,
                Status::Failure,
                Some(Reason::Refused),
            ),
            (
                verdict(&[refused, bad_status], RunEnd::Completed),
                Exit::Failure,
                Status::Failure,
                Some(Reason::Assertion),
            ),
            (
                verdict(&[(Pass, None), (TestResult::Skip, None)], RunEnd::Completed),
                Exit::Success,
                Status::Success,
                None,
            ),
            (
                verdict(&[(TestResult::Skip, None)], RunEnd::Completed),
                Exit::NothingRan,
                Status::Error,
                Some(Reason::Other),
            ),
            (
                verdict(&[(Pass, None), (TestResult::Skip, None)], RunEnd::Deadline),
                Exit::TimedOut,
                Status::Timeout,
                Some(Reason::Timeout),
            ),
            (
                verdict(&[bad_status, (TestResult::Skip, None)], RunEnd::Deadline),
                Exit::Failure,
                Status::Failure,
                Some(Reason::Assertion),
            ),
            (verdict(&[], RunEnd::Completed), Exit::NothingRan, Status::Error, Some(Reason::Other)),
            (
                verdict(&[(Pass, None)], RunEnd::Signal(15)),
                Exit::Signal(15),
                Status::Cancelled,
                Some(Reason::Cancelled),
            ),
            (
                verdict(&[(Pass, None)], RunEnd::OutputClosed),
                Exit::Signal(13),
                Status::Cancelled,
                Some(Reason::Cancelled),
            ),
            (
                verdict(&[(Pass, None)], RunEnd::Error("disk full".to_owned())),
                Exit::CouldNotJudge,
                Status::Error,
                Some(Reason::Other),
            ),
        ];
        for (verdict, exit, status, reason) in table {
            assert_eq!(verdict.exit(), exit, "{verdict:?}");
            assert_eq!(verdict.status(), (status, reason), "{verdict:?}");
        }
    }
}
