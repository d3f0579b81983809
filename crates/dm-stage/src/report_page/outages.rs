//! Outages in the journal: from the start of a failed deployment to the verified rollback or the successful deployment that
//! ended it. Failures in a row are one outage, as in the metric `time_to_restore_seconds`.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use common::event::{Detail, RollbackResult, Status};
use common::label::Label;

use crate::deployment::Deployment;

/// How long each outage took that ended, in seconds. `deployments` are the oldest first.
pub(super) fn outages<'a>(deployments: impl Iterator<Item = &'a Deployment<'a>>) -> Vec<f64> {
    let mut since: BTreeMap<(&Label, &Label), DateTime<Utc>> = BTreeMap::new();
    let mut lengths = Vec::new();
    for deployment in deployments {
        let key = (&deployment.identity.service, &deployment.identity.environment);
        let status = deployment.whole().map(|whole| whole.status);
        let is_good = status == Some(Status::Success);
        if status.is_some_and(Status::is_failed) {
            since.entry(key).or_insert(deployment.began);
        }
        // A person may have rolled back without a deployment.
        let restored = restored_at(deployment).or(is_good.then_some(deployment.until));
        if let Some((restored, began)) = restored.zip(since.get(&key).copied()) {
            since.remove(&key);
            lengths.push(seconds(began, restored));
        }
    }
    lengths
}

/// When a rollback within the deployment was verified.
fn restored_at(deployment: &Deployment<'_>) -> Option<DateTime<Utc>> {
    let events = deployment.events();
    let is_verified =
        |detail: &Detail| matches!(detail, Detail::Rollback { result: Some(RollbackResult::Verified), .. });
    events.iter().rev().find(|event| is_verified(&event.detail)).map(|event| event.ts)
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^53 milliseconds")]
fn seconds(from: DateTime<Utc>, to: DateTime<Utc>) -> f64 {
    (to - from).num_milliseconds().max(0) as f64 / 1000.0
}
