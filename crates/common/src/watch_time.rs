//! How long to watch: `5m`, or at least and at most, `60s..10m`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::duration::{format_duration, parse_positive};

/// How long to watch a service after it is healthy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WatchTime {
    /// The time before which the reader of the records must not end the watch as good. `None` for a fixed time.
    pub min: Option<Duration>,
    /// The time after which the watch ends by itself.
    pub max: Duration,
}

impl FromStr for WatchTime {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let Some((min, max)) = text.split_once("..") else {
            return Ok(Self { min: None, max: parse_positive(text)? });
        };
        let limit = |name: &str, text: &str| {
            parse_positive(text).map_err(|error| format!("{name} of MIN..MAX, such as 60s..10m: {error}"))
        };
        let (min, max) = (limit("MIN", min)?, limit("MAX", max)?);
        if min > max {
            return Err(format!(
                "MIN {} is longer than MAX {}: write MIN..MAX, such as 60s..10m",
                format_duration(min),
                format_duration(max)
            ));
        }
        Ok(Self { min: Some(min), max })
    }
}

impl fmt::Display for WatchTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(min) = self.min {
            write!(f, "{}..", format_duration(min))?;
        }
        f.write_str(&format_duration(self.max))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_watch_has_a_fixed_time_or_two_limits() {
        let parsed = |text: &str| text.parse::<WatchTime>().map(|time| (time.min, time.max));
        let (minute, ten) = (Duration::from_mins(1), Duration::from_mins(10));
        assert_eq!(parsed("10m"), Ok((None, ten)));
        assert_eq!(parsed("60s..10m"), Ok((Some(minute), ten)));
        assert_eq!(parsed("10m..10m"), Ok((Some(ten), ten)));
        for (wrong, says) in [
            ("10m..60s", "MIN 10m00s is longer than MAX 1m00s"),
            ("60s..", "MAX of MIN..MAX, such as 60s..10m"),
            ("..10m", "MIN of MIN..MAX"),
            ("0s..10m", "longer than zero"),
            ("60..10m", "needs a unit"),
            ("1s..2s..3s", "MAX of MIN..MAX"),
            ("0s", "longer than zero"),
        ] {
            let error = parsed(wrong).unwrap_err();
            assert!(error.contains(says), "{wrong}: {error}");
        }
    }
}
