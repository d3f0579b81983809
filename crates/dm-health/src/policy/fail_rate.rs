//! The failure rate: how many failures among the last probes are too many.

use std::collections::VecDeque;
use std::fmt;
use std::str::FromStr;

/// The longest window: a day of probes, one per second.
const MAX_PROBES: usize = 86_400;

/// A number of failures among a number of probes, such as `5/20`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FailRate {
    /// The number of failures that is too many; at least 1.
    pub(crate) failures: usize,
    /// The number of the last probes to consider; at least `failures`.
    pub(crate) probes: usize,
}

impl FromStr for FailRate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parse = || {
            let (failures, probes) = text.split_once('/')?;
            Some(Self { failures: failures.parse().ok()?, probes: probes.parse().ok()? })
        };
        match parse() {
            Some(rate) if 1 <= rate.failures && rate.failures <= rate.probes && rate.probes <= MAX_PROBES => {
                Ok(rate)
            }
            _ => Err(format!(
                "write FAILURES/PROBES, such as 5/20: at least 1 failure, at least as many probes, and at most {MAX_PROBES} probes"
            )),
        }
    }
}

impl fmt::Display for FailRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.failures, self.probes)
    }
}

/// The results of the last probes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Window {
    failed: VecDeque<bool>,
    failures: usize,
}

impl Window {
    /// Adds a probe, drops the oldest if there are more than `rate` considers, and returns whether there are too many
    /// failures.
    pub(crate) fn add_and_check(&mut self, rate: FailRate, ok: bool) -> bool {
        self.failed.push_back(!ok);
        self.failures += usize::from(!ok);
        if self.failed.len() > rate.probes {
            self.failures -= usize::from(self.failed.pop_front() == Some(true));
        }
        self.failures >= rate.failures
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_must_be_reachable() {
        assert_eq!("5/20".parse::<FailRate>().unwrap().to_string(), "5/20");
        for wrong in ["5", "0/20", "21/20", "5/86401", "-1/3", "a/b", "1/2/3", ""] {
            assert!(wrong.parse::<FailRate>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn probes_outside_the_window_do_not_count() {
        let rate = FailRate { failures: 2, probes: 3 };
        let mut window = Window::default();
        let exceeded = [false, true, true, false, true, false].map(|ok| window.add_and_check(rate, ok));
        assert_eq!(exceeded, [false, false, false, false, false, true]);
    }
}
