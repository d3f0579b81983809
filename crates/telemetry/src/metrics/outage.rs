//! How long a service was broken: from the start of a deployment that failed, until a rollback was verified or a
//! deployment succeeded, whichever came first.
//!
//! Neither end alone knows both times, and a deployment's machine may be a new one each time. So the first failure's
//! time is kept where all of them look: in the state of the stage `deployment`, 0 while nothing is broken. Failures
//! that follow a failure are the same outage. The start of the deployment counts, not its end: users were served badly
//! from some moment in between.

use super::catalog::{self, Family};
use common::event::{Detail, Event, Status};
use common::exit::Exit;
use common::label::Stage;

/// What is known of a service's deployments before the next one is added, in seconds since the epoch.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Outage {
    since: Option<f64>,
    last_rollback: Option<f64>,
}

impl Outage {
    /// From the state: `read` gives the value of a family at a stage.
    pub fn of(read: impl Fn(&str, &Family) -> Option<f64>) -> Self {
        Self {
            since: read(Stage::DEPLOYMENT, catalog::FAILING_SINCE).filter(|since| *since > 0.0),
            last_rollback: read("rollback", catalog::LAST_SUCCESS),
        }
    }

    /// Adds a deployment that ended, and writes into it what it says of the outage: how long it was, if it is over
    /// now, and since when the service is failing.
    pub fn add(&mut self, deployment: &mut Event) {
        if let Some(since) = deployment.failing_since_s {
            // It was found before, by a tool that was killed: the state may show its own traces by now.
            self.since = Some(since).filter(|since| *since > 0.0);
            return;
        }
        let is_good = deployment.status == Status::Success;
        if !is_good && !deployment.status.is_failed() {
            return;
        }
        let ended = deployment.ts_s();
        let began = deployment.duration_s.map_or(ended, |duration| ended - duration);
        let since = self.since.filter(|since| *since < ended).or((!is_good).then_some(began));
        let restored_at = since.and_then(|since| {
            let rolled_back = self.last_rollback.filter(|at| (since..=ended).contains(at));
            rolled_back.or((is_good || says_rolled_back(deployment)).then_some(ended))
        });
        deployment.restored_s = restored_at.zip(since).map(|(at, since)| at - since);
        self.since = match restored_at {
            // It was rolled back after the deployments before it, and then this one failed, too.
            Some(at) if !is_good && at < began => Some(began),
            Some(_) => None,
            None => since,
        };
        deployment.failing_since_s = Some(self.since.unwrap_or(0.0));
    }
}

