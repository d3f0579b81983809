//! What each recording rule must say, from what the journal counts.

use std::collections::BTreeMap;
use std::time::Duration;

use common::duration;
use telemetry::Counts;

use super::objective::{BAD, FINISHED, OWN, Objectives, runs};
use super::values::{Labels, Values};

/// A counter that rules add up, and the labels that its sum keeps beside service and environment.
const COUNTERS: [(&str, &[&str]); 15] = [
    ("api_health_check_total", &["result"]),
    ("database_migration_total", &["status"]),
    ("deployment_cost_dollars_total", &["stage"]),
    ("deployment_errors_total", &["stage", "error_type"]),
    ("deployment_lead_time_seconds_bucket", &["le"]),
    ("deployment_rollback_total", &["reason", "result"]),
    ("deployment_time_to_restore_seconds_count", &[]),
    ("deployment_time_to_restore_seconds_sum", &[]),
    ("deployment_total", &["status"]),
    ("post_deployment_request_errors_total", &["source"]),
    ("post_deployment_requests_total", &["source"]),
    ("smoke_test_total", &["result"]),
    ("time_to_deploy_seconds_bucket", &["le"]),
    ("time_to_deploy_seconds_count", &[]),
    ("time_to_deploy_seconds_sum", &[]),
];

/// A recording rule.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Rule {
    /// Its name.
    pub(super) name: String,
    /// The time whose events it counts.
    pub(super) window: Duration,
    kind: Kind,
}

/// How a rule is computed.
#[derive(Debug, Clone, PartialEq)]
enum Kind {
    Increase(&'static str, &'static [&'static str]),
    Deployments,
    Events,
    BadEvents,
    Budget,
    BudgetLeft,
    BudgetLeftRatio,
    BurnRate,
    Frequency,
    ChangeFailureRate,
    TimeToRestore,
}

impl Rule {
    /// The rule with this name; `None` if it does not count events of the journal.
    pub(super) fn named(name: &str) -> Option<Self> {
        let parts: Vec<&str> = name.split(':').collect();
        let [level, what, how] = parts.as_slice() else { return None };
        let kind = match (*level, *what, *how) {
            ("slo", "error_budget", "events30d") => Kind::Budget,
            ("slo", "error_budget_remaining", "events30d") => Kind::BudgetLeft,
            ("slo", "error_budget_remaining", "ratio30d") => Kind::BudgetLeftRatio,
            ("slo", "burn_rate", _) => Kind::BurnRate,
            ("service_environment", "deployment_frequency", "per_day7d") => Kind::Frequency,
            ("service_environment", "change_failure_rate", "ratio7d") => Kind::ChangeFailureRate,
            ("service_environment", "deployment_time_to_restore_seconds", "mean30d") => Kind::TimeToRestore,
            ("slo", "events", _) if how.starts_with("increase") => Kind::Events,
            ("slo", "bad_events", _) if how.starts_with("increase") => Kind::BadEvents,
            ("service_environment", "deployments", "increase1d") => Kind::Deployments,
            ("service_environment", counter, _) if how.starts_with("increase") => {
                let (counter, by) = COUNTERS.iter().find(|(known, _)| *known == counter)?;
                Kind::Increase(counter, by)
            }
            _ => return None,
        };
        let window = how.trim_start_matches(|c: char| !c.is_ascii_digit());
        Some(Self { name: name.to_owned(), window: duration::parse(window).ok()?, kind })
    }

    /// Its values. `objectives` are the shares of events that must be good.
    pub(super) fn values(&self, counts: &Counts, objectives: &BTreeMap<String, f64>) -> Values {
        let slo = || Objectives::new(counts);
        let deployments = |outcomes: &[&str]| runs(counts, "deployment", outcomes);
        match self.kind {
            Kind::Increase(counter, by) => {
                let by = [OWN.as_slice(), by].concat();
                counts.sum(counter, &by, |labels| {
                    counter != "deployment_total" || labels["stage"] == "deployment"
                })
            }
            Kind::Deployments => slo().events_of("deployment_success"),
            Kind::Events => slo().events,
            Kind::BadEvents => slo().bad,
            Kind::Budget => slo().each(objectives, |events, _, allowed| Some(events * allowed)),
            Kind::BudgetLeft => slo().each(objectives, |events, bad, allowed| Some(events * allowed - bad)),
            Kind::BudgetLeftRatio => slo().each(objectives, |events, bad, allowed| match events * allowed {
                budget if budget > 0.0 => Some((budget - bad) / budget),
                // An objective of 100 % has no budget.
                _ if allowed <= 0.0 => Some(f64::from(u8::from(bad == 0.0))),
                _ => None,
            }),
            Kind::BurnRate => slo().each(objectives, |events, bad, allowed| {
                (events > 0.0 && allowed > 0.0).then(|| bad / events / allowed)
            }),
            Kind::Frequency => divide(deployments(&["success"]), |_| Some(7.0)),
            Kind::ChangeFailureRate => {
                let all = deployments(&FINISHED);
                let positive = all.iter().filter(|(_, number)| **number > 0.0);
                let bad = deployments(&BAD);
                let rate = |(labels, number): (&Labels, &f64)| {
                    (labels.clone(), bad.get(labels).copied().unwrap_or_default() / number)
                };
                positive.map(rate).collect()
            }
            Kind::TimeToRestore => {
                let part = |part: &str| {
                    counts.sum(&format!("deployment_time_to_restore_seconds_{part}"), &OWN, |_| true)
                };
                let number = part("count");
                divide(part("sum"), |labels| number.get(labels).copied().filter(|number| *number > 0.0))
            }
        }
    }
}

/// The quotients; none where there is no divisor.
fn divide(values: Values, by: impl Fn(&Labels) -> Option<f64>) -> Values {
    values.into_iter().filter_map(|(labels, value)| by(&labels).map(|by| (labels, value / by))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_rule_says_what_it_counts_and_over_which_time() {
        let window = |name: &str| Rule::named(name).map(|rule| rule.window.as_secs() / 3600);
        for (name, hours) in [
            ("service_environment:deployment_total:increase1d", 24),
            ("slo:bad_events:increase6h", 6),
            ("slo:error_budget_remaining:ratio30d", 720),
            ("slo:burn_rate:ratio3d", 72),
            ("service_environment:deployment_frequency:per_day7d", 168),
            ("service_environment:deployment_time_to_restore_seconds:mean30d", 720),
        ] {
            assert_eq!(window(name), Some(hours), "{name}");
        }
        for other in
            ["service_environment:deployment_total:sum", "slo:objective:ratio", "up", "a:b:increase1d"]
        {
            assert_eq!(window(other), None, "{other}");
        }
    }
}
