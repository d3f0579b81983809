//! When to repeat a report about a condition that lasts: at growing intervals.

use std::time::Duration;

/// The steps of a lock wait, in seconds. A wait blocks other sessions, so the first report is immediate.
pub(super) const WAIT: &[u64] = &[0, 10, 60, 120, 300];

/// The steps of a long run, in seconds.
pub(super) const RUN: &[u64] = &[60, 120, 300, 900, 1800, 3600, 7200];

/// The report schedule of one condition.
#[derive(Debug)]
pub(super) struct ReportSchedule {
    steps: &'static [u64],
    reported: usize,
}

impl ReportSchedule {
    /// A schedule without reports so far; `steps` are in seconds.
    pub(super) fn new(steps: &'static [u64]) -> Self {
        Self { steps, reported: 0 }
    }

    /// Whether a step has been reached since the last call. `elapsed` is the age of the condition.
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
    fn each_step_is_reported_once_and_missed_steps_are_skipped() {
        let mut schedule = ReportSchedule::new(WAIT);
        let reports: Vec<u64> = (0..400).filter(|s| schedule.is_due(Duration::from_secs(*s))).collect();
        assert_eq!(reports, WAIT);
        let mut late = ReportSchedule::new(WAIT);
        assert!(late.is_due(Duration::from_secs(130)));
        assert!(!late.is_due(Duration::from_secs(131)));
    }
}
