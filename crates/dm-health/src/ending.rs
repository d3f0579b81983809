//! How a run ended, and what that means: for the exit code, for the record and for people.

use std::io;

use common::duration::show;
use common::event::{Reason, Status};
use common::exit::Exit;

use crate::policy::{Rules, Verdict};
use crate::tally::Tally;

/// How a run ended.
#[derive(Debug)]
pub enum Ending {
    /// With an answer.
    Verdict(Verdict),
    /// A signal asked for the end.
    Signal(i32),
    /// Nobody reads stdout any more.
    ReaderGone,
    /// Stdout cannot be written.
    Unwritable(io::Error),
}

impl Ending {
    /// The exit code. Without a verdict it is never that of one.
    pub fn exit(&self, tally: &Tally) -> Exit {
        match self {
            Self::Verdict(Verdict::Healthy) => Exit::Good,
            Self::Verdict(Verdict::Unhealthy | Verdict::FailsTooOften) => Exit::Bad,
            Self::Verdict(Verdict::DeadlinePassed) => Exit::TimedOut,
            Self::Signal(signal) => Exit::Signal(*signal),
            Self::ReaderGone if tally.probes == 0 => Exit::NothingRan,
            Self::ReaderGone => Exit::Inconclusive,
            Self::Unwritable(_) => Exit::CouldNotJudge,
        }
    }

    /// For the record: how it ended, and why not well. What made a service unhealthy is its last failure.
    pub fn status(&self, tally: &Tally) -> (Status, Option<Reason>) {
        let last = tally.last_failure.as_ref().map(|failure| failure.reason);
        match self {
            Self::Verdict(Verdict::Healthy) => (Status::Success, None),
            Self::Verdict(Verdict::Unhealthy | Verdict::FailsTooOften) => {
                (Status::Failure, last.or(Some(Reason::Other)))
            }
            Self::Verdict(Verdict::DeadlinePassed) => (Status::Timeout, last.or(Some(Reason::Timeout))),
            Self::Signal(_) | Self::ReaderGone => (Status::Cancelled, Some(Reason::Cancelled)),
            Self::Unwritable(_) => (Status::Error, Some(Reason::Other)),
        }
    }

    /// The answer in a sentence, about the target called `name`.
    pub fn sentence(&self, name: &str, rules: &Rules, tally: &Tally) -> String {
        let last = || match &tally.last_failure {
            Some(failure) => format!("; the last failure: {} ({})", failure.message, failure.reason),
            None => String::new(),
        };
        let times =
            |count: u32| if count == 1 { "once".to_owned() } else { format!("{count} times in a row") };
        match self {
            Self::Verdict(Verdict::Healthy) => match rules.watch {
                Some(watch) => format!("{name} became healthy and stayed so for {}", show(watch)),
                None => format!("{name} is healthy: it answered well {}", times(rules.min_success)),
            },
            Self::Verdict(Verdict::Unhealthy) => {
                format!("{name} is unhealthy: it failed {}{}", times(rules.max_fail), last())
            }
            Self::Verdict(Verdict::FailsTooOften) => {
                let rate = rules.fail_rate.map(|rate| rate.to_string()).unwrap_or_default();
                format!("{name} is unhealthy: it reached the --fail-rate {rate}{}", last())
            }
            Self::Verdict(Verdict::DeadlinePassed) => {
                let limit = rules.deadline.map(show).unwrap_or_default();
                let unanswered = if tally.probes == 0 { "; no probe was answered" } else { "" };
                format!("{name} was not healthy within {limit}{unanswered}{}", last())
            }
            Self::Signal(signal) => format!("stopped by signal {signal} before there was an answer"),
            Self::ReaderGone => "nobody reads the output any more".to_owned(),
            Self::Unwritable(error) => format!("cannot write the output: {error}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::probe::Failure;

    const RULES: Rules = Rules {
        max_fail: 5,
        fail_rate: None,
        min_success: 1,
        grace: Duration::ZERO,
        deadline: Some(Duration::from_mins(2)),
        watch: None,
    };

    #[test]
    fn the_sentence_says_why() {
        let refused =
            Failure { reason: Reason::Refused, message: "connection refused by [::1]:1".to_owned() };
        let tally = Tally { probes: 5, failures: 5, last_failure: Some(refused), ..Tally::default() };
        let unhealthy = Ending::Verdict(Verdict::Unhealthy);
        assert_eq!(
            unhealthy.sentence("api", &RULES, &tally),
            "api is unhealthy: it failed 5 times in a row; the last failure: connection refused by [::1]:1 (refused)"
        );
        assert_eq!(unhealthy.status(&tally), (Status::Failure, Some(Reason::Refused)));
        let deadline = Ending::Verdict(Verdict::DeadlinePassed);
        assert_eq!(
            deadline.sentence("api", &RULES, &Tally::default()),
            "api was not healthy within 2m00s; no probe was answered"
        );
    }

    #[test]
    fn without_a_verdict_no_exit_code_says_good_or_bad() {
        let none = Tally::default();
        let some = Tally { probes: 1, ..Tally::default() };
        assert_eq!(Ending::ReaderGone.exit(&none), Exit::NothingRan);
        assert_eq!(Ending::ReaderGone.exit(&some), Exit::Inconclusive);
        assert_eq!(Ending::Signal(15).exit(&some), Exit::Signal(15));
        assert_eq!(Ending::Unwritable(io::Error::other("full")).exit(&some), Exit::CouldNotJudge);
    }
}
