//! What a gateway holds: all of it, for it offers nothing smaller to read.

use chrono::{DateTime, TimeDelta, Utc};

use super::group_key::GroupKey;
use crate::metrics::Outage;
use crate::metrics::exposition::{Exposition, Labels, Value};
use crate::metrics::parse::parse;
use common::identity::Identity;

/// Without a push for so long, a run is dead.
const RUN_IS_DEAD: TimeDelta = TimeDelta::hours(1);

/// One reading of the gateway's `/metrics`.
#[derive(Debug)]
pub struct Snapshot(String);

impl Snapshot {
    /// From the text.
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// What a group holds, without the group's own labels and the times of pushes; `None` where it does not exist.
    pub fn group(&self, key: &GroupKey) -> Option<Exposition> {
        let mut group = self.whole_group(key);
        let exists = !group.families.is_empty();
        group.families.remove("push_time_seconds");
        group.families.remove("push_failure_time_seconds");
        exists.then_some(group)
    }

    /// When a group was last pushed, by the gateway's clock, in seconds since the epoch.
    pub fn pushed_at(&self, key: &GroupKey) -> Option<f64> {
        match self.whole_group(key).families.get("push_time_seconds")?.series.values().next()? {
            Value::Number(seconds) => Some(*seconds),
            Value::Histogram(_) => None,
        }
    }

    /// What the state of this service and environment says of an outage.
    pub fn outage(&self, identity: &Identity) -> Outage {
        Outage::of(|stage, family| {
            let state = self.group(&GroupKey::state(identity, &stage.parse().ok()?))?;
            state.number(family, &[])
        })
    }

    /// The runs of this service and environment that died and left their group behind.
    pub fn dead_runs(&self, identity: &Identity, now: DateTime<Utc>) -> Vec<GroupKey> {
        let ours = [
            ("job", "dm_run"),
            ("environment", identity.environment.as_str()),
            ("service", identity.service.as_str()),
        ];
        let likely = |line: &str| line.starts_with("push_time_seconds{") && line.contains("dm_run");
        let pushed =
            parse(&self.0, likely, |labels| ours.iter().all(|(name, value)| has(labels, name, value)));
        let times = pushed.families.get("push_time_seconds").into_iter().flat_map(|times| &times.series);
        #[expect(clippy::cast_precision_loss, reason = "seconds since the epoch fit 53 bits")]
        let is_dead = |seconds: f64| (now - RUN_IS_DEAD).timestamp() as f64 > seconds;
        times
            .filter(|(_, value)| matches!(value, Value::Number(seconds) if is_dead(*seconds)))
            .filter_map(|(labels, _)| GroupKey::run_named(identity, labels.get("run")?).into())
            .collect()
    }

    fn whole_group(&self, key: &GroupKey) -> Exposition {
        // An escaped value does not stand in the line as it is.
        let likely =
            |line: &str| key.labels().all(|(_, value)| line.contains(value) || value.contains(['"', '\\']));
        parse(&self.0, likely, |labels| {
            let ours =
                key.labels().all(|(name, value)| labels.remove(name).is_some_and(|found| found == value));
            labels.remove("instance");
            ours
        })
    }
}

fn has(labels: &Labels, name: &str, value: &str) -> bool {
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
        let (event, store) = (stage_event("build"), Snapshot::new(TEXT.to_owned()));
        let key = GroupKey::counters(&event.identity, &event.stage);
        let mut expected = Exposition::default();
        expected.increase(crate::metrics::catalog::TOTAL, &[("status", "success")], 41.0);
        expected.families.get_mut("deployment_total").unwrap().help.clear();
        assert_eq!(store.group(&key), Some(expected));
        assert_eq!(store.pushed_at(&key), Some(1e9));
        assert_eq!(store.group(&GroupKey::counters(&event.identity, &"deploy".parse().unwrap())), None);
    }

    #[test]
    fn only_our_own_dead_runs_are_leftovers() {
        let event = stage_event("deployment");
        let dead = Snapshot::new(TEXT.to_owned()).dead_runs(&event.identity, event.ts);
        assert_eq!(dead, [GroupKey::run_named(&event.identity, "dead")]);
    }
}