/// Whether its command ended with the tools' own code for "rolled back, and seen to work again": it was another service's
/// name under which dm-rollback did so, as in a deployment of several components.
fn says_rolled_back(deployment: &Event) -> bool {
    let Detail::Stage(child) = &deployment.detail else { return false };
    child.exit_code == Some(Exit::RolledBack.code().into())
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use proptest::prelude::*;

    use super::*;
    use crate::testing::stage_event;
    use common::event::ChildUse;

    /// A deployment that began and ended at these seconds, and what it says: how long the outage was that it found to
    /// be over, and since when the service is failing.
    fn add(outage: &mut Outage, (began, ended): (u32, u32), status: Status) -> (Option<f64>, f64) {
        let mut event = stage_event("deployment");
        event.status = status;
        event.ts = chrono::DateTime::UNIX_EPOCH + TimeDelta::seconds(ended.into());
        event.duration_s = Some(f64::from(ended - began));
        outage.add(&mut event);
        (event.restored_s, event.failing_since_s.unwrap_or(f64::NAN))
    }

    #[test]
    fn the_first_success_after_failures_ends_the_outage_that_the_first_of_them_began() {
        let mut outage = Outage::default();
        assert_eq!(add(&mut outage, (100, 160), Status::Success), (None, 0.0));
        assert_eq!(add(&mut outage, (200, 260), Status::Failure), (None, 200.0));
        assert_eq!(add(&mut outage, (300, 360), Status::Timeout), (None, 200.0));
        assert_eq!(add(&mut outage, (400, 460), Status::Success), (Some(260.0), 0.0));
        assert_eq!(add(&mut outage, (500, 560), Status::Success), (None, 0.0));
    }

    #[test]
    fn a_deployment_that_was_rolled_back_within_is_over_with_its_rollback() {
        let mut outage = Outage { since: None, last_rollback: Some(250.0) };
        assert_eq!(add(&mut outage, (200, 260), Status::Failure), (Some(50.0), 0.0));
        assert_eq!(add(&mut outage, (300, 360), Status::Success), (None, 0.0), "counted already");
    }

    #[test]
    fn a_rollback_ends_the_outage_of_the_deployments_before_it_too() {
        let mut outage = Outage { since: Some(100.0), last_rollback: Some(250.0) };
        assert_eq!(add(&mut outage, (200, 260), Status::Failure), (Some(150.0), 0.0));
    }

    #[test]
    fn a_rollback_by_hand_is_found_by_the_next_deployment_whatever_comes_of_that() {
        let by_hand = Outage { since: Some(100.0), last_rollback: Some(150.0) };
        assert_eq!(add(&mut by_hand.clone(), (200, 260), Status::Success), (Some(50.0), 0.0));
        assert_eq!(add(&mut by_hand.clone(), (200, 260), Status::Failure), (Some(50.0), 200.0));
    }

    #[test]
    fn a_deployment_that_says_so_was_rolled_back_under_another_name() {
        let mut event = stage_event("deployment");
        (event.status, event.duration_s) = (Status::Failure, Some(60.0));
        event.detail = Detail::Stage(ChildUse { exit_code: Some(10), ..ChildUse::default() });
        Outage::default().add(&mut event);
        assert_eq!((event.restored_s, event.failing_since_s), (Some(60.0), Some(0.0)));
    }

    #[test]
    fn a_rollback_of_long_ago_ends_nothing() {
        let mut outage = Outage { since: None, last_rollback: Some(50.0) };
        assert_eq!(add(&mut outage, (100, 160), Status::Error), (None, 100.0));
    }

    #[test]
    fn what_was_found_before_stays_as_it_was() {
        let mut event = stage_event("deployment");
        (event.restored_s, event.failing_since_s) = (Some(7.0), Some(0.0));
        let (mut outage, before) = (Outage { since: Some(100.0), last_rollback: None }, event.clone());
        outage.add(&mut event);
        assert_eq!((event, outage.since), (before, None));
    }

    #[test]
    fn a_deployment_that_was_cancelled_or_skipped_says_nothing() {
        let mut outage = Outage { since: Some(100.0), last_rollback: None };
        for status in [Status::Cancelled, Status::Skipped] {
            let (restored, since) = add(&mut outage, (200, 260), status);
            assert!(restored.is_none() && since.is_nan());
        }
        assert_eq!(outage.since, Some(100.0));
    }

    proptest! {
        /// Deployments one after the other: each time is counted at most once, so that all together are never longer
        /// than what has passed; and what is counted is as many times as something was repaired.
        #[test]
        fn no_moment_is_counted_twice(runs in prop::collection::vec((0..50_u32, 1..50_u32, any::<bool>()), 1..40)) {
            let (mut outage, mut now, mut counted) = (Outage::default(), 1, 0.0);
            let (mut repaired, mut was_good) = (0, true);
            for (pause, duration, is_good) in runs {
                let began = now + pause;
                now = began + duration;
                let status = if is_good { Status::Success } else { Status::Failure };
                let (restored, _) = add(&mut outage, (began, now), status);
                counted += restored.unwrap_or(0.0);
                prop_assert_eq!(restored.is_some(), is_good && !was_good);
                repaired += u32::from(is_good && !was_good);
                was_good = is_good;
            }
            prop_assert!(counted <= f64::from(now) && (repaired > 0) == (counted > 0.0));
        }
    }
}
