//! The figures of many deployments, among them the four of DORA, by the definitions of `config/prometheus`. Pure.

use chrono::TimeDelta;
use common::event::{Detail, Event, RollbackResult, Status};

use super::outages::outages;
use crate::deployment::Deployment;
use crate::history::{History, Line};

/// The figures. Shares are in percent, times in seconds.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Statistics {
    pub(super) deployments: usize,
    pub(super) succeeded: usize,
    pub(super) failed: usize,
    /// Successful deployments per day.
    pub(super) per_day: f64,
    /// The median of the successful ones.
    pub(super) duration: Option<f64>,
    /// The median from commit to live, of those whose commit's time is known.
    pub(super) lead_time: Option<f64>,
    /// The mean from the start of an outage to its end.
    pub(super) time_to_restore: Option<f64>,
    pub(super) outages: usize,
    pub(super) rollbacks: usize,
    pub(super) verified: usize,
    /// In dollars; `None` if no cost is on record.
    pub(super) cost: Option<f64>,
    /// The part of it that failed deployments cost.
    pub(super) cost_of_failed: f64,
}

impl Statistics {
    /// The figures of this history over `period`.
    pub(super) fn of(history: &History<'_>, period: TimeDelta) -> Self {
        let ended = || history.lines.iter().filter_map(|line| Some((line, line.deployment.whole()?)));
        let count = |is: fn(Status) -> bool| ended().filter(|(_, event)| is(event.status)).count();
        let succeeded = count(|status| status == Status::Success);
        let good = || ended().map(|(_, event)| event).filter(|event| event.status == Status::Success);
        let results: Vec<RollbackResult> = history.lines.iter().flat_map(rollbacks).collect();
        let outages = outages(history.lines.iter().rev().map(|line| line.deployment));
        let costs: Vec<f64> = history.lines.iter().filter_map(|line| cost(line.deployment)).collect();
        let failed = ended().filter(|(_, event)| event.status.is_failed());
        Self {
            deployments: history.lines.len(),
            succeeded,
            failed: count(Status::is_failed),
            per_day: float(succeeded) / (period.as_seconds_f64() / 86_400.0).max(f64::MIN_POSITIVE),
            duration: quantile(good().filter_map(|event| event.duration_s).collect(), 0.5),
            lead_time: quantile(good().filter_map(|event| event.lead_time_s).collect(), 0.5),
            time_to_restore: mean(&outages),
            outages: outages.len(),
            rollbacks: results.len(),
            verified: results.iter().filter(|result| **result == RollbackResult::Verified).count(),
            cost: (!costs.is_empty()).then(|| costs.iter().sum()),
            cost_of_failed: failed.filter_map(|(line, _)| cost(line.deployment)).sum(),
        }
    }

    /// The share of the successful ones, of those that succeeded or failed.
    pub(super) fn success_rate(&self) -> Option<f64> {
        percent(self.succeeded, self.succeeded + self.failed)
    }

    /// The share of the failed ones.
    pub(super) fn change_failure_rate(&self) -> Option<f64> {
        percent(self.failed, self.succeeded + self.failed)
    }
}

/// What a deployment cost, in dollars: as a whole, or if that is not on record, its stages.
pub(super) fn cost(deployment: &Deployment<'_>) -> Option<f64> {
    if let Some(cost) = deployment.whole().and_then(|event| event.cost_dollars) {
        return Some(cost);
    }
    let costs: Vec<f64> = deployment.events().iter().filter_map(|event| event.cost_dollars).collect();
    (!costs.is_empty()).then(|| costs.iter().sum())
}

fn rollbacks(line: &Line<'_>) -> Vec<RollbackResult> {
    let result = |event: &&Event| match event.detail {
        Detail::Rollback { result, .. } => result,
        _ => None,
    };
    line.deployment.events().iter().filter_map(result).collect()
}

/// A quantile of these values, between the two nearest ones in proportion, as in Prometheus; `None` without values.
pub(super) fn quantile(mut values: Vec<f64>, share: f64) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let place = share * float(values.len().checked_sub(1)?);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a place among the values")]
    let (below, above) = (place.floor() as usize, place.ceil() as usize);
    let (below, above) = (*values.get(below)?, *values.get(above)?);
    Some(below + (above - below) * place.fract())
}

fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / float(values.len()))
}

pub(super) fn percent(part: usize, all: usize) -> Option<f64> {
    (all > 0).then(|| 100.0 * float(part) / float(all))
}

#[expect(clippy::cast_precision_loss, reason = "counts far below 2^53")]
pub(super) fn float(count: usize) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_lie_between_the_nearest_values() {
        assert_eq!(quantile(vec![], 0.5), None);
        assert_eq!(quantile(vec![7.0], 0.95), Some(7.0));
        assert_eq!(quantile(vec![4.0, 1.0, 3.0, 2.0], 0.5), Some(2.5));
        assert_eq!(quantile((0..=100).rev().map(f64::from).collect(), 0.95), Some(95.0));
    }
}
