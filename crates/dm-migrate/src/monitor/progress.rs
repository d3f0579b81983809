//! The progress of long statements: when to ask for it, and how long the rest may take.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use common::duration::format_duration;

use crate::server::{Progress, Session};

/// How long a statement runs before its progress is asked for, and the time between two questions.
const INTERVAL: Duration = Duration::from_secs(10);

/// How long a phase is watched before the rest of it is estimated.
const MIN_BASIS: Duration = Duration::from_secs(5);

/// The progress so far. Times are since the start of the monitor.
#[derive(Debug, Default)]
pub(super) struct ProgressLog {
    /// When it was last asked for, and whether there was any.
    asked: Option<(Duration, bool)>,
    /// Of each session and phase: when it was first seen, and the share that was done then.
    first: BTreeMap<(i64, String), (Duration, f64)>,
    /// The last progress that was seen, for the record.
    last: Option<String>,
}

impl ProgressLog {
    /// Whether to ask for the progress of a statement that runs for long. One that reports none is asked about once.
    pub(super) fn is_due(&self, now: Duration, sessions: &[Session]) -> bool {
        let active = sessions.iter().filter(|session| session.is_active());
        let longest = active.filter_map(|session| session.running_for).max();
        let Some(age) = longest.filter(|age| *age >= INTERVAL) else { return false };
        match self.asked {
            None => true,
            Some((asked, true)) => now >= asked + INTERVAL,
            // Another statement has begun since.
            Some((asked, false)) => now.saturating_sub(age) > asked,
        }
    }

    /// Adds what the server reports now, and describes it, one line per session.
    pub(super) fn add(&mut self, now: Duration, progress: &[Progress]) -> Vec<String> {
        self.asked = Some((now, !progress.is_empty()));
        let key = |it: &Progress| (it.pid, it.what.clone());
        self.first.retain(|phase, _| progress.iter().any(|it| key(it) == *phase));
        let mut lines = Vec::new();
        for it in progress {
            let mut line = it.what.clone();
            // Writing into a String cannot fail.
            if let Some(share) = it.share {
                let _ = write!(line, ", {:.0} %", 100.0 * share);
            } else if let Some(rows) = it.rows {
                let _ = write!(line, ", {rows} rows so far");
            }
            if let Some(left) = it.share.and_then(|share| self.estimate(key(it), now, share)) {
                let _ = write!(line, ", about {} left in this phase", format_duration(left));
            }
            if let Some(pid) = it.waits_for {
                let _ = write!(line, ", waits for pid {pid}");
            }
            self.last = Some(line.clone());
            lines.push(format!("{}: {line}", it.pid));
        }
        lines
    }

    /// The last progress that was seen.
    pub(super) fn last(&self) -> Option<String> {
        self.last.clone()
    }

    /// How long the rest of a phase takes if it goes on as since it was first seen.
    fn estimate(&mut self, phase: (i64, String), now: Duration, share: f64) -> Option<Duration> {
        let first = self.first.entry(phase).or_insert((now, share));
        // The same phase of another statement.
        if share < first.1 {
            *first = (now, share);
        }
        let (basis, done) = (now.saturating_sub(first.0), share - first.1);
        if basis < MIN_BASIS || done <= 0.0 {
            return None;
        }
        Duration::try_from_secs_f64((basis.as_secs_f64() * (1.0 - share) / done).round()).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scan(share: f64) -> Progress {
        let what = "CREATE INDEX, building index: scanning table".to_owned();
        Progress { pid: 7, what, share: Some(share), rows: None, waits_for: None }
    }

    fn session(running_for: u64) -> Session {
        Session {
            pid: 7,
            backend_start: String::new(),
            state: Some("active".to_owned()),
            query: None,
            running_for: Some(Duration::from_secs(running_for)),
            is_waiting: false,
        }
    }

    #[test]
    fn the_rest_is_estimated_from_the_speed_so_far() {
        let mut log = ProgressLog::default();
        let mut line = |seconds, share| log.add(Duration::from_secs(seconds), &[scan(share)]).pop().unwrap();
        let what = "7: CREATE INDEX, building index: scanning table";
        assert_eq!(line(10, 0.1), format!("{what}, 10 %"));
        assert_eq!(line(12, 0.12), format!("{what}, 12 %"));
        assert_eq!(line(30, 0.3), format!("{what}, 30 %, about 1m10s left in this phase"));
        // It stands still, and then the next index is built.
        assert_eq!(line(50, 0.3), format!("{what}, 30 %, about 2m20s left in this phase"));
        assert_eq!(line(60, 0.0), format!("{what}, 0 %"));
        assert_eq!(line(70, 0.5), format!("{what}, 50 %, about 10.0s left in this phase"));
        assert_eq!(log.add(Duration::from_secs(80), &[]), [""; 0]);
        let last = "CREATE INDEX, building index: scanning table, 50 %, about 10.0s left in this phase";
        assert_eq!(log.last().as_deref(), Some(last));
        let copy = Progress {
            pid: 8,
            what: "COPY FROM".to_owned(),
            share: None,
            rows: Some(12),
            waits_for: Some(9),
        };
        assert_eq!(
            log.add(Duration::from_secs(90), &[copy]),
            ["8: COPY FROM, 12 rows so far, waits for pid 9"]
        );
    }

    #[test]
    fn a_statement_without_progress_is_asked_about_once() {
        let at = Duration::from_secs;
        let mut log = ProgressLog::default();
        assert!(!log.is_due(at(9), &[session(9)]));
        assert!(!log.is_due(at(60), &[]));
        assert!(log.is_due(at(10), &[session(10)]));
        log.add(at(10), &[]);
        assert!(!log.is_due(at(1000), &[session(1000)]));
        // The next statement.
        assert!(log.is_due(at(1000), &[session(20)]));
        log.add(at(1000), &[scan(0.5)]);
        assert!(!log.is_due(at(1009), &[session(29)]));
        assert!(log.is_due(at(1010), &[session(30)]));
    }
}
