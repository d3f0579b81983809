//! How many failures among the last probes are too many.

use std::collections::VecDeque;
use std::fmt;
use std::str::FromStr;

/// The longest window: a day of probes, one a second.
const LONGEST: usize = 86_400;

/// So many failures among so many probes, such as `5/20`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FailRate {
    /// The failures that are too many; at least 1.
    pub failures: usize,
    /// The probes that are looked back on; no fewer than the failures.
    pub probes: usize,
}

impl FromStr for FailRate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parse = || {
            let (failures, probes) = text.split_once('/')?;
            Some(Self { failures: failures.parse().ok()?, probes: probes.parse().ok()? })
        };
        match parse() {
            Some(rate) if 1 <= rate.failures && rate.failures <= rate.probes && rate.probes <= LONGEST => {
                Ok(rate)
            }
            _ => Err(format!(
                "a rate is failures/probes, such as 5/20: at least 1, no more than the probes, and these at most {LONGEST}"
            )),
        }
    }
}

impl fmt::Display for FailRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.failures, self.probes)
    }
}

/// The last probes.
#[derive(Debug, Clone, Default)]
pub struct Window {
    failed: VecDeque<bool>,
    failures: usize,
}

impl Window {
    /// Takes in one more probe, forgets the oldest where there are more than `rate` looks back on, and says whether
    /// the failures are too many.
    pub fn is_exceeded_by(&mut self, rate: FailRate, ok: bool) -> bool {
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
    fn a_rate_is_two_numbers_that_can_be_reached() {
        assert_eq!("5/20".parse::<FailRate>().unwrap().to_string(), "5/20");
        for wrong in ["5", "0/20", "21/20", "5/86401", "-1/3", "a/b", "1/2/3", ""] {
            assert!(wrong.parse::<FailRate>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_older_than_the_window_is_forgotten() {
        let rate = FailRate { failures: 2, probes: 3 };
        let mut window = Window::default();
        let exceeded = [false, true, true, false, true, false].map(|ok| window.is_exceeded_by(rate, ok));
        assert_eq!(exceeded, [false, false, false, false, false, true]);
    }
}
