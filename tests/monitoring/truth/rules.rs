//! What each rule must say, from what the counters must have counted.

use std::collections::{BTreeMap, BTreeSet};

use super::journal::{Counts, Labels};
use crate::repository;

/// A rule and the values that it must have by now.
pub(super) struct Expected {
    pub(super) rule: String,
    pub(super) values: BTreeMap<Labels, f64>,
}

impl Expected {
    /// What differs between these values of a database and the truth.
    pub(super) fn differences(&self, values: &BTreeMap<Labels, f64>) -> Vec<String> {
        let labels: BTreeSet<&Labels> = values.keys().chain(self.values.keys()).collect();
        let wrong = labels.into_iter().filter_map(|labels| {
            let (value, truth) = (values.get(labels), self.values.get(labels));
            (!self.accepts(value, truth))
                .then(|| format!("{} {labels:?}: {value:?}, but the journal has {truth:?}", self.rule))
        });
        wrong.collect()
    }

    fn accepts(&self, value: Option<&f64>, truth: Option<&f64>) -> bool {
        match (value, truth) {
            (Some(value), Some(truth)) => {
                // Durations and costs are sums of rounded numbers; everything else is exact.
                let rounded =
                    ["_seconds_sum", "cost_dollars", "mean30d"].iter().any(|name| self.rule.contains(name));
                let tolerance = if rounded { 0.01 } else { 1e-9 };
                (value - truth).abs() <= tolerance * truth.abs().max(1e-6)
            }
            // A service without events has counts of 0, no ratio, and its whole budget.
            (Some(value), None) => {
                *value == 0.0
                    || value.is_nan()
                    || ((*value - 1.0).abs() < 1e-9 && self.rule.ends_with(":ratio30d"))
            }
            (None, truth) => truth == Some(&0.0),
        }
    }
}

const OWN: [&str; 2] = ["service", "environment"];
const BAD: [&str; 3] = ["failure", "error", "timeout"];

/// The values of every rule with a window of an hour or more, for what was counted within the last hour.
pub(super) fn expected(counts: &Counts) -> Vec<Expected> {
    let slos = Objectives::new(counts);
    let mut all: Vec<Expected> = Vec::new();
    for rule in repository::rules() {
        let Some(name) = rule.record else { continue };
        let values = match name.split(':').collect::<Vec<_>>().as_slice() {
            ["slo", "events", window] if *window != "sum" => slos.events.clone(),
            ["slo", "bad_events", window] if *window != "sum" => slos.bad.clone(),
            ["service_environment", "deployments", "increase1d"] => {
                Objectives::of(&slos.events, "deployment_success")
            }
            ["service_environment", counter, window]
                if window.starts_with("increase") && *window != "increase5m" =>
            {
                increases(counts, counter)
            }
            _ => match derived(&name, counts, &slos) {
                Some(values) => values,
                None => continue,
            },
        };
        if all.iter().all(|known| known.rule != name) {
            all.push(Expected { rule: name, values });
        }
    }
    all
}

/// The increase of a counter by the labels that its sum keeps.
fn increases(counts: &Counts, counter: &str) -> BTreeMap<Labels, f64> {
    let sum = format!("service_environment:{counter}:sum");
    let rule = repository::rules().into_iter().find(|rule| rule.record.as_deref() == Some(&sum)).unwrap();
    let by = rule.expr.split_once("sum by (").unwrap().1.split_once(')').unwrap().0.to_owned();
    let by: Vec<&str> = by.split(", ").collect();
    counts.sum(counter, &by, |labels| counter != "deployment_total" || labels["stage"] == "deployment")
}

/// The objectives' ratios and budgets, and the DORA metrics.
fn derived(name: &str, counts: &Counts, slos: &Objectives) -> Option<BTreeMap<Labels, f64>> {
    let whole = |keep: &dyn Fn(&str) -> bool| {
        counts.sum("deployment_total", &OWN, |labels| {
            labels["stage"] == "deployment" && keep(&labels["status"])
        })
    };
    Some(match name {
        "slo:error_budget:events30d" => slos.each(|events, _, allowed| Some(events * allowed)),
        "slo:error_budget_remaining:events30d" => {
            slos.each(|events, bad, allowed| Some(events * allowed - bad))
        }
        "slo:error_budget_remaining:ratio30d" => slos.each(|events, bad, allowed| match events * allowed {
            budget if budget > 0.0 => Some((budget - bad) / budget),
            _ if allowed == 0.0 => Some(f64::from(u8::from(bad == 0.0))),
            _ => None,
        }),
        "slo:burn_rate:ratio6h" | "slo:burn_rate:ratio3d" => {
            slos.each(|events, bad, allowed| (events > 0.0 && allowed > 0.0).then(|| bad / events / allowed))
        }
        "service_environment:deployment_frequency:per_day7d" => whole(&|status| status == "success")
            .into_iter()
            .map(|(labels, count)| (labels, count / 7.0))
            .collect(),
        "service_environment:change_failure_rate:ratio7d" => {
            let bad = whole(&|status| BAD.contains(&status));
            let all = whole(&|status| status == "success" || BAD.contains(&status));
            all.into_iter()
                .map(|(labels, all)| {
                    let bad = bad.get(&labels).unwrap_or(&0.0);
                    (labels, bad / all)
                })
                .collect()
        }
        "service_environment:deployment_time_to_restore_seconds:mean30d" => {
            let sums = counts.sum("deployment_time_to_restore_seconds_sum", &OWN, |_| true);
            let number = counts.sum("deployment_time_to_restore_seconds_count", &OWN, |_| true);
            let counted = number.into_iter().filter(|(_, number)| *number > 0.0);
            counted
                .map(|(labels, number)| {
                    let mean = sums[&labels] / number;
                    (labels, mean)
                })
                .collect()
        }
        _ => return None,
    })
}

