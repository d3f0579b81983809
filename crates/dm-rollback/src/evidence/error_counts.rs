//! The requests of one source that were bad in one way: failed, or slow; and what they prove. Pure.

use common::records::Baseline;

use super::comparison::Comparison;
use super::curve::{Curve, Point};
use crate::decision::baseline::Limits;
use crate::decision::control_test::{ControlTest, Group};
use crate::decision::mixture::float;
use crate::decision::rate_test::RateTest;

/// The minimum number of requests for a rollback.
pub(crate) const MIN_REQUESTS: u64 = 10;

/// The minimum number of errors for a rollback.
pub(crate) const MIN_ERRORS: u64 = 3;

/// The number of buckets that are the end of the watch.
pub(crate) const END: usize = 5;

/// The requests of one source, and how many of them were bad in one way: failed, or slow.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct ErrorCounts {
    /// Requests after the deployment.
    pub total: u64,
    /// Bad requests after the deployment.
    pub bad: u64,
    /// The same counts before the deployment.
    pub baseline: Baseline,
    /// The requests of the control group; `None` if there is none.
    pub(crate) control: Option<Group>,
    /// The odds ratio to the control group that is tolerated; `None` if there is none.
    tolerance: Option<f64>,
    /// What the requests since the deployment prove; `None` without a limit or a request.
    tests: Option<Tests>,
    open: OpenBucket,
    curve: Curve,
}

/// What the share of bad requests is tested against, in percent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Limit {
    /// Nothing.
    None,
    /// A version is good below this share, and bad above it.
    Judge(f64),
    /// A rollback is verified below this share.
    Restore(f64),
}

/// The bucket that is being filled.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct OpenBucket {
    index: Option<i64>,
    new: Group,
    control: Group,
}

#[derive(Debug, Clone, PartialEq)]
struct Tests {
    limits: Limits,
    worse: RateTest,
    /// Against the limit to keep a version.
    better: RateTest,
    /// The errors that the control group did not have at the same time, of all requests.
    own_errors: f64,
    requests: f64,
    /// Against the requested limit, if the other is higher.
    better_than_requested: Option<RateTest>,
    control: Option<ControlTest>,
    /// Whether they are about a rollback: what failed before it took effect does not count.
    is_restore: bool,
    /// The buckets, and those of them that say nothing because of the control group.
    buckets: Comparison,
    /// The last buckets, oldest first.
    end: [Group; END],
}

impl ErrorCounts {
    /// Adds requests to a bucket of time. The bucket `None` is the time before the deployment. Late requests count in the
    /// open bucket: closed buckets do not change.
    pub(crate) fn add(&mut self, bucket: Option<i64>, requests: Group, limit: Limit) {
        let Group { total, errors } = requests;
        let Some(bucket) = bucket else {
            self.baseline.total = self.baseline.total.saturating_add(total);
            self.baseline.errors = self.baseline.errors.saturating_add(errors);
            return;
        };
        self.open(bucket);
        self.total = self.total.saturating_add(total);
        self.bad = self.bad.saturating_add(errors);
        self.open.new.add(requests);
        if self.tests.is_none() {
            let tests = match limit {
                Limit::None => None,
                Limit::Judge(percent) => Some(Tests::new(Limits::new(percent, self.baseline))),
                Limit::Restore(percent) => Some(Tests::restored_below(percent)),
            };
            self.tests = tests.map(|tests| Tests { control: self.control_test(&tests), ..tests });
        }
    }

    /// Expects a control group: nothing is decided without it.
    pub(crate) fn expect_control(&mut self, tolerance: f64) {
        self.tolerance = Some(tolerance);
        self.control.get_or_insert_default();
        self.add_control_test();
    }

    fn add_control_test(&mut self) {
        if let Some(tests) = self.tests.take() {
            let control = tests.control.clone().or_else(|| self.control_test(&tests));
            self.tests = Some(Tests { control, ..tests });
        }
    }

    fn control_test(&self, tests: &Tests) -> Option<ControlTest> {
        Some(ControlTest::new(tests.limits.requested, self.tolerance?))
    }

    /// Adds requests of the control group in the same time.
    pub(crate) fn add_control(&mut self, bucket: i64, requests: Group, tolerance: f64) {
        self.open(bucket);
        self.control.get_or_insert_default().add(requests);
        self.open.control.add(requests);
        self.tolerance = Some(tolerance);
        self.add_control_test();
    }

    fn open(&mut self, bucket: i64) {
        if self.open.index.is_none_or(|index| bucket > index) {
            self.close();
            self.open.index = Some(bucket);
        }
    }

    /// Forgets the requests since the deployment, and of the control group in that time.
    pub(super) fn forget(&mut self) {
        let (baseline, tolerance) = (self.baseline, self.tolerance);
        let control = self.control.map(|_| Group::default());
        *self = Self { baseline, control, tolerance, ..Self::default() };
    }

    /// Evaluates the open bucket.
    pub(crate) fn close(&mut self) {
        let OpenBucket { index, new, control } = std::mem::take(&mut self.open);
        if let Some(tests) = &mut self.tests
            && new.total > 0
        {
            tests.add(new, control);
            if let Some((bucket, evidence)) = index.zip(self.evidence()) {
                self.curve.add(bucket, new, evidence);
            }
        }
    }

    /// How the requests and the evidence grew, oldest first.
    pub(super) fn curve(&self) -> &[Point] {
        self.curve.points()
    }

    /// Whether the requests prove that too many are bad.
    pub(crate) fn is_bad(&self) -> bool {
        let is_proven = |tests: &Tests| match &tests.control {
            Some(control) => control.was_proven(),
            None => tests.worse.was_proven(),
        };
        self.total >= MIN_REQUESTS && self.bad >= MIN_ERRORS && self.tests.as_ref().is_some_and(is_proven)
    }

