//! What one source observed: its requests, and how many of them failed or were slow. Pure.

use super::activity::Activity;
use super::criteria::Criteria;
use super::error_counts::ErrorCounts;
use super::versions::Answered;
use crate::decision::control_test::Group;

/// Everything that one source observed.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Observation {
    /// Requests that failed, among all. If nobody knows whose some of them are, each failure counts, and no success does:
    /// what a keep has to be proven with.
    pub errors: ErrorCounts,
    /// Requests that were slow, among those with a known duration.
    pub slow: ErrorCounts,
    /// The same with what nobody knows counted in favour of the version: what a rollback has to be proven with. `None`
    /// if there is no difference.
    favourable: Option<Box<Favourable>>,
    /// Failures before the first success, while the service may still be starting.
    starting: ErrorCounts,
    /// All failures since anybody answered, before the first success: also those of which nobody knows whose they are.
    silence: ErrorCounts,
    /// Whether the source probes the service, and so may begin before the service has started.
    probes: bool,
    /// Whether a request after the deployment succeeded.
    succeeded: bool,
    activity: Activity,
}

/// Requests, with what nobody knows counted in favour of the version.
#[derive(Debug, Clone, PartialEq)]
struct Favourable {
    errors: ErrorCounts,
    slow: ErrorCounts,
}

/// What a request was bad in: it failed, or it was slow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bad {
    /// It failed.
    Failed,
    /// It was slow.
    Slow,
}

/// Requests in one bucket of time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Requests {
    /// All requests.
    pub total: u64,
    /// Failed requests.
    pub errors: u64,
    /// Requests with a known duration.
    pub timed: u64,
    /// Slow requests among those with a known duration.
    pub slow: u64,
}

impl Observation {
    /// Adds the requests of a bucket. The bucket `None` is the time before the deployment.
    pub(crate) fn add(&mut self, bucket: Option<i64>, requests: Requests, criteria: &Criteria) {
        if let Some(bucket) = bucket.filter(|_| requests.total > 0) {
            self.succeeded |= requests.total > requests.errors;
            self.activity.add(bucket);
        }
        add(&mut self.errors, &mut self.slow, bucket, requests, criteria);
        self.add_favourable(bucket, requests, criteria);
    }

    /// Adds requests in favour of the version, if that makes a difference already.
    fn add_favourable(&mut self, bucket: Option<i64>, requests: Requests, criteria: &Criteria) {
        if let Some(Favourable { errors, slow }) = self.favourable.as_deref_mut() {
            add(errors, slow, bucket, requests, criteria);
        }
    }

    /// Adds a probe. Failures before the first success may be those of a service that is starting.
    pub(super) fn probe(
        &mut self,
        bucket: Option<i64>,
        probe: Requests,
        answered: Answered,
        criteria: &Criteria,
    ) {
        self.probes = true;
        // Whoever answered: the source observes.
        if let Some(bucket) = bucket {
            self.activity.add(bucket);
        }
        let is_ours = !matches!(answered, Answered::Other | Answered::Unnamed);
        if !self.succeeded && probe.errors > 0 && is_ours && bucket.is_some() && !criteria.restored {
            let failed = Group { total: probe.total, errors: probe.errors };
            let is_known = answered == Answered::Ours;
            for counts in [&mut self.silence].into_iter().chain(is_known.then_some(&mut self.starting)) {
                counts.baseline = self.errors.baseline;
                counts.add(bucket, failed, criteria.error_limit());
            }
            return;
        }
        if probe.errors == 0 {
            self.silence = ErrorCounts::default();
        }
        if is_ours {
            self.starting = ErrorCounts::default();
        }
        if matches!(answered, Answered::Unnamed | Answered::Nobody { is_ours: false }) {
            let (errors, slow) = (&self.errors, &self.slow);
            self.favourable
                .get_or_insert_with(|| Box::new(Favourable { errors: errors.clone(), slow: slow.clone() }));
        }
        match answered {
            Answered::Other => {}
            Answered::Ours | Answered::Nobody { is_ours: true } => self.add(bucket, probe, criteria),
            // A slow one may be anybody's, too.
            Answered::Unnamed if probe.slow > 0 => {}
            Answered::Unnamed => self.add_favourable(bucket, probe, criteria),
            Answered::Nobody { is_ours: false } => {
                add(&mut self.errors, &mut self.slow, bucket, probe, criteria);
            }
        }
    }

