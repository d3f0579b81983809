//! The outcome of a run: as exit code, as status of the event, and as a sentence.

use std::io;

use common::duration::format_duration;
use common::event::{Reason, Status};
use common::exit::Exit;
use common::secrets::Redactor;

use crate::policy::{PollRules, Verdict};
use crate::stats::Stats;

/// The outcome of a run.
#[derive(Debug)]
pub(crate) enum RunOutcome {
    /// The policy has a verdict.
    Verdict(Verdict),
    /// A signal asked for termination.
    Signal(i32),
    /// The reader of stdout has gone away.
    OutputClosed,
    /// The same in the watch, at which moment there was this verdict: the reader judges, and has decided.
    WatchClosed(Verdict),
    /// Stdout cannot be written to.
    Unwritable(io::Error),
}

impl RunOutcome {
    /// The exit code. Without a verdict it is never the code of a verdict.
    pub(crate) fn exit(&self, stats: &Stats) -> Exit {
        match self {
            Self::Verdict(verdict) | Self::WatchClosed(verdict) => match verdict {
                Verdict::Healthy => Exit::Success,
                Verdict::Unhealthy | Verdict::UnhealthyAtEnd | Verdict::FailureRateReached => Exit::Failure,
                Verdict::DeadlineExpired => Exit::TimedOut,
                Verdict::Inconclusive => Exit::Inconclusive,
            },
            Self::Signal(signal) => Exit::Signal(*signal),
            Self::OutputClosed if stats.probes == 0 => Exit::NothingRan,
            Self::OutputClosed => Exit::Inconclusive,
            Self::Unwritable(_) => Exit::CouldNotJudge,
        }
    }

    /// The status for the event, and the reason: that of the last failure.
    pub(crate) fn status(&self, stats: &Stats) -> (Status, Option<Reason>) {
        let last = stats.last_failure.as_ref().map(|failure| failure.reason);
        match self {
            Self::Verdict(verdict) | Self::WatchClosed(verdict) => match verdict {
                Verdict::Healthy => (Status::Success, None),
                Verdict::Unhealthy | Verdict::UnhealthyAtEnd | Verdict::FailureRateReached => {
                    (Status::Failure, last.or(Some(Reason::Other)))
                }
                Verdict::DeadlineExpired => (Status::Timeout, last.or(Some(Reason::Timeout))),
                Verdict::Inconclusive => (Status::Error, last.or(Some(Reason::Other))),
            },
            Self::Signal(_) | Self::OutputClosed => (Status::Cancelled, Some(Reason::Cancelled)),
            Self::Unwritable(_) => (Status::Error, Some(Reason::Other)),
        }
    }

