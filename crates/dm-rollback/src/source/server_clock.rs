//! The difference between a server's clock and this machine's: the server stamps its samples by its own. Pure.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use common::duration::format_duration;

use super::unusable::Unusable;

/// A larger difference is an error of a clock, and every time that was written down before is in doubt.
const MOST: TimeDelta = TimeDelta::minutes(1);

/// A smaller difference is not reported: a `Date` header has only seconds, and a request takes time.
const SMALL: TimeDelta = TimeDelta::seconds(2);

/// The clock of a server, as far as it is known.
#[derive(Debug, Default)]
pub(crate) struct ServerClock {
    /// How far it is ahead, as first measured: the beginning of the deployment was stamped then by this machine's clock.
    ahead: Option<TimeDelta>,
    was_changed: bool,
}

impl ServerClock {
    /// Records the time by both clocks at one moment. Returns what an operator has to know.
    pub(crate) fn observe(
        &mut self,
        name: &str,
        server: DateTime<Utc>,
        ours: DateTime<Utc>,
    ) -> Result<Option<String>, Unusable> {
        let ahead = server - ours;
        let Some(first) = self.ahead else {
            if ahead.abs() > MOST {
                return Err(Unusable(format!(
                    "{name}'s clock is {} this machine's: too far to tell the requests before the deployment from those \
                     after it; set the clocks (NTP)",
                    describe(ahead)
                )));
            }
            self.ahead = Some(ahead);
            let sentence = || format!("{name}'s clock is {} this machine's: corrected", describe(ahead));
            return Ok((ahead.abs() >= SMALL).then(sentence));
        };
        let changed = (ahead - first).abs() > SMALL * 2 && !self.was_changed;
        self.was_changed |= changed;
        let sentence = || {
            format!(
                "this machine's clock or {name}'s was set during the watch: {name}'s is now {} this machine's; it goes on \
                 by {name}'s",
                describe(ahead)
            )
        };
        Ok(changed.then(sentence))
    }

    /// The server's time at a time of this machine's clock.
    pub(crate) fn to_server(&self, ours: DateTime<Utc>) -> DateTime<Utc> {
        ours + self.ahead.unwrap_or_default()
    }

    /// This machine's time at a time of the server's clock.
    pub(crate) fn to_ours(&self, server: DateTime<Utc>) -> DateTime<Utc> {
        server - self.ahead.unwrap_or_default()
    }
}

fn describe(ahead: TimeDelta) -> String {
    let difference = format_duration(Duration::from_millis(ahead.num_milliseconds().unsigned_abs()));
    format!("{difference} {}", if ahead < TimeDelta::zero() { "behind" } else { "ahead of" })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).unwrap()
    }

    #[test]
    fn a_small_difference_is_corrected_and_a_large_one_refused() {
        let mut clock = ServerClock::default();
        assert_eq!(clock.observe("X", at(1000), at(999)).unwrap(), None);
        let mut clock = ServerClock::default();
        let note = clock.observe("X", at(1040), at(1000)).unwrap().unwrap();
        assert_eq!(note, "X's clock is 40.0s ahead of this machine's: corrected");
        assert_eq!((clock.to_server(at(5)), clock.to_ours(at(45))), (at(45), at(5)));
        for server in [at(1061), at(939)] {
            let error = ServerClock::default().observe("X", server, at(1000)).unwrap_err().to_string();
            assert!(error.contains("1m01s") && error.contains("NTP"), "{error}");
        }
    }

    #[test]
    fn a_clock_that_is_set_during_the_watch_is_reported_once_and_changes_nothing() {
        let mut clock = ServerClock::default();
        assert_eq!(clock.observe("X", at(1000), at(1000)).unwrap(), None);
        let note = clock.observe("X", at(1010), at(-2590)).unwrap().unwrap();
        assert!(note.contains("was set during the watch"), "{note}");
        assert_eq!(clock.observe("X", at(1020), at(-2580)).unwrap(), None);
        assert_eq!(clock.to_ours(at(1020)), at(1020));
    }
}
