//! Whether each probed target works, as a health check sees it. Pure.

use std::collections::BTreeMap;

use super::by_target;
use super::criteria::DEFAULT_LIMIT;
use super::error_counts::percent;
use crate::decision::control_test::Group;

/// The number of buckets that an outage lasts at least, and that a healthy target has to work: a burst of 25 s touches
/// four.
const BUCKETS: usize = 5;

/// The health of each target.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Health {
    targets: BTreeMap<String, Target>,
}

/// The probes of one target.
#[derive(Debug, Clone, Default, PartialEq)]
struct Target {
    /// Whether the deployed version has answered well.
    has_worked: bool,
    /// The last bucket with a failed probe since the last success, and the number of such buckets.
    failing: Option<(i64, usize)>,
    /// All probes since it worked.
    all: Group,
    /// The latest buckets with a probe, oldest first.
    latest: [Group; BUCKETS],
    bucket: Option<i64>,
}

impl Health {
    /// Counts a probe. `is_ours` is false if another version answered it, or may have.
    pub(super) fn probe(&mut self, target: &str, bucket: i64, ok: bool, is_ours: bool) {
        by_target::entry(&mut self.targets, target).probe(bucket, ok, is_ours);
    }

    /// Forgets what a target did while it was not known which version answered.
    pub(super) fn forget(&mut self, target: &str) {
        if let Some(target) = self.targets.get_mut(target) {
            *target = Target { has_worked: target.has_worked, ..Target::default() };
        }
    }

    /// Whether a target worked, and since then has failed every probe for long enough.
    pub(super) fn has_outage(&self) -> bool {
        self.targets.values().any(Target::is_down)
    }

    /// Whether every target is proven healthy: it works in each of the latest buckets, and few probes failed in all.
    pub(super) fn is_steady(&self) -> bool {
        !self.targets.is_empty() && self.targets.values().all(Target::is_steady)
    }
}

impl Target {
    fn probe(&mut self, bucket: i64, ok: bool, is_ours: bool) {
        if ok {
            self.failing = None;
        }
        if !is_ours {
            return;
        }
        if !ok {
            // A bucket without a probe says nothing.
            let (last, count) = self.failing.unwrap_or((bucket, 1));
            self.failing = Some((bucket, count + usize::from(last != bucket)));
        }
        self.has_worked |= ok;
        // Before that, the service was starting.
        if !self.has_worked {
            return;
        }
        let probe = Group { total: 1, errors: u64::from(!ok) };
        if self.bucket != Some(bucket) {
            self.bucket = Some(bucket);
            self.latest.rotate_left(1);
            self.latest[BUCKETS - 1] = Group::default();
        }
        self.latest[BUCKETS - 1].add(probe);
        self.all.add(probe);
    }

    fn is_down(&self) -> bool {
        self.has_worked && self.failing.is_some_and(|(_, count)| count >= BUCKETS)
    }

    fn is_steady(&self) -> bool {
        let works = |bucket: &Group| 2 * bucket.errors < bucket.total;
        percent(self.all).is_some_and(|percent| percent <= DEFAULT_LIMIT) && self.latest.iter().all(works)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The health after one probe a bucket.
    fn after(probes: &[bool]) -> Health {
        let mut health = Health::default();
        (0..).zip(probes).for_each(|(bucket, ok)| health.probe("http://h/", bucket, *ok, true));
        health
    }

    #[test]
    fn a_target_is_proven_healthy_by_as_many_buckets_as_an_outage() {
        assert!(after(&[true; 5]).is_steady() && !after(&[true; 4]).is_steady());
        let mut probes = vec![true; 50];
        probes.push(false);
        assert!(!after(&probes).is_steady(), "the end");
        probes.extend([true; 5]);
        assert!(after(&probes).is_steady());
        assert!(!after(&[true, false, true, true, true, true, true]).is_steady(), "14 % failed");
        assert!(after(&[&[false; 9][..], &[true; 5]].concat()).is_steady(), "it was starting");
    }

    #[test]
    fn each_target_has_its_own_outage() {
        let mut health = Health::default();
        for bucket in 0..6 {
            health.probe("http://a/", bucket, true, true);
            health.probe("http://b/", bucket, bucket < 2, true);
        }
        assert!(!health.has_outage() && !health.is_steady());
        health.probe("http://b/", 6, false, true);
        assert!(health.has_outage());
        health.probe("http://b/", 6, true, false);
        assert!(!health.has_outage(), "the old version answers");
    }
}
