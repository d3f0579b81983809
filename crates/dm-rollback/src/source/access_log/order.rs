//! Whether a log that is read to its end is in the order of time: what is read late is lost as a baseline, and counts in
//! the wrong bucket. Pure.

use chrono::{DateTime, TimeDelta, Utc};

/// How far a line may go back. Apache logs when a request began, at its end: that of a long one is old.
const MOST: TimeDelta = TimeDelta::minutes(5);

/// The number of late lines that may be about long requests.
const FEW: u64 = 10;

/// The order of the lines on each side of the deployment.
#[derive(Debug, Default)]
pub(super) struct Order {
    latest: Option<DateTime<Utc>>,
    before: Side,
    after: Side,
}

#[derive(Debug, Default)]
struct Side {
    lines: u64,
    late: u64,
}

impl Side {
    fn is_out_of_order(&self) -> bool {
        self.late > FEW && 10 * self.late > self.lines
    }
}

impl Order {
    /// Observes the time of the next line.
    pub(super) fn observe(&mut self, ts: DateTime<Utc>, since: Option<DateTime<Utc>>) {
        let is_before = since.is_some_and(|since| ts <= since);
        let is_late = self.latest.is_some_and(|latest| {
            // The order of the lines before the deployment does not matter.
            latest - ts > MOST && (!is_before || since.is_some_and(|since| latest > since))
        });
        let side = if is_before { &mut self.before } else { &mut self.after };
        side.lines += 1;
        side.late += u64::from(is_late);
        self.latest = self.latest.max(Some(ts));
    }

    /// What is wrong with the order.
    pub(super) fn complaint(&self) -> Option<String> {
        let sides = [(" from before the deployment", &self.before), ("", &self.after)];
        let (from, Side { late, .. }) = sides.into_iter().find(|(_, side)| side.is_out_of_order())?;
        Some(format!(
            "the log is not in the order of time: {late} lines{from} follow later ones; give the oldest file first \
             (cat access.log.1 access.log), and merge the logs of several servers by time"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is wrong with lines at these minutes, with a deployment at minute 0.
    fn complaint(minutes: impl IntoIterator<Item = i64>, since: bool) -> Option<String> {
        let mut order = Order::default();
        let at = |minute| DateTime::UNIX_EPOCH + TimeDelta::minutes(minute);
        minutes.into_iter().for_each(|minute| order.observe(at(minute), since.then(|| at(0))));
        order.complaint()
    }

    #[test]
    fn the_newer_file_first_is_the_wrong_order() {
        assert_eq!(complaint(-60..=10, true), None);
        let wrong = complaint((1..10).chain(-60..0), true).unwrap();
        assert!(wrong.contains("60 lines from before the deployment follow later ones"), "{wrong}");
        assert!(complaint((1..100).chain(1..100), true).unwrap().contains("merge the logs"));
        assert!(complaint((1..100).chain(1..100), false).is_some());
        assert_eq!(
            complaint((-60..-30).chain(-90..-60).chain(1..9), true),
            None,
            "all of it is the baseline"
        );
    }

    #[test]
    fn a_few_late_lines_are_long_requests() {
        assert_eq!(complaint((-600..=20).chain(-60..-50), true), None);
        assert_eq!(complaint((-600..=20).chain(-60..-40), true), None, "of many");
        assert_eq!(complaint((-10..=1).chain(-3..=0), true), None, "within minutes");
    }
}
