//! What a suite came to, as a pure function of its tests' results and of how the run ended.

use std::time::Duration;

use common::event::{Reason, Status, TestResult};
use common::exit::Exit;
use common::records::Test;

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// After its last test.
    Whole,
    /// By its deadline.
    Deadline,
    /// By this signal.
    Stopped(i32),
    /// The reader of stdout has gone away.
    Unread,
    /// By a fault of ours.
    Broken(String),
}

/// The results of a suite.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// The tests that were carried out, in the suite's order.
    pub tests: Vec<Test>,
    /// How the run ended.
    pub ended: Ended,
    /// How long it took; `None` for what another runner found.
    pub took: Option<Duration>,
    /// Whether a flaky test is bad.
    pub flaky_fails: bool,
}

impl Verdict {
    /// How many tests have this result.
    pub fn count(&self, result: TestResult) -> u64 {
        self.tests.iter().map(|test| u64::from(test.result == result)).sum()
    }

    fn first(&self, result: TestResult) -> Option<&Test> {
        self.tests.iter().find(|test| test.result == result)
    }

    /// The exit code. A run that was broken off is never good, however good its tests were; what is proven bad stays so.
    pub fn exit(&self) -> Exit {
        let bad = || self.tests.iter().filter(|test| self.is_bad(test.result));
        // A program that this machine does not have says nothing of the service.
        let is_missing = |test: &Test| matches!(test.reason, Some(Reason::NotFound | Reason::NotExecutable));
        match self.ended {
            Ended::Stopped(signal) => Exit::Signal(signal),
            Ended::Unread => Exit::Signal(nix::libc::SIGPIPE),
            _ if bad().any(|test| !is_missing(test)) => Exit::Failure,
            _ if bad().next().is_some() => Exit::CouldNotJudge,
            Ended::Broken(_) => Exit::CouldNotJudge,
            Ended::Deadline => Exit::TimedOut,
            Ended::Whole if self.tests.iter().all(|test| test.result == TestResult::Skip) => Exit::NothingRan,
            Ended::Whole => Exit::Success,
        }
    }

    fn is_bad(&self, result: TestResult) -> bool {
        match result {
            TestResult::Fail | TestResult::Error => true,
            TestResult::Flaky => self.flaky_fails,
            TestResult::Pass | TestResult::Skip => false,
        }
    }

    /// The status and the class of error, for the record.
    pub fn status(&self) -> (Status, Option<Reason>) {
        match self.exit() {
            Exit::Success => (Status::Success, None),
            Exit::Failure => (Status::Failure, Some(self.reason())),
            Exit::TimedOut => (Status::Timeout, Some(Reason::Timeout)),
            Exit::Signal(_) => (Status::Cancelled, Some(Reason::Cancelled)),
            _ => (Status::Error, Some(Reason::Other)),
        }
    }

    /// An unmet expectation says more of what was deployed than a test that could not be carried out.
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

    fn verdict(results: &[(TestResult, Option<Reason>)], ended: Ended) -> Verdict {
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
        Verdict { tests, ended, took: None, flaky_fails: false }
    }

    #[test]
    fn a_flaky_test_is_what_it_was_said_to_be() {
        let good = verdict(&[(Pass, None), (TestResult::Flaky, Some(Reason::TooSlow))], Ended::Whole);
        assert_eq!(good.status(), (Status::Success, None));
        let bad = Verdict { flaky_fails: true, ..good };
        assert_eq!((bad.exit(), bad.status()), (Exit::Failure, (Status::Failure, Some(Reason::TooSlow))));
    }

    #[test]
    fn the_exit_code_and_the_record_follow_from_the_results() {
        let refused = (Error, Some(Reason::Refused));
        let bad_status = (Fail, Some(Reason::BadStatus));
        let missing = (Error, Some(Reason::NotFound));
        let broken = || Ended::Broken("no room for the report".to_owned());
        let table = [
            (verdict(&[(Pass, None)], broken()), Exit::CouldNotJudge, Status::Error, Some(Reason::Other)),
            (verdict(&[bad_status], broken()), Exit::Failure, Status::Failure, Some(Reason::Assertion)),
            (
                verdict(&[(Pass, None), missing], Ended::Whole),
                Exit::CouldNotJudge,
                Status::Error,
                Some(Reason::Other),
            ),
            (
                verdict(&[missing, bad_status], Ended::Whole),
                Exit::Failure,
                Status::Failure,
                Some(Reason::Assertion),
            ),
            (verdict(&[(Pass, None)], Ended::Whole), Exit::Success, Status::Success, None),
            (
                verdict(&[(Pass, None), refused], Ended::Whole),
                Exit::Failure,
                Status::Failure,
                Some(Reason::Refused),
            ),
            (
                verdict(&[refused, bad_status], Ended::Whole),
                Exit::Failure,
                Status::Failure,
                Some(Reason::Assertion),
            ),
            (
                verdict(&[(Pass, None), (TestResult::Skip, None)], Ended::Whole),
                Exit::Success,
                Status::Success,
                None,
            ),
            (
                verdict(&[(TestResult::Skip, None)], Ended::Whole),
                Exit::NothingRan,
                Status::Error,
                Some(Reason::Other),
            ),
            (
                verdict(&[(Pass, None), (TestResult::Skip, None)], Ended::Deadline),
                Exit::TimedOut,
                Status::Timeout,
                Some(Reason::Timeout),
            ),
            (
                verdict(&[bad_status, (TestResult::Skip, None)], Ended::Deadline),
                Exit::Failure,
                Status::Failure,
                Some(Reason::Assertion),
            ),
            (verdict(&[], Ended::Whole), Exit::NothingRan, Status::Error, Some(Reason::Other)),
            (
                verdict(&[(Pass, None)], Ended::Stopped(15)),
                Exit::Signal(15),
                Status::Cancelled,
                Some(Reason::Cancelled),
            ),
            (
                verdict(&[(Pass, None)], Ended::Unread),
                Exit::Signal(13),
                Status::Cancelled,
                Some(Reason::Cancelled),
            ),
            (
                verdict(&[(Pass, None)], Ended::Broken("disk full".to_owned())),
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
