//! When a command runs again after a failure, and how long it waits before.

use std::str::FromStr;
use std::time::Duration;

use common::duration::{format_duration, parse};
use common::random;
use regex_lite::Regex;

use super::Outcome;

/// The flags for retries.
#[derive(Debug, Clone, clap::Args)]
pub struct RetryArgs {
    /// Retry up to N times if the command fails (not if it cannot start); --timeout applies to each attempt
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub retries: u32,

    /// Delay before a retry; a range such as 1s..1m doubles it from one to the next, with jitter
    #[arg(long, value_name = "DURATION|MIN..MAX", default_value = "5s", requires = "retries")]
    pub retry_delay: RetryDelay,

    /// Retry only after these exit codes, such as 75,124; 124 is the time limit, 128 + N a signal
    #[arg(long, value_name = "CODES", value_delimiter = ',', requires = "retries")]
    pub retry_exit: Vec<u8>,

    /// Retry only if a line of stderr matches, such as 'connection reset'; can be repeated, and one match or a --retry-exit
    /// is enough; the stderr of the command is then a pipe
    #[arg(long, value_name = "REGEX", value_parser = parse_regex, requires = "retries")]
    pub retry_pattern: Vec<Regex>,
}

fn parse_regex(text: &str) -> Result<Regex, String> {
    Regex::new(text).map_err(|error| error.to_string())
}

/// The delay before a retry: always the same, or growing to a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryDelay {
    first: Duration,
    /// The limit of a growing delay; `None` if it is always the same.
    longest: Option<Duration>,
}

impl FromStr for RetryDelay {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let Some((first, longest)) = text.split_once("..") else {
            return Ok(Self { first: parse(text)?, longest: None });
        };
        let (first, longest) = (parse(first)?, parse(longest)?);
        if first > longest {
            let (first, longest) = (format_duration(first), format_duration(longest));
            return Err(format!("MIN {first} is longer than MAX {longest}: write MIN..MAX, such as 1s..1m"));
        }
        Ok(Self { first, longest: Some(longest) })
    }
}

/// When the command runs again after a failure.
#[derive(Debug, Clone, Default)]
pub struct RetryPolicy {
    /// The maximum number of retries.
    pub(super) retries: u32,
    delay: Option<RetryDelay>,
    /// The exit codes and the patterns of stderr after which it runs again; without any, after each failure.
    codes: Vec<u8>,
    patterns: Vec<Regex>,
}

impl From<RetryArgs> for RetryPolicy {
    fn from(args: RetryArgs) -> Self {
        Self {
            retries: args.retries,
            delay: Some(args.retry_delay),
            codes: args.retry_exit,
            patterns: args.retry_pattern,
        }
    }
}

impl RetryPolicy {
    /// Whether stderr is searched.
    pub(super) fn has_patterns(&self) -> bool {
        self.retries > 0 && !self.patterns.is_empty()
    }

    /// Whether this failure is one after which the command runs again.
    pub(super) fn applies_to(&self, outcome: &Outcome) -> bool {
        self.is_retried(outcome.exit.code(), &outcome.used.stderr_tail)
    }

    fn is_retried(&self, code: u8, stderr: &[String]) -> bool {
        let is_any = self.codes.is_empty() && self.patterns.is_empty();
        let matches = |pattern: &Regex| stderr.iter().any(|line| pattern.is_match(line));
        is_any || self.codes.contains(&code) || self.patterns.iter().any(matches)
    }

    /// The delay before retry number `retry`, which is at least 1. Delays that grow differ between machines by up to a
    /// quarter.
    pub(super) fn delay(&self, retry: u32) -> Duration {
        let Some(RetryDelay { first, longest }) = self.delay else { return Duration::ZERO };
        let Some(longest) = longest else { return first };
        let doubled = first.saturating_mul(1_u32.checked_shl(retry.saturating_sub(1)).unwrap_or(u32::MAX));
        let delay = doubled.min(longest);
        delay + random::up_to(delay / 4)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delayed(text: &str) -> RetryPolicy {
        RetryPolicy { delay: Some(text.parse().unwrap()), ..RetryPolicy::default() }
    }

    #[test]
    fn a_range_of_delays_grows_to_its_limit() {
        for (retry, secs) in [(1, 1), (2, 2), (3, 4), (6, 32), (7, 60), (33, 60), (u32::MAX, 60)] {
            let (delay, base) = (delayed("1s..1m").delay(retry), Duration::from_secs(secs));
            assert!(delay >= base && delay <= base * 5 / 4, "{retry}: {delay:?}");
        }
        assert_eq!(delayed("7s").delay(9), Duration::from_secs(7));
        for wrong in ["", "5", "1m..1s", "1s..", "..1m"] {
            assert!(wrong.parse::<RetryDelay>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn only_the_named_failures_are_retried() {
        let policy = |codes: &[u8], patterns: &[&str]| RetryPolicy {
            codes: codes.to_vec(),
            patterns: patterns.iter().map(|pattern| Regex::new(pattern).unwrap()).collect(),
            ..RetryPolicy::default()
        };
        let stderr = ["curl: connection reset by peer".to_owned()];
        assert!(policy(&[], &[]).is_retried(1, &[]));
        assert!(policy(&[75], &[]).is_retried(75, &[]));
        assert!(!policy(&[75], &[]).is_retried(1, &stderr));
        assert!(policy(&[], &["reset by"]).is_retried(1, &stderr));
        assert!(!policy(&[], &["reset by"]).is_retried(1, &[]));
        assert!(policy(&[75], &["reset by"]).is_retried(75, &[]));
    }
}
