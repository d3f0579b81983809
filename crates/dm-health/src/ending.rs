//! How a run ended, and what that means: for the exit code, for the record and for people.

use std::io;

use common::duration::format_duration;
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
    pub fn exit(&self, seen: &Tally) -> Exit {
        match self {
            Self::Verdict(Verdict::Healthy) => Exit::Success,
            Self::Verdict(Verdict::Unhealthy | Verdict::FailsTooOften) => Exit::Failure,
            Self::Verdict(Verdict::DeadlinePassed) => Exit::TimedOut,
            Self::Signal(signal) => Exit::Signal(*signal),
            Self::ReaderGone if seen.probes == 0 => Exit::NothingRan,
            Self::Verdict(Verdict::CannotTell) | Self::ReaderGone => Exit::Inconclusive,
            Self::Unwritable(_) => Exit::CouldNotJudge,
        }
    }

    /// For the record: how it ended, and why not well. What made a service unhealthy is its last failure.
    pub fn status(&self, seen: &Tally) -> (Status, Option<Reason>) {
        let last = seen.last_failure.as_ref().map(|failure| failure.reason);
        match self {
            Self::Verdict(Verdict::Healthy) => (Status::Success, None),
            Self::Verdict(Verdict::Unhealthy | Verdict::FailsTooOften) => {
                (Status::Failure, last.or(Some(Reason::Other)))
            }
            Self::Verdict(Verdict::DeadlinePassed) => (Status::Timeout, last.or(Some(Reason::Timeout))),
            Self::Verdict(Verdict::CannotTell) => (Status::Error, last.or(Some(Reason::Other))),
            Self::Signal(_) | Self::ReaderGone => (Status::Cancelled, Some(Reason::Cancelled)),
            Self::Unwritable(_) => (Status::Error, Some(Reason::Other)),
        }
    }

    /// The answer in a sentence.
    pub fn sentence(&self, about: &Subject, rules: &Rules) -> String {
        let times =
            |count: u32| if count == 1 { "once".to_owned() } else { format!("{count} times in a row") };
        match self {
            Self::Verdict(Verdict::Healthy) => match (rules.watch, about.names.as_slice()) {
                (Some(watch), _) if about.any_failed => {
                    format!(
                        "{} became healthy, and nothing proved otherwise for {}",
                        about.counted(),
                        format_duration(watch)
                    )
                }
                (Some(watch), _) => {
                    format!("{} became healthy and stayed so for {}", about.counted(), format_duration(watch))
                }
                (None, [name]) => format!("{name} is healthy: it answered well {}", times(rules.min_success)),
                (None, _) => {
                    let times = times(rules.min_success);
                    format!("{} are healthy: each answered well {times}", about.counted())
                }
            },
            Self::Verdict(Verdict::Unhealthy) => {
                let times = times(rules.max_fail);
                format!("{} is unhealthy: it failed {times}{}", about.listed(), about.last_failure())
            }
            Self::Verdict(Verdict::FailsTooOften) => {
                let rate = rules.fail_rate.map(|rate| rate.to_string()).unwrap_or_default();
                format!(
                    "{} is unhealthy: it reached the --fail-rate {rate}{}",
                    about.listed(),
                    about.last_failure()
                )
            }
            Self::Verdict(Verdict::DeadlinePassed) => {
                let limit = rules.deadline.map(format_duration).unwrap_or_default();
                let was = if about.names.len() == 1 { "was" } else { "were" };
                format!("{} {was} not healthy within {limit}{}", about.listed(), about.last_failure())
            }
            Self::Verdict(Verdict::CannotTell) => {
                let times = times(rules.max_fail);
                format!(
                    "{} could not be probed, which says nothing about it: this machine failed {times}{}",
                    about.listed(),
                    about.last_failure()
                )
            }
            Self::Signal(signal) => format!("stopped by signal {signal} before there was an answer"),
            Self::ReaderGone => "nobody reads the output any more".to_owned(),
            Self::Unwritable(error) => format!("cannot write the output: {error}"),
        }
    }
}

/// The targets that an answer is about.
#[derive(Debug)]
pub struct Subject<'a> {
    /// Their names; at least one.
    pub names: Vec<&'a str>,
    /// What was seen of the first.
    pub first: &'a Tally,
    /// Whether a probe of any of them failed.
    pub any_failed: bool,
}

impl Subject<'_> {
    /// So many names are told.
    const TOLD: usize = 5;

    fn counted(&self) -> String {
        match self.names.as_slice() {
            [name] => (*name).to_owned(),
            names => format!("{} targets", names.len()),
        }
    }

    fn listed(&self) -> String {
        let told: Vec<&str> = self.names.iter().copied().take(Self::TOLD).collect();
        match self.names.len().saturating_sub(Self::TOLD) {
            0 => told.join(", "),
            more => format!("{} and {more} more", told.join(", ")),
        }
    }

    fn last_failure(&self) -> String {
        let of = match self.names.as_slice() {
            [name, _, ..] => format!(" of {name}"),
            _ => String::new(),
        };
        match &self.first.last_failure {
            Some(failure) => format!("; the last failure{of}: {} ({})", failure.message, failure.reason),
            None if self.first.probes + self.first.not_made == 0 => format!("; no probe{of} was answered"),
            None => String::new(),
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
        let refused = Failure::new(Reason::Refused, "connection refused by [::1]:1");
        let tally = Tally { probes: 5, failures: 5, last_failure: Some(refused), ..Tally::default() };
        let about =
            |names: &[&'static str]| Subject { names: names.to_vec(), first: &tally, any_failed: true };
        let unhealthy = Ending::Verdict(Verdict::Unhealthy);
        assert_eq!(
            unhealthy.sentence(&about(&["api"]), &RULES),
            "api is unhealthy: it failed 5 times in a row; the last failure: connection refused by [::1]:1 (refused)"
        );
        assert_eq!(unhealthy.status(&tally), (Status::Failure, Some(Reason::Refused)));
        let deadline = Ending::Verdict(Verdict::DeadlinePassed);
        assert_eq!(
            deadline.sentence(
                &Subject { names: vec!["api"], first: &Tally::default(), any_failed: false },
                &RULES
            ),
            "api was not healthy within 2m00s; no probe was answered"
        );
        assert_eq!(
            deadline.sentence(&about(&["a", "b", "c", "d", "e", "f", "g"]), &RULES),
            "a, b, c, d, e and 2 more were not healthy within 2m00s; \
             the last failure of a: connection refused by [::1]:1 (refused)"
        );
    }

    #[test]
    fn several_are_counted_where_all_is_well() {
        let about = Subject { names: vec!["api", "web"], first: &Tally::default(), any_failed: false };
        let healthy = Ending::Verdict(Verdict::Healthy);
        assert_eq!(healthy.sentence(&about, &RULES), "2 targets are healthy: each answered well once");
        let watched = Rules { watch: Some(Duration::from_mins(5)), ..RULES };
        assert_eq!(healthy.sentence(&about, &watched), "2 targets became healthy and stayed so for 5m00s");
        let shaky = Subject { any_failed: true, ..about };
        assert_eq!(
            healthy.sentence(&shaky, &watched),
            "2 targets became healthy, and nothing proved otherwise for 5m00s"
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