    /// Forgets the requests of before it was known which version answers.
    pub(super) fn forget(&mut self) {
        for counts in [&mut self.errors, &mut self.slow, &mut self.starting, &mut self.silence] {
            counts.forget();
        }
        self.favourable = None;
    }

    /// Expects a control group.
    pub(super) fn expect_control(&mut self, tolerance: f64) {
        self.errors.expect_control(tolerance);
        self.favourable.iter_mut().for_each(|favourable| favourable.errors.expect_control(tolerance));
    }

    /// Whether the control group had requests at the same time.
    pub(super) fn has_control_requests(&self) -> bool {
        self.errors.control.is_some_and(|control| control.total > 0)
    }

    /// Whether the source probes the service.
    pub(super) fn is_probing(&self) -> bool {
        self.probes
    }

    /// Whether the source has been silent for so long, in the bucket `now`, that it shows nothing about the present.
    pub(super) fn is_silent(&self, now: i64) -> bool {
        self.activity.is_silent(now)
    }

    /// The longest time between two buckets with requests, in buckets.
    pub(super) fn longest_pause(&self) -> u32 {
        self.activity.longest_pause()
    }

    /// Adds requests of the control group in a bucket.
    pub(crate) fn control(&mut self, bucket: i64, requests: Requests, criteria: &Criteria) {
        let Requests { total, errors, timed, slow } = requests;
        let favourable = self.favourable.as_deref_mut().map(|it| (&mut it.errors, &mut it.slow));
        for (all, late) in favourable.into_iter().chain([(&mut self.errors, &mut self.slow)]) {
            all.add_control(bucket, Group { total, errors }, criteria.control_tolerance);
            if criteria.latency.is_some() && timed > 0 {
                late.add_control(bucket, Group { total: timed, errors: slow }, criteria.control_tolerance);
            }
        }
    }

    /// Ends the observation. A service that never answered was not starting: its failures count.
    pub(crate) fn finish(&mut self) {
        for counts in [&mut self.starting, &mut self.silence] {
            counts.close();
            let is_first = self.errors.total == 0 && counts.total > 0;
            if !self.succeeded && (is_first || counts.is_bad() && !self.errors.is_bad()) {
                self.errors = std::mem::take(counts);
                self.favourable = None;
            }
        }
        self.errors.close();
        self.slow.close();
        if let Some(favourable) = &mut self.favourable {
            favourable.errors.close();
            favourable.slow.close();
        }
    }

    /// The requests that were bad in one way: what a keep has to be proven with.
    pub(crate) fn counts(&self, bad: Bad) -> &ErrorCounts {
        match bad {
            Bad::Failed => &self.errors,
            Bad::Slow => &self.slow,
        }
    }

    /// The same: what a rollback has to be proven with.
    pub(crate) fn favourable_counts(&self, bad: Bad) -> &ErrorCounts {
        match (self.favourable.as_deref(), bad) {
            (Some(favourable), Bad::Failed) => &favourable.errors,
            (Some(favourable), Bad::Slow) => &favourable.slow,
            (None, _) => self.counts(bad),
        }
    }

    /// Whether the observation proves a bad version. A service that never answered a probe may still be starting.
    pub(crate) fn is_bad(&self, criteria: &Criteria) -> bool {
        let is_bad = |bad| self.favourable_counts(bad).is_bad();
        !criteria.restored && (self.succeeded || !self.probes) && (is_bad(Bad::Failed) || is_bad(Bad::Slow))
    }

    /// Whether the observation proves a good version, by every limit that there is.
    pub(crate) fn is_good(&self, criteria: &Criteria) -> bool {
        (criteria.error_rate.is_none() || self.errors.is_good())
            && (criteria.latency.is_none() || self.slow.is_good())
    }

    /// Whether any request succeeded.
    pub(crate) fn has_succeeded(&self) -> bool {
        self.succeeded
    }
}

/// Adds the requests of a bucket to those that failed and those that were slow.
fn add(
    failed: &mut ErrorCounts,
    late: &mut ErrorCounts,
    bucket: Option<i64>,
    requests: Requests,
    criteria: &Criteria,
) {
    let Requests { total, errors, timed, slow } = requests;
    if bucket.is_some() || criteria.baseline.is_none() {
        failed.add(bucket, Group { total, errors }, criteria.error_limit());
    }
    if let Some(latency) = criteria.latency
        && timed > 0
    {
        late.add(bucket, Group { total: timed, errors: slow }, criteria.limit(Some(latency.share)));
    }
}