/// The events and the bad events of all objectives, with the label `slo`.
struct Objectives {
    events: BTreeMap<Labels, f64>,
    bad: BTreeMap<Labels, f64>,
}

impl Objectives {
    fn new(counts: &Counts) -> Self {
        let mut objectives = Self { events: BTreeMap::new(), bad: BTreeMap::new() };
        let is_bad = |labels: &Labels, label: &str, bad: &[&str]| bad.contains(&labels[label].as_str());
        for (slo, stage) in [("deployment_success", "deployment"), ("health_checks", "health_check")] {
            let finished = |labels: &Labels| {
                labels["stage"] == stage
                    && is_bad(labels, "status", &["success", "failure", "error", "timeout"])
            };
            objectives.add(slo, counts.sum("deployment_total", &OWN, finished), false);
            let failed = |labels: &Labels| labels["stage"] == stage && is_bad(labels, "status", &BAD);
            objectives.add(slo, counts.sum("deployment_total", &OWN, failed), true);
        }
        let all = |_: &Labels| true;
        objectives.add("time_to_deploy", counts.sum("time_to_deploy_seconds_count", &OWN, all), false);
        // No deployment of the test takes 12 minutes.
        objectives.add("post_deploy_errors", counts.sum("post_deployment_requests_total", &OWN, all), false);
        objectives.add(
            "post_deploy_errors",
            counts.sum("post_deployment_request_errors_total", &OWN, all),
            true,
        );
        let migrations = |bad: &'static [&'static str]| {
            counts.sum("database_migration_total", &OWN, move |labels| is_bad(labels, "status", bad))
        };
        objectives.add("migrations", migrations(&["success", "failure", "error", "timeout"]), false);
        objectives.add("migrations", migrations(&BAD), true);
        let tests = |bad: &'static [&'static str]| {
            counts.sum("smoke_test_total", &OWN, move |labels| is_bad(labels, "result", bad))
        };
        objectives.add("smoke_tests", tests(&["pass", "flaky", "fail", "error"]), false);
        objectives.add("smoke_tests", tests(&["fail", "error"]), true);
        objectives
    }

    fn add(&mut self, slo: &str, values: BTreeMap<Labels, f64>, bad: bool) {
        let to = if bad { &mut self.bad } else { &mut self.events };
        for (mut labels, value) in values {
            labels.insert("slo".to_owned(), slo.to_owned());
            to.insert(labels, value);
        }
    }

    /// The values of one objective, without the label.
    fn of(values: &BTreeMap<Labels, f64>, slo: &str) -> BTreeMap<Labels, f64> {
        let own = values.iter().filter(|(labels, _)| labels["slo"] == slo);
        own.map(|(labels, value)| {
            let mut labels = labels.clone();
            labels.remove("slo");
            (labels, *value)
        })
        .collect()
    }

    /// A value for each objective of each service, from its events, its bad events, and the share that may be bad.
    fn each(&self, value: impl Fn(f64, f64, f64) -> Option<f64>) -> BTreeMap<Labels, f64> {
        let values = self.events.iter().filter_map(|(labels, events)| {
            let bad = self.bad.get(labels).copied().unwrap_or_default();
            Some((labels.clone(), value(*events, bad, 1.0 - objective(&labels["slo"]))?))
        });
        values.collect()
    }
}

/// The objective, from the rule that records it.
fn objective(slo: &str) -> f64 {
    let rules = repository::rules();
    let mut objectives = rules.iter().filter(|rule| rule.record.as_deref() == Some("slo:objective:ratio"));
    let rule = objectives.find(|rule| rule.labels["slo"] == slo).unwrap();
    rule.expr.trim_start_matches("vector(").trim_end_matches(')').parse().unwrap()
}