    /// The outcome in a sentence.
    pub(crate) fn sentence(&self, about: &Subject, rules: &PollRules) -> String {
        let times =
            |count: u32| if count == 1 { "once".to_owned() } else { format!("{count} times in a row") };
        match self {
            Self::Verdict(Verdict::Healthy) => match (rules.watch, about.names.as_slice()) {
                (Some(watch), _) if about.any_failed && rules.through_failures.is_some() => {
                    let is = if about.names.len() == 1 { "is" } else { "are" };
                    let watch = format_duration(watch);
                    format!(
                        "{} became healthy, and {is} healthy at the end of the watch of {watch}, with failures in between",
                        about.counted()
                    )
                }
                (Some(watch), _) if about.any_failed => {
                    let watch = format_duration(watch);
                    format!(
                        "{} became healthy, and {} not proven unhealthy for {watch}",
                        about.counted(),
                        about.was()
                    )
                }
                (Some(watch), _) => {
                    format!(
                        "{} became healthy and stayed healthy for {}",
                        about.counted(),
                        format_duration(watch)
                    )
                }
                (None, [name]) => format!("{name} is healthy: it passed {}", times(rules.min_success)),
                (None, _) => {
                    let times = times(rules.min_success);
                    format!("{} are healthy: each passed {times}", about.counted())
                }
            },
            Self::Verdict(Verdict::Unhealthy) => {
                let times = times(rules.max_fail);
                format!("{} is unhealthy: it failed {times}{}", about.listed(), about.last_failure())
            }
            Self::Verdict(Verdict::UnhealthyAtEnd) => {
                let probes = if rules.max_fail == 1 {
                    "probe".to_owned()
                } else {
                    format!("{} probes", rules.max_fail)
                };
                format!(
                    "{} {} unhealthy at the end of the watch: the last {probes} failed{}",
                    about.listed(),
                    if about.names.len() == 1 { "is" } else { "are" },
                    about.last_failure()
                )
            }
            Self::Verdict(Verdict::FailureRateReached) => {
                let rate = rules.fail_rate.map(|rate| rate.to_string()).unwrap_or_default();
                format!(
                    "{} is unhealthy: it reached the --fail-rate {rate}{}",
                    about.listed(),
                    about.last_failure()
                )
            }
            Self::Verdict(Verdict::DeadlineExpired) => {
                let limit = rules.deadline.map(format_duration).unwrap_or_default();
                let was = about.was();
                format!("{} {was} not healthy within {limit}{}", about.listed(), about.last_failure())
            }
            Self::Verdict(Verdict::Inconclusive) => {
                let times = times(rules.max_fail);
                format!(
                    "{} could not be probed, which says nothing about it: this machine failed {times}{}",
                    about.listed(),
                    about.last_failure()
                )
            }
            Self::Signal(signal) => format!("stopped by signal {signal} before there was a verdict"),
            Self::OutputClosed | Self::WatchClosed(_) => "the reader of the output has gone away".to_owned(),
            Self::Unwritable(error) => format!("cannot write the output: {error}"),
        }
    }
}

/// The targets that an outcome is about.
#[derive(Debug)]
pub(crate) struct Subject<'a> {
    /// The names; at least one.
    pub(crate) names: Vec<&'a str>,
    /// The statistics of the first target.
    pub(crate) first: &'a Stats,
    /// Whether a probe of any target failed.
    pub(crate) any_failed: bool,
}

