//! The unit of a histogram: in its name, or stated by the caller. Pure.

use std::time::Duration;

use clap::ValueEnum;

/// The unit of a histogram's limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Unit {
    /// Seconds.
    #[value(name = "s")]
    Seconds,
    /// Milliseconds.
    #[value(name = "ms")]
    Milliseconds,
}

impl Unit {
    /// The unit that the name of a histogram's buckets ends with.
    pub(super) fn in_name(name: &str) -> Option<Self> {
        let name = name.strip_suffix("_bucket").unwrap_or(name);
        let ends = |unit: &str| name.ends_with(unit);
        match () {
            () if ends("_milliseconds") || ends("_ms") => Some(Self::Milliseconds),
            () if ends("_seconds") => Some(Self::Seconds),
            () => None,
        }
    }

    /// Its name in a flag.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Seconds => "s",
            Self::Milliseconds => "ms",
        }
    }

    /// A duration in this unit.
    pub(super) fn of(self, duration: Duration) -> f64 {
        match self {
            Self::Seconds => duration.as_secs_f64(),
            Self::Milliseconds => duration.as_secs_f64() * 1000.0,
        }
    }

    /// A value in this unit as a duration to read: `250ms`, `2.5s`.
    pub(super) fn describe(self, value: f64) -> String {
        let milliseconds = if self == Self::Seconds { value * 1000.0 } else { value };
        let rounded = |value: f64| (value * 1e6).round() / 1e6;
        if milliseconds < 1000.0 {
            format!("{}ms", rounded(milliseconds))
        } else {
            format!("{}s", rounded(milliseconds / 1000.0))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_is_read_from_the_end_of_the_name_and_never_guessed() {
        assert_eq!(Unit::in_name("http_request_duration_seconds_bucket"), Some(Unit::Seconds));
        for name in ["a_ms_bucket", "a_milliseconds_bucket"] {
            assert_eq!(Unit::in_name(name), Some(Unit::Milliseconds), "{name}");
        }
        for name in ["latency_bucket", "seconds_in_queue_bucket", "a_microseconds_bucket", "a_items_bucket"] {
            assert_eq!(Unit::in_name(name), None, "{name}");
        }
        assert_eq!(
            (Unit::Seconds.describe(0.29), Unit::Milliseconds.describe(2500.0)),
            ("290ms".into(), "2.5s".into())
        );
    }
}