    /// The limit, in percent, that a rollback has to restore; `None` without requests.
    pub(crate) fn limit_to_restore(&self) -> Option<f64> {
        self.tests.as_ref().map(|tests| tests.worse.limit_to_restore())
    }

    /// Whether the requests prove, now, that few enough are bad. Those in the open bucket must not change that.
    pub(crate) fn is_good(&self) -> bool {
        // A pause between two faults proves nothing: a proof may begin late, so the whole watch counts too.
        let is_good = |tests: &Tests| {
            tests.better.is_proven()
                && (tests.is_restore || tests.is_within_limit())
                && !tests.worse.ends_with_an_outage()
        };
        let is_good_with = |tests: &Tests, open: OpenBucket| {
            let mut tests = tests.clone();
            tests.add(open.new, open.control);
            is_good(&tests)
        };
        self.tests.as_ref().is_some_and(|tests| {
            is_good(tests) && (self.open.new.total == 0 || is_good_with(tests, self.open))
        })
    }

    /// Whether few enough were bad from the beginning, or all but.
    pub(crate) fn is_good_from_the_beginning(&self) -> bool {
        self.tests.as_ref().is_some_and(|tests| tests.better.is_proven_from_the_beginning())
    }

    /// Whether the version may be remembered as known good: it is proven to be within the requested limit, not only a
    /// raised one, and the whole watch and its end are within it too.
    pub(crate) fn is_known_good(&self) -> bool {
        let Some(tests) = self.tests.as_ref().filter(|_| self.is_good()) else { return false };
        let requested = tests.better_than_requested.as_ref().unwrap_or(&tests.better);
        let limit = tests.limits.requested;
        let end = tests.end.iter().fold(Group::default(), |mut sum, bucket| {
            sum.add(*bucket);
            sum
        });
        requested.is_proven() && self.percent() <= Some(limit) && percent(end) <= Some(limit)
    }

    /// Whether the last bucket looks like an outage.
    pub(crate) fn ends_with_an_outage(&self) -> bool {
        self.tests.as_ref().is_some_and(|tests| tests.worse.ends_with_an_outage())
    }

    /// Why the control group does not allow a decision, in a sentence: it is missing, or fails itself.
    pub(crate) fn control_problem(&self) -> Option<String> {
        self.tests.as_ref()?.buckets.problem(self.control?)
    }

    /// The limits; `None` without requests.
    pub(crate) fn limits(&self) -> Option<Limits> {
        self.tests.as_ref().map(|tests| tests.limits)
    }

    /// The evidence that too many requests are bad, as a natural logarithm; `None` without requests.
    pub(crate) fn evidence(&self) -> Option<f64> {
        let tests = self.tests.as_ref()?;
        let now = tests.control.as_ref().map_or_else(|| tests.worse.evidence(), ControlTest::evidence);
        // What came after a proof, such as the rest of a bucket, may weaken the evidence, but not the proof.
        Some(if self.is_bad() { now.max(RateTest::needed()) } else { now })
    }

    /// The smallest rate, in percent, that this number of requests is expected to prove; `None` if they are too few.
    pub(crate) fn detectable_percent(&self) -> Option<f64> {
        self.tests.as_ref()?.worse.detectable_percent()
    }

    /// The share of bad requests, in percent; `None` without requests.
    pub(crate) fn percent(&self) -> Option<f64> {
        percent(Group { total: self.total, errors: self.bad })
    }
}

#[expect(clippy::cast_precision_loss, reason = "exact up to 2^53 requests")]
pub(super) fn percent(Group { total, errors }: Group) -> Option<f64> {
    (total > 0).then(|| 100.0 * errors as f64 / total as f64)
}

impl Tests {
    fn new(limits: Limits) -> Self {
        let requested = || RateTest::better_than(limits.requested);
        Self {
            limits,
            worse: RateTest::worse_than(limits.roll_back),
            better: RateTest::better_than(limits.keep),
            own_errors: 0.0,
            requests: 0.0,
            better_than_requested: limits.is_raised().then(requested),
            control: None,
            is_restore: false,
            buckets: Comparison::default(),
            end: [Group::default(); END],
        }
    }

    /// Whether the share of errors in the whole watch is within the limit, apart from what the control group had too.
    fn is_within_limit(&self) -> bool {
        self.own_errors <= self.limits.keep / 100.0 * self.requests
    }

    fn restored_below(percent: f64) -> Self {
        let limits = Limits { requested: percent, keep: percent, roll_back: percent };
        Self { better: RateTest::restored_below(percent), is_restore: true, ..Self::new(limits) }
    }

    fn add(&mut self, new: Group, control: Group) {
        self.end.rotate_left(1);
        self.end[END - 1] = new;
        self.worse.add(new.total, new.errors);
        // Without requests of the control group, a bucket says nothing about the difference.
        let is_comparable = self.control.is_none() || control.total > 0;
        if let Some(test) = self.control.as_mut().filter(|_| is_comparable) {
            test.add(new, control);
        }
        // An outage of the control group is not the new version's fault. This looks at the control group only.
        let is_outage = self.control.as_ref().is_some_and(|test| test.is_outage(control));
        self.buckets.add(is_comparable, is_outage);
        let shared = if is_comparable && is_outage {
            float(new.total) * float(control.errors) / float(control.total)
        } else {
            0.0
        };
        self.own_errors += float(new.errors) - shared;
        self.requests += float(new.total);
        if is_comparable && !is_outage {
            self.better.add(new.total, new.errors);
            self.better_than_requested.iter_mut().for_each(|test| test.add(new.total, new.errors));
        }
    }
}

#[cfg(test)]
mod tests;
