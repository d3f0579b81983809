//! The difference between this machine's clock and a server's.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use common::duration::format_duration;
use hyper::HeaderMap;
use hyper::header::{AGE, DATE};

/// A smaller difference does no harm: records of a watch are compared in buckets of seconds.
const MAX: TimeDelta = TimeDelta::minutes(1);

/// How far the server's clock is ahead of ours, by the `Date` of a response to a request that was sent at `sent_at` and
/// took `duration`; negative if it is behind. `None` for less than a minute, or if it is unknown.
pub(crate) fn large_difference(
    headers: &HeaderMap,
    sent_at: DateTime<Utc>,
    duration: Duration,
) -> Option<TimeDelta> {
    // The Date of a response from a cache is that of the first request.
    if headers.contains_key(AGE) {
        return None;
    }
    let date = headers.get(DATE)?.to_str().ok()?;
    let theirs = DateTime::parse_from_rfc2822(date).ok()?.to_utc();
    let received = sent_at.checked_add_signed(TimeDelta::from_std(duration).ok()?)?;
    let difference = theirs - theirs.clamp(sent_at, received.max(sent_at));
    (difference.abs() > MAX).then_some(difference)
}

/// The warning about a difference.
pub(crate) fn warning(target: &str, difference: TimeDelta) -> String {
    let direction = if difference > TimeDelta::zero() { "behind" } else { "ahead of" };
    let amount = format_duration(difference.abs().to_std().unwrap_or_default());
    format!(
        "the clock of this machine is {amount} {direction} that of {target}, by the Date header: \
         times of records and logs do not match; correct the clock that is wrong"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn difference(date: &str, age: bool) -> Option<i64> {
        let mut headers = HeaderMap::new();
        headers.insert(DATE, date.parse().unwrap());
        if age {
            headers.insert(AGE, "0".parse().unwrap());
        }
        // 2026-01-01 00:00:00 UTC.
        let sent_at = DateTime::from_timestamp(1_767_225_600, 0).unwrap();
        large_difference(&headers, sent_at, Duration::from_secs(2)).map(|difference| difference.num_seconds())
    }

    #[test]
    fn a_difference_of_more_than_a_minute_is_reported() {
        assert_eq!(difference("Thu, 01 Jan 2026 00:01:03 GMT", false), Some(61));
        assert_eq!(difference("Wed, 31 Dec 2025 23:58:00 GMT", false), Some(-120));
        for date in ["Thu, 01 Jan 2026 00:01:02 GMT", "Wed, 31 Dec 2025 23:59:00 GMT", "yesterday"] {
            assert_eq!(difference(date, false), None, "{date}");
        }
        assert_eq!(difference("Wed, 31 Dec 2025 23:00:00 GMT", true), None);
    }

    #[test]
    fn the_warning_says_which_clock_is_ahead() {
        assert!(warning("api", TimeDelta::seconds(90)).contains("is 1m30s behind that of api"));
        assert!(warning("api", TimeDelta::seconds(-90)).contains("is 1m30s ahead of that of api"));
    }
}
