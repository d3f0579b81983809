//! When a source had requests: one that has fallen silent does not show how the version is now. Pure.

/// The silence, in buckets, that is not remarkable.
const TOLERATED: i64 = 4;

/// How many times as long as its longest pause so far a source may be silent.
const PAUSES: i64 = 3;

/// The buckets in which a source had requests.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Activity {
    latest: Option<i64>,
    /// The longest time between two buckets with requests.
    longest_pause: i64,
}

impl Activity {
    /// Adds a bucket with requests.
    pub(super) fn add(&mut self, bucket: i64) {
        let latest = self.latest.unwrap_or(bucket).max(bucket);
        self.longest_pause = self.longest_pause.max(latest - self.latest.unwrap_or(latest));
        self.latest = Some(latest);
    }

    /// The longest time between two buckets with requests, in buckets.
    pub(super) fn longest_pause(&self) -> u32 {
        u32::try_from(self.longest_pause).unwrap_or(u32::MAX)
    }

    /// Whether the source has been silent, in the bucket `now`, for much longer than ever before.
    pub(super) fn is_silent(&self, now: i64) -> bool {
        self.latest.is_some_and(|latest| now - latest > TOLERATED.max(PAUSES * self.longest_pause))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(buckets: &[i64]) -> Activity {
        let mut activity = Activity::default();
        for bucket in buckets {
            activity.add(*bucket);
        }
        activity
    }

    #[test]
    fn silence_is_measured_by_the_pauses_before() {
        let busy = after(&[1, 2, 3]);
        assert!(!busy.is_silent(7) && busy.is_silent(8));
        let rare = after(&[1, 6, 11]);
        assert!(!rare.is_silent(26) && rare.is_silent(27));
        assert!(!Activity::default().is_silent(100), "it has not begun");
    }
}