impl Subject<'_> {
    /// How many names a sentence contains.
    const MAX_NAMES: usize = 5;

    fn was(&self) -> &'static str {
        if self.names.len() == 1 { "was" } else { "were" }
    }

    fn counted(&self) -> String {
        match self.names.as_slice() {
            [name] => (*name).to_owned(),
            names => format!("{} targets", names.len()),
        }
    }

    fn listed(&self) -> String {
        let names: Vec<&str> = self.names.iter().copied().take(Self::MAX_NAMES).collect();
        match self.names.len().saturating_sub(Self::MAX_NAMES) {
            0 => names.join(", "),
            more => format!("{} and {more} more", names.join(", ")),
        }
    }

    fn last_failure(&self) -> String {
        let of_target = match self.names.as_slice() {
            [name, _, ..] => format!(" of {name}"),
            _ => String::new(),
        };
        match &self.first.last_failure {
            Some(failure) => {
                let response = if failure.response.is_empty() {
                    String::new()
                } else {
                    // Once at the end: the redactor is not free.
                    let shown = Redactor::default().with_environment().redact(&failure.response);
                    format!("; the response begins with {shown}")
                };
                format!("; the last failure{of_target}: {} ({}){response}", failure.message, failure.reason)
            }
            None if self.first.probes + self.first.not_probed == 0 => {
                format!("; no probe{of_target} was answered")
            }
            None => String::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::failure::Failure;
    use crate::policy::Extension;

    const RULES: PollRules = PollRules {
        max_fail: 5,
        waits_for_success: false,
        fail_rate: None,
        min_success: 1,
        grace: Duration::ZERO,
        deadline: Some(Duration::from_mins(2)),
        watch: None,
        through_failures: None,
    };

    #[test]
    fn the_sentence_names_the_last_failure() {
        let refused = Failure::new(Reason::Refused, "connection refused by [::1]:1");
        let stats = Stats { probes: 5, failures: 5, last_failure: Some(refused), ..Stats::default() };
        let about =
            |names: &[&'static str]| Subject { names: names.to_vec(), first: &stats, any_failed: true };
        let unhealthy = RunOutcome::Verdict(Verdict::Unhealthy);
        assert_eq!(
            unhealthy.sentence(&about(&["api"]), &RULES),
            "api is unhealthy: it failed 5 times in a row; the last failure: connection refused by [::1]:1 (refused)"
        );
        assert_eq!(unhealthy.status(&stats), (Status::Failure, Some(Reason::Refused)));
        assert_eq!(
            RunOutcome::Verdict(Verdict::UnhealthyAtEnd).sentence(&about(&["api"]), &RULES),
            "api is unhealthy at the end of the watch: the last 5 probes failed; \
             the last failure: connection refused by [::1]:1 (refused)"
        );
        let deadline = RunOutcome::Verdict(Verdict::DeadlineExpired);
        assert_eq!(
            deadline.sentence(
                &Subject { names: vec!["api"], first: &Stats::default(), any_failed: false },
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
    fn the_sentence_shows_the_beginning_of_a_response_without_secrets() {
        let failure = Failure {
            response: "\"{\"db\":\"postgres://app:hunter22@db/shop\"}\"".to_owned(),
            ..Failure::new(Reason::BadStatus, "status 503, expected 2xx")
        };
        let stats = Stats { probes: 1, failures: 1, last_failure: Some(failure), ..Stats::default() };
        let about = Subject { names: vec!["api"], first: &stats, any_failed: true };
        let sentence = RunOutcome::Verdict(Verdict::Unhealthy).sentence(&about, &RULES);
        let expected = "status 503, expected 2xx (bad_status); the response begins with \"{\"db\":\"postgres://app:***@db/shop\"}\"";
        assert!(sentence.ends_with(expected), "{sentence}");
    }

    #[test]
    fn healthy_targets_are_counted() {
        let about = Subject { names: vec!["api", "web"], first: &Stats::default(), any_failed: false };
        let healthy = RunOutcome::Verdict(Verdict::Healthy);
        assert_eq!(healthy.sentence(&about, &RULES), "2 targets are healthy: each passed once");
        let watched = PollRules { watch: Some(Duration::from_mins(5)), ..RULES };
        assert_eq!(
            healthy.sentence(&about, &watched),
            "2 targets became healthy and stayed healthy for 5m00s"
        );
        let with_failures = Subject { any_failed: true, ..about };
        assert_eq!(
            healthy.sentence(&with_failures, &watched),
            "2 targets became healthy, and were not proven unhealthy for 5m00s"
        );
        let extension = Some(Extension::for_probes(Duration::from_secs(1), 5));
        let through = PollRules { through_failures: extension, ..watched };
        assert_eq!(
            healthy.sentence(&with_failures, &through),
            "2 targets became healthy, and are healthy at the end of the watch of 5m00s, with failures in between"
        );
    }

    #[test]
    fn without_a_verdict_the_exit_code_is_neither_good_nor_bad() {
        let none = Stats::default();
        let some = Stats { probes: 1, ..Stats::default() };
        assert_eq!(RunOutcome::OutputClosed.exit(&none), Exit::NothingRan);
        assert_eq!(RunOutcome::OutputClosed.exit(&some), Exit::Inconclusive);
        assert_eq!(RunOutcome::WatchClosed(Verdict::Healthy).exit(&some), Exit::Success);
        assert_eq!(RunOutcome::WatchClosed(Verdict::UnhealthyAtEnd).exit(&some), Exit::Failure);
        assert_eq!(RunOutcome::Signal(15).exit(&some), Exit::Signal(15));
        assert_eq!(RunOutcome::Unwritable(io::Error::other("full")).exit(&some), Exit::CouldNotJudge);
    }
}
