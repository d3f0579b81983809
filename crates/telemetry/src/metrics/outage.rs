//! Outages: from the start of a failed deployment until a rollback was verified or a deployment succeeded, whichever came
//! first. Their length is the time to restore.
//!
//! No single deployment knows both times, and each may run on a new machine. So the state of the stage `deployment` keeps
//! the start of the outage, or 0. Consecutive failures are one outage. An outage starts with the start of the deployment,
//! not with its end, because the bad version went live at some moment in between.

use super::catalog::{self, Family};
use common::event::{Detail, Event, Status};
use common::exit::Exit;
use common::label::Stage;

/// The outage of a service before the next deployment is added. Times are in seconds since the epoch.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Outage {
    since: Option<f64>,
    last_rollback: Option<f64>,
}

impl Outage {
    /// The outage in the stored state. `read` returns the value of a family for a stage.
    pub(crate) fn from_state(read: impl Fn(&str, &Family) -> Option<f64>) -> Self {
        Self {
            since: read(Stage::DEPLOYMENT, catalog::FAILING_SINCE).filter(|since| *since > 0.0),
            last_rollback: read("rollback", catalog::LAST_SUCCESS),
        }
    }

    /// Adds a finished deployment, and sets its fields: the length of the outage that it ends, and the start of the outage
    /// that continues.
    pub(crate) fn add(&mut self, deployment: &mut Event) {
        if let Some(since) = deployment.failing_since_s {
            // A killed tool has set the fields before, and the state may already contain this deployment.
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
            rolled_back.or((is_good || reports_rollback(deployment)).then_some(ended))
        });
        deployment.restored_s = restored_at.zip(since).map(|(at, since)| at - since);
        self.since = match restored_at {
            // The earlier deployments were rolled back, and then this one failed too.
            Some(at) if !is_good && at < began => Some(began),
            Some(_) => None,
            None => since,
        };
        deployment.failing_since_s = Some(self.since.unwrap_or(0.0));
    }
}

/// Whether the command ended with the exit code for a verified rollback. In a deployment of several components,
/// dm-rollback records the rollback under the name of another service.
fn reports_rollback(deployment: &Event) -> bool {
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

    /// Adds a deployment with this start and end. Returns the length of the outage that it ends, and the start of the
    /// outage that continues.
    fn add(outage: &mut Outage, (began, ended): (u32, u32), status: Status) -> (Option<f64>, f64) {
        let mut event = stage_event("deployment");
        event.status = status;
        event.ts = chrono::DateTime::UNIX_EPOCH + TimeDelta::seconds(ended.into());
        event.duration_s = Some(f64::from(ended - began));
        outage.add(&mut event);
        (event.restored_s, event.failing_since_s.unwrap_or(f64::NAN))
    }

    #[test]
    fn a_success_ends_the_outage_that_the_first_failure_began() {
        let mut outage = Outage::default();
        assert_eq!(add(&mut outage, (100, 160), Status::Success), (None, 0.0));
        assert_eq!(add(&mut outage, (200, 260), Status::Failure), (None, 200.0));
        assert_eq!(add(&mut outage, (300, 360), Status::Timeout), (None, 200.0));
        assert_eq!(add(&mut outage, (400, 460), Status::Success), (Some(260.0), 0.0));
        assert_eq!(add(&mut outage, (500, 560), Status::Success), (None, 0.0));
    }

    #[test]
    fn a_rollback_within_a_deployment_ends_its_outage() {
        let mut outage = Outage { since: None, last_rollback: Some(250.0) };
        assert_eq!(add(&mut outage, (200, 260), Status::Failure), (Some(50.0), 0.0));
        assert_eq!(add(&mut outage, (300, 360), Status::Success), (None, 0.0), "already counted");
    }

    #[test]
    fn a_rollback_also_ends_the_outage_of_earlier_deployments() {
        let mut outage = Outage { since: Some(100.0), last_rollback: Some(250.0) };
        assert_eq!(add(&mut outage, (200, 260), Status::Failure), (Some(150.0), 0.0));
    }

    #[test]
    fn the_next_deployment_finds_a_manual_rollback() {
        let by_hand = Outage { since: Some(100.0), last_rollback: Some(150.0) };
        assert_eq!(add(&mut by_hand.clone(), (200, 260), Status::Success), (Some(50.0), 0.0));
        assert_eq!(add(&mut by_hand.clone(), (200, 260), Status::Failure), (Some(50.0), 200.0));
    }

    #[test]
    fn a_rollback_under_another_service_is_known_by_exit_code() {
        let mut event = stage_event("deployment");
        (event.status, event.duration_s) = (Status::Failure, Some(60.0));
        event.detail = Detail::Stage(ChildUse { exit_code: Some(10), ..ChildUse::default() });
        Outage::default().add(&mut event);
        assert_eq!((event.restored_s, event.failing_since_s), (Some(60.0), Some(0.0)));
    }

    #[test]
    fn an_old_rollback_ends_nothing() {
        let mut outage = Outage { since: None, last_rollback: Some(50.0) };
        assert_eq!(add(&mut outage, (100, 160), Status::Error), (None, 100.0));
    }

    #[test]
    fn fields_that_are_set_stay() {
        let mut event = stage_event("deployment");
        (event.restored_s, event.failing_since_s) = (Some(7.0), Some(0.0));
        let (mut outage, before) = (Outage { since: Some(100.0), last_rollback: None }, event.clone());
        outage.add(&mut event);
        assert_eq!((event, outage.since), (before, None));
    }

    #[test]
    fn cancelled_and_skipped_deployments_change_nothing() {
        let mut outage = Outage { since: Some(100.0), last_rollback: None };
        for status in [Status::Cancelled, Status::Skipped] {
            let (restored, since) = add(&mut outage, (200, 260), status);
            assert!(restored.is_none() && since.is_nan());
        }
        assert_eq!(outage.since, Some(100.0));
    }

    proptest! {
        /// Consecutive deployments: no moment is counted twice, so the sum never exceeds the elapsed time, and each repair
        /// is counted once.
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
