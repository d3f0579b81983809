//! The objectives: which events of the journal each of them counts, and which of these are bad.

use std::collections::BTreeMap;

use telemetry::Counts;

use super::values::Values;

/// The labels of an objective's values.
pub(super) const OWN: [&str; 2] = ["service", "environment"];

/// The outcomes of work that came to a result.
pub(super) const FINISHED: [&str; 4] = ["success", "failure", "error", "timeout"];

/// Those that are no success.
pub(super) const BAD: [&str; 3] = ["failure", "error", "timeout"];

/// The runs of a stage that ended like this.
pub(super) fn runs(counts: &Counts, stage: &str, outcomes: &[&str]) -> Values {
    counts.sum("deployment_total", &OWN, |labels| {
        labels["stage"] == stage && outcomes.contains(&labels["status"].as_str())
    })
}

/// The events of all objectives, with the label `slo`.
#[derive(Debug, Default)]
pub(super) struct Objectives {
    pub(super) events: Values,
    pub(super) bad: Values,
}

impl Objectives {
    /// What these counts say of each objective.
    pub(super) fn new(counts: &Counts) -> Self {
        let mut objectives = Self::default();
        for (slo, stage) in [("deployment_success", "deployment"), ("health_checks", "health_check")] {
            objectives.add(slo, runs(counts, stage, &FINISHED), runs(counts, stage, &BAD));
        }
        let all = |counter: &str| counts.sum(counter, &OWN, |_| true);
        let mut slow = all("time_to_deploy_seconds_count");
        for (labels, fast) in
            counts.sum("time_to_deploy_seconds_bucket", &OWN, |labels| labels["le"] == "720")
        {
            *slow.entry(labels).or_default() -= fast;
        }
        objectives.add("time_to_deploy", all("time_to_deploy_seconds_count"), slow);
        let (requests, errors) =
            (all("post_deployment_requests_total"), all("post_deployment_request_errors_total"));
        objectives.add("post_deploy_errors", requests, errors);
        let some = |counter: &str, label: &str, outcomes: &[&str]| {
            counts.sum(counter, &OWN, |labels| outcomes.contains(&labels[label].as_str()))
        };
        let migrations = |outcomes: &[&str]| some("database_migration_total", "status", outcomes);
        objectives.add("migrations", migrations(&FINISHED), migrations(&BAD));
        let tests = |results: &[&str]| some("smoke_test_total", "result", results);
        objectives.add("smoke_tests", tests(&["pass", "flaky", "fail", "error"]), tests(&["fail", "error"]));
        objectives
    }

    fn add(&mut self, slo: &str, events: Values, bad: Values) {
        for (to, values) in [(&mut self.events, events), (&mut self.bad, bad)] {
            for (mut labels, value) in values {
                labels.insert("slo".to_owned(), slo.to_owned());
                to.insert(labels, value);
            }
        }
    }

    /// The events of one objective, without its label.
    pub(super) fn events_of(&self, slo: &str) -> Values {
        let own = self.events.iter().filter(|(labels, _)| labels["slo"] == slo);
        own.map(|(labels, events)| {
            let mut labels = labels.clone();
            labels.remove("slo");
            (labels, *events)
        })
        .collect()
    }

    /// A value for each objective of each service, from its events, its bad events, and the share that may be bad.
    pub(super) fn each(
        &self,
        ratios: &BTreeMap<String, f64>,
        value: impl Fn(f64, f64, f64) -> Option<f64>,
    ) -> Values {
        let values = self.events.iter().filter_map(|(labels, events)| {
            let bad = self.bad.get(labels).copied().unwrap_or_default();
            Some((labels.clone(), value(*events, bad, 1.0 - ratios.get(&labels["slo"])?)?))
        });
        values.collect()
    }
}
