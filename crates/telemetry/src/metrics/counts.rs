//! What events count, for whoever compares it with a database.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use common::event::Event;

use super::exposition::{Exposition, Labels, Value};
use super::{Contribution, Outage, contribution};

/// The values of counters, by the name of the series and its labels. Histograms are three counters, as in a database:
/// `…_bucket`, `…_sum` and `…_count`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Counts(BTreeMap<(String, BTreeMap<String, String>), f64>);

impl Counts {
    /// What those of these events count that `is_counted` selects by their time. All events are needed, oldest first: how
    /// long an outage was depends on the deployments before.
    pub fn new<'a>(
        events: impl IntoIterator<Item = &'a Event>,
        is_counted: impl Fn(DateTime<Utc>) -> bool,
    ) -> Self {
        let mut states: BTreeMap<[String; 3], Exposition> = BTreeMap::new();
        let mut total = Exposition::default();
        for event in events {
            let mut event = event.clone();
            let (environment, service) =
                (event.identity.environment.to_string(), event.identity.service.to_string());
            let name = |stage: &str| [environment.clone(), service.clone(), stage.to_owned()];
            if event.stage.is_deployment() {
                Outage::from_state(|stage, family| states.get(&name(stage))?.number(family, &[]))
                    .add(&mut event);
            }
            let Contribution { state, counters } = contribution(&event);
            states.entry(name(event.stage.as_str())).or_default().replace(&state, &[]);
            if is_counted(event.ts) {
                total.add(&counters.with_labels(&event.identity.labels(event.stage.as_str())));
            }
        }
        Self::flat(&total)
    }

    fn flat(exposition: &Exposition) -> Self {
        let mut counts = BTreeMap::new();
        let mut insert = |name: String, labels: Labels, value| counts.insert((name, labels), value);
        for (name, family) in &exposition.families {
            for (labels, value) in &family.series {
                match value {
                    Value::Number(number) => {
                        insert(name.clone(), labels.clone(), *number);
                    }
                    Value::Histogram(histogram) => {
                        insert(format!("{name}_sum"), labels.clone(), histogram.sum);
                        insert(format!("{name}_count"), labels.clone(), histogram.count);
                        let all = histogram.buckets.iter().copied().chain([(f64::INFINITY, histogram.count)]);
                        for (bound, count) in all {
                            let mut labels = labels.clone();
                            labels.insert("le".to_owned(), bound.to_string());
                            insert(format!("{name}_bucket"), labels, count);
                        }
                    }
                }
            }
        }
        Self(counts)
    }

    /// The sums of a counter by these labels, over the series that `keep` accepts.
    pub fn sum(
        &self,
        counter: &str,
        by: &[&str],
        keep: impl Fn(&BTreeMap<String, String>) -> bool,
    ) -> BTreeMap<BTreeMap<String, String>, f64> {
        let mut sums = BTreeMap::new();
        for ((_, labels), value) in
            self.0.iter().filter(|((name, labels), _)| name == counter && keep(labels))
        {
            let kept = labels.iter().filter(|(name, _)| by.contains(&name.as_str()));
            let kept = kept.map(|(name, value)| (name.clone(), value.clone())).collect();
            *sums.entry(kept).or_default() += value;
        }
        sums
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use common::event::Status;

    use super::*;
    use crate::testing::stage_event;

    #[test]
    fn a_window_counts_its_own_events_and_knows_the_outage_before_it() {
        let mut failed = stage_event("deployment");
        failed.status = Status::Failure;
        let mut good = stage_event("deployment");
        good.ts += TimeDelta::minutes(10);
        let since = failed.ts + TimeDelta::minutes(1);
        let counts = Counts::new([&failed, &good], |ts| ts >= since);
        let all = |_: &BTreeMap<String, String>| true;
        let by_status = counts.sum("deployment_total", &["status"], all);
        let value = |status: &str| by_status[&BTreeMap::from([("status".to_owned(), status.to_owned())])];
        assert_eq!((value("success"), value("failure")), (1.0, 0.0));
        let restored = counts.sum("deployment_time_to_restore_seconds_sum", &[], all);
        let seconds: f64 = restored.into_values().sum();
        assert!((seconds - 612.4).abs() < 1e-6, "{seconds}");
        let fast = counts.sum("time_to_deploy_seconds_bucket", &[], |labels| labels["le"] == "720");
        assert_eq!(fast.into_values().collect::<Vec<_>>(), [1.0]);
    }
}
