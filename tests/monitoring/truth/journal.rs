//! What the counters must have counted, from the events of a journal.

use std::collections::BTreeMap;

use serde_json::Value;
use telemetry::catalog;

pub(super) type Labels = BTreeMap<String, String>;

/// The values of counters by their labels. All counters are sums over slots.
pub(super) struct Counts(BTreeMap<(&'static str, Labels), f64>);

impl Counts {
    /// What these events count.
    pub(super) fn new(events: &[Value]) -> Self {
        let mut counts = Self(BTreeMap::new());
        for event in events {
            // A verdict without a rollback is not a run of the stage.
            let ran = event["type"] != "rollback" || !event["result"].is_null();
            if ran && event["parent"] != event["stage"] {
                counts.add_stage(event);
            }
            counts.add_detail(event);
        }
        counts
    }

    /// The sums of a counter by these labels, over the series for which `keep` is true.
    pub(super) fn sum(
        &self,
        counter: &str,
        by: &[&str],
        keep: impl Fn(&Labels) -> bool,
    ) -> BTreeMap<Labels, f64> {
        let mut sums = BTreeMap::new();
        for ((name, labels), value) in &self.0 {
            if *name == counter && keep(labels) {
                let kept = labels.iter().filter(|(label, _)| by.contains(&label.as_str()));
                *sums
                    .entry(kept.map(|(name, value)| (name.clone(), value.clone())).collect())
                    .or_default() += value;
            }
        }
        sums
    }

    /// Adds the number and the seconds of the outages that ended between these two states of the gateway: they depend on its
    /// state, so the journal does not have them.
    pub(super) fn add_restored(
        &mut self,
        before: &BTreeMap<Labels, [f64; 2]>,
        after: &BTreeMap<Labels, [f64; 2]>,
    ) {
        for (labels, values) in after {
            let old = before.get(labels).copied().unwrap_or_default();
            let counters =
                ["deployment_time_to_restore_seconds_count", "deployment_time_to_restore_seconds_sum"];
            for (index, counter) in counters.into_iter().enumerate() {
                self.0.insert((counter, labels.clone()), values[index] - old[index]);
            }
        }
    }

    fn add(&mut self, counter: &'static str, event: &Value, labels: &[(&str, &str)], value: f64) {
        let identity = ["service", "environment", "stage"].map(|name| (name, text(&event[name])));
        let labels =
            identity.iter().chain(labels).map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        *self.0.entry((counter, labels.collect())).or_default() += value;
    }

    fn add_stage(&mut self, event: &Value) {
        self.add("deployment_total", event, &[("status", text(&event["status"]))], 1.0);
        self.add("deployment_cost_dollars_total", event, &[], number(&event["cost_dollars"]));
        if let Some(reason) = event["error_type"].as_str() {
            self.add("deployment_errors_total", event, &[("error_type", reason)], 1.0);
        }
        if event["stage"] == "deployment" {
            let histograms = [
                (
                    "duration_s",
                    [
                        "time_to_deploy_seconds_bucket",
                        "time_to_deploy_seconds_count",
                        "time_to_deploy_seconds_sum",
                    ],
                    catalog::TIME_TO_DEPLOY_BUCKETS,
                ),
                (
                    "lead_time_s",
                    [
                        "deployment_lead_time_seconds_bucket",
                        "deployment_lead_time_seconds_count",
                        "deployment_lead_time_seconds_sum",
                    ],
                    catalog::LEAD_TIME_BUCKETS,
                ),
            ];
            for (field, [bucket, count, sum], bounds) in histograms {
                let Some(seconds) = event[field].as_f64() else { continue };
                self.add(count, event, &[], 1.0);
                self.add(sum, event, &[], seconds);
                for bound in bounds.iter().copied().chain([f64::INFINITY]) {
                    self.add(
                        bucket,
                        event,
                        &[("le", &bound.to_string())],
                        f64::from(u8::from(seconds <= bound)),
                    );
                }
            }
        }
    }

    fn add_detail(&mut self, event: &Value) {
        match event["type"].as_str().unwrap_or_default() {
            "migration" => {
                self.add("database_migration_total", event, &[("status", text(&event["status"]))], 1.0);
            }
            "health" => {
                let (probes, failures) = (number(&event["probes"]), number(&event["failures"]));
                self.add("api_health_check_total", event, &[("result", "success")], probes - failures);
                self.add("api_health_check_total", event, &[("result", "failure")], failures);
            }
            "smoke" => {
                for pair in event["results"].as_array().into_iter().flatten() {
                    self.add("smoke_test_total", event, &[("result", text(&pair[0]))], number(&pair[1]));
                }
            }
            "rollback" => {
                for source in event["evidence"].as_array().into_iter().flatten() {
                    let labels = [("source", text(&source["source"]))];
                    self.add("post_deployment_requests_total", event, &labels, number(&source["total"]));
                    self.add(
                        "post_deployment_request_errors_total",
                        event,
                        &labels,
                        number(&source["errors"]),
                    );
                }
                if let (Some(reason), Some(result)) = (event["condition"].as_str(), event["result"].as_str())
                {
                    let labels = [("reason", reason), ("result", result)];
                    self.add("deployment_rollback_total", event, &labels, 1.0);
                }
            }
            _ => {}
        }
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_default()
}
