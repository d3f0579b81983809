//! The time in a line. Pure.

use std::ops::RangeInclusive;

use chrono::{DateTime, TimeDelta, Utc};

/// The times that a log may contain: a time before the year 2000, or more than a day ahead, is no time of a request.
#[derive(Debug, Clone)]
pub(super) struct PlausibleTimes(RangeInclusive<DateTime<Utc>>);

impl PlausibleTimes {
    /// The times that are plausible now.
    pub(super) fn at(now: DateTime<Utc>) -> Self {
        const YEAR_2000: i64 = 946_684_800;
        let first = DateTime::from_timestamp(YEAR_2000, 0).unwrap_or_default();
        Self(first..=now + TimeDelta::days(1))
    }

    /// Parses a time in RFC 3339, or in nginx's and Apache's format.
    pub(super) fn parse(&self, text: &str) -> Option<DateTime<Utc>> {
        let common = || DateTime::parse_from_str(text, "%d/%b/%Y:%H:%M:%S %z").ok();
        let time = DateTime::parse_from_rfc3339(text).ok().or_else(common)?.to_utc();
        self.0.contains(&time).then_some(time)
    }

    /// Converts a time since 1970 in seconds, milliseconds, microseconds or nanoseconds. In only one of them is it a time of
    /// these years: the units are a factor of a thousand apart.
    pub(super) fn parse_epoch(&self, number: f64) -> Option<DateTime<Utc>> {
        [1e3, 1.0, 1e-3, 1e-6].into_iter().find_map(|unit| {
            #[expect(clippy::cast_possible_truncation, reason = "a float-to-integer cast saturates")]
            let time = DateTime::from_timestamp_millis((number * unit) as i64)?;
            self.0.contains(&time).then_some(time)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_magnitude_of_a_time_of_these_years_is_its_unit() {
        let ts = DateTime::from_timestamp(1_767_225_600, 0).unwrap();
        let times = PlausibleTimes::at(ts + TimeDelta::hours(1));
        for number in [1_767_225_600.0, 1.767_225_6e12, 1.767_225_6e15, 1.767_225_6e18] {
            assert_eq!(times.parse_epoch(number), Some(ts), "{number}");
        }
        // Before 2000 in one unit, and far in the future in the next.
        for number in
            [-1.0, 0.0, 9e8, 2e9, 9e11, 2e12, 9e14, 2e15, 9e17, 2e18, 1.8e21, f64::NAN, f64::INFINITY]
        {
            assert_eq!(times.parse_epoch(number), None, "{number}");
        }
    }

    #[test]
    fn a_time_that_cannot_be_is_no_time() {
        let times = PlausibleTimes::at(DateTime::from_timestamp(1_767_225_600, 0).unwrap());
        assert!(times.parse("01/Jan/2026:23:59:59 +0000").is_some());
        assert!(times.parse("2026-01-02T00:00:00Z").is_some());
        for text in ["01/Jan/1970:00:00:00 +0000", "1999-12-31T23:59:59Z", "2026-01-02T00:00:01Z", "noon"] {
            assert_eq!(times.parse(text), None, "{text}");
        }
    }
}
