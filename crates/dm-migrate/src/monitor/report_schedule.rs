//! When to speak up again about what goes on: at once, and then more and more seldom.

use std::time::Duration;

/// A lock wait blocks others: it is told at once.
pub(super) const WAIT: &[u64] = &[0, 10, 60, 120, 300];

/// A statement that works may do so for long: a warning, an alert, and one more.
pub(super) const RUN: &[u64] = &[60, 120, 300];

/// The steps of one matter that goes on.
#[derive(Debug)]
pub(super) struct ReportSchedule {
    steps: &'static [u64],
    reported: usize,
}

impl ReportSchedule {
    /// Nothing is said yet; `steps` are in seconds.
    pub(super) fn new(steps: &'static [u64]) -> Self {
        Self { steps, reported: 0 }
    }

    /// Whether something is to be said after so long, and has not been.
    pub(super) fn is_due(&mut self, elapsed: Duration) -> bool {
        let due = self.steps.iter().filter(|step| elapsed.as_secs() >= **step).count();
        let is_new = due > self.reported;
        self.reported = due.max(self.reported);
        is_new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_step_is_told_once_and_what_was_missed_is_not_made_up_for() {
        let mut schedule = ReportSchedule::new(WAIT);
        let reports: Vec<u64> = (0..400).filter(|s| schedule.is_due(Duration::from_secs(*s))).collect();
        assert_eq!(reports, WAIT);
        let mut late = ReportSchedule::new(WAIT);
        assert!(late.is_due(Duration::from_secs(130)));
        assert!(!late.is_due(Duration::from_secs(131)));
    }
}
