//! When a watch ends.

use std::time::Duration;

/// How a watch is extended if the service is failing when its time is over.
///
/// The reader of the records judges by what happened in buckets of time. It needs four of them to prove an outage that
/// begins shortly before the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Extension {
    /// The time without failures after which the watch ends.
    pub(crate) clear: Duration,
    /// The maximum time by which it is extended.
    pub(crate) max: Duration,
}

impl Extension {
    /// A bucket of evidence, and four of them: `dm-rollback` uses the same.
    const BUCKET: Duration = Duration::from_secs(10);
    const BUCKETS: u32 = 4;

    /// The extension for probes that take up to `turn` each. It is long enough for `failures` of them in a row, so that
    /// the end is clear even if probes are rare.
    pub(crate) fn for_probes(turn: Duration, failures: u32) -> Self {
        let max = turn.saturating_mul(failures).max(Self::BUCKET * Self::BUCKETS);
        Self { clear: turn.max(Self::BUCKET), max }
    }
}

/// A watch that has started. All times are relative to the start of polling.
#[derive(Debug, Clone)]
pub(super) struct Watch {
    /// When its time is over.
    until: Duration,
    /// Whether a target was failing after that.
    is_extended: bool,
    /// When a target was last seen failing.
    last_failing: Duration,
}

impl Watch {
    /// A watch that starts at `now`.
    pub(super) fn start(now: Duration, time: Duration) -> Self {
        Self { until: now.saturating_add(time), is_extended: false, last_failing: Duration::ZERO }
    }

    /// Notes that a target is failing at `now`.
    pub(super) fn note_failing(&mut self, now: Duration) {
        self.last_failing = now;
        self.is_extended |= now >= self.until;
    }

    /// When it ends if nothing changes; `None` if it does not. Without an extension, it continues while a target is
    /// failing: too many failures in a row end it.
    pub(super) fn end(&self, extension: Option<Extension>, is_failing: bool) -> Option<Duration> {
        let Some(extension) = extension else { return (!is_failing).then_some(self.until) };
        let limit = self.until.saturating_add(extension.max);
        Some(match (is_failing, self.is_extended) {
            (true, _) => limit,
            (false, true) => self.last_failing.saturating_add(extension.clear).clamp(self.until, limit),
            (false, false) => self.until,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_extension_has_room_for_rare_and_slow_probes() {
        let seconds = Duration::from_secs;
        let usual = Extension { clear: seconds(10), max: seconds(40) };
        assert_eq!(Extension::for_probes(seconds(2), 5), usual);
        let rare = Extension { clear: seconds(30), max: seconds(150) };
        assert_eq!(Extension::for_probes(seconds(30), 5), rare);
    }
}
