//! A snapshot of all metrics of a Pushgateway, which offers no smaller read.

use chrono::{DateTime, TimeDelta, Utc};

use super::group_key::GroupKey;
use crate::metrics::Outage;
use crate::metrics::exposition::{Exposition, Labels, Value};
use crate::metrics::parse::parse;
use common::identity::Identity;

/// A run is dead if nothing was pushed for this long.
const DEAD_AFTER: TimeDelta = TimeDelta::hours(1);

/// The text of one read of `/metrics`.
#[derive(Debug)]
pub(crate) struct Snapshot(String);

impl Snapshot {
    /// A snapshot from the text format.
    pub(crate) fn new(text: String) -> Self {
        Self(text)
    }

    /// The families of a group, without the grouping labels and the push times; `None` if the group does not exist.
    pub(crate) fn group(&self, key: &GroupKey) -> Option<Exposition> {
        let mut group = self.whole_group(key);
        let exists = !group.families.is_empty();
        group.families.remove("push_time_seconds");
        group.families.remove("push_failure_time_seconds");
        exists.then_some(group)
    }

    /// The time of the last push to a group, by the Pushgateway's clock, in seconds since the epoch.
    pub(crate) fn pushed_at(&self, key: &GroupKey) -> Option<f64> {
        match self.whole_group(key).families.get("push_time_seconds")?.series.values().next()? {
            Value::Number(seconds) => Some(*seconds),
            Value::Histogram(_) => None,
        }
    }

    /// The outage that the state of this service and environment shows.
    pub(crate) fn outage(&self, identity: &Identity) -> Outage {
        Outage::from_state(|stage, family| {
            let state = self.group(&GroupKey::state(identity, &stage.parse().ok()?))?;
            state.number(family, &[])
        })
    }

    /// The groups of all services.
    pub(super) fn groups(&self) -> Vec<GroupKey> {
        let pushed = parse(&self.0, |line| line.starts_with("push_time_seconds{"), |_| true);
        let times = pushed.families.get("push_time_seconds").into_iter().flat_map(|times| &times.series);
        times.filter_map(|(labels, _)| GroupKey::of_series(labels)).collect()
    }

    /// The groups of dead runs of this service and environment.
    pub(crate) fn dead_runs(&self, identity: &Identity, now: DateTime<Utc>) -> Vec<GroupKey> {
        let labels_of_runs = [
            ("job", "dm_run"),
            ("environment", identity.environment.as_str()),
            ("service", identity.service.as_str()),
        ];
        let likely = |line: &str| line.starts_with("push_time_seconds{") && line.contains("dm_run");
        let pushed = parse(&self.0, likely, |labels| {
            labels_of_runs.iter().all(|(name, value)| has_label(labels, name, value))
        });
        let times = pushed.families.get("push_time_seconds").into_iter().flat_map(|times| &times.series);
        #[expect(clippy::cast_precision_loss, reason = "seconds since the epoch fit 53 bits")]
        let is_dead = |seconds: f64| (now - DEAD_AFTER).timestamp() as f64 > seconds;
        times
            .filter(|(_, value)| matches!(value, Value::Number(seconds) if is_dead(*seconds)))
            .filter_map(|(labels, _)| GroupKey::for_run(identity, labels.get("run")?).into())
            .collect()
    }

    fn whole_group(&self, key: &GroupKey) -> Exposition {
        // A value with escapes is not in the line verbatim.
        let likely =
            |line: &str| key.labels().all(|(_, value)| line.contains(value) || value.contains(['"', '\\']));
        parse(&self.0, likely, |labels| {
            let is_member =
                key.labels().all(|(name, value)| labels.remove(name).is_some_and(|found| found == value));
            labels.remove("instance");
            is_member
        })
    }
}

fn has_label(labels: &Labels, name: &str, value: &str) -> bool {
    labels.get(name).is_some_and(|found| found == value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::stage_event;

    const TEXT: &str = "# TYPE deployment_total counter\n\
        deployment_total{environment=\"production\",instance=\"\",job=\"dm_counters\",service=\"api\",slot=\"0\",stage=\"build\",status=\"success\"} 41\n\
        deployment_total{environment=\"production\",instance=\"\",job=\"dm_counters\",service=\"api\",slot=\"1\",stage=\"build\",status=\"success\"} 7\n\
        # TYPE push_time_seconds gauge\n\
        push_time_seconds{environment=\"production\",instance=\"\",job=\"dm_counters\",service=\"api\",slot=\"0\",stage=\"build\"} 1e9\n\
        push_time_seconds{environment=\"production\",instance=\"\",job=\"dm_run\",run=\"dead\",service=\"api\"} 1.7e9\n\
        push_time_seconds{environment=\"production\",instance=\"\",job=\"dm_run\",run=\"alive\",service=\"api\"} 1.7672255e9\n\
        push_time_seconds{environment=\"staging\",instance=\"\",job=\"dm_run\",run=\"other\",service=\"api\"} 1.7e9\n";

    #[test]
    fn a_group_is_found_among_others_and_loses_the_gateway_s_own_labels() {
        let (event, snapshot) = (stage_event("build"), Snapshot::new(TEXT.to_owned()));
        let key = GroupKey::counters(&event.identity, &event.stage);
        let mut expected = Exposition::default();
        expected.increase(crate::metrics::catalog::TOTAL, &[("status", "success")], 41.0);
        expected.families.get_mut("deployment_total").unwrap().help.clear();
        assert_eq!(snapshot.group(&key), Some(expected));
        assert_eq!(snapshot.pushed_at(&key), Some(1e9));
        assert_eq!(snapshot.group(&GroupKey::counters(&event.identity, &"deploy".parse().unwrap())), None);
    }

    #[test]
    fn only_our_own_dead_runs_are_leftovers() {
        let event = stage_event("deployment");
        let dead = Snapshot::new(TEXT.to_owned()).dead_runs(&event.identity, event.ts);
        assert_eq!(dead, [GroupKey::for_run(&event.identity, "dead")]);
    }
}
