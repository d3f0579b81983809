//! When the condition of an alert began. An alert fires only after its condition held for some time, the `for` of its
//! rule: an alert that fires soon after a deployment may have had its reason before.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use common::clock::Clock;
use common::duration::format_duration;
use serde::Deserialize;

use super::prometheus::Client;
use crate::ledger::stamps::display_time;
use crate::notify::alertmanager::{Active, one_of};

/// The series in which Prometheus keeps the time when the condition of an alert became true.
const SERIES: &str = "ALERTS_FOR_STATE";

/// How far the clock of the machine that sent an alert may be ahead.
const MAX_AHEAD: TimeDelta = TimeDelta::minutes(1);

/// How to find out when the condition of an alert began.
#[derive(Debug)]
pub struct AlertStarts {
    /// The Prometheus that evaluates the rules.
    prometheus: Option<Client>,
    /// The `for` of the rules, if Prometheus does not know it.
    waits: Option<Duration>,
}

/// When the condition of an alert began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Start {
    /// The time.
    pub(crate) time: DateTime<Utc>,
    /// The time in a clause, with what is known about it.
    pub(crate) clause: String,
}

/// A condition that holds, according to Prometheus.
#[derive(Debug, Deserialize)]
struct Condition {
    metric: BTreeMap<String, String>,
    /// The time of the query, and for how many seconds the condition has held.
    value: (f64, String),
}

#[derive(Deserialize)]
struct Conditions {
    result: Vec<Condition>,
}

#[derive(Deserialize)]
struct Rules {
    groups: Vec<Group>,
}

#[derive(Deserialize)]
struct Group {
    rules: Vec<Rule>,
}

/// An alerting rule. A recording rule has no duration.
#[derive(Debug, Deserialize)]
struct Rule {
    name: String,
    #[serde(default)]
    duration: Option<f64>,
}

impl AlertStarts {
    /// Asks this Prometheus. `waits` is the `for` of rules that it does not know.
    pub(crate) fn new(prometheus: Option<Client>, waits: Option<Duration>) -> Self {
        Self { prometheus, waits }
    }

    /// When the conditions of these alerts began, or why that is unknown.
    pub(crate) async fn of(&self, alerts: &[&Active], clock: &dyn Clock) -> Vec<Result<Start, String>> {
        let now = clock.now();
        let Some(prometheus) = self.prometheus.as_ref().filter(|_| !alerts.is_empty()) else {
            return alerts
                .iter()
                .map(|alert| {
                    let (alert, ahead) = possible(alert, now)?;
                    Ok(noting(self.by_flag(&alert), ahead))
                })
                .collect();
        };
        // The age by Prometheus' clock, and not the time: the clocks may differ.
        let names = alerts.iter().map(|alert| alert.name());
        let query = format!("time() - {SERIES}{{{}}}", one_of("alertname", names));
        let conditions = prometheus.get::<Conditions>("query", &[("query", &query)], SERIES).await;
        let conditions = conditions.map(|data| data.result).map_err(|error| format!("{error:#}"));
        let is_known = |alert: &&Active| {
            conditions.as_ref().is_ok_and(|conditions| began(alert, conditions, now).is_some())
        };
        let rules = if alerts.iter().all(is_known) {
            Ok(Vec::new())
        } else {
            let rules = prometheus.get::<Rules>("rules", &[("type", "alert")], "rules").await;
            rules
                .map(|rules| rules.groups.into_iter().flat_map(|group| group.rules).collect())
                .map_err(|error| format!("{error:#}"))
        };
        alerts
            .iter()
            .map(|alert| {
                let (alert, ahead) = possible(alert, now)?;
                Ok(noting(self.by_prometheus(&alert, &conditions, &rules, now)?, ahead))
            })
            .collect()
    }

    /// The labels of the alerts with these names whose condition holds, but not yet for long enough. None if Prometheus
    /// does not answer: then it is only known which alerts fire.
    pub(crate) async fn pending(&self, names: impl Iterator<Item = &str>) -> Vec<BTreeMap<String, String>> {
        let Some(prometheus) = &self.prometheus else { return Vec::new() };
        let query = format!("ALERTS{{alertstate=\"pending\",{}}}", one_of("alertname", names));
        let pending = prometheus.get::<Conditions>("query", &[("query", &query)], "ALERTS").await;
        pending
            .map(|data| data.result.into_iter().map(|condition| condition.metric).collect())
            .unwrap_or_default()
    }

    /// The start according to the answers of Prometheus; the flag if it has none. An alert that Prometheus does not know
    /// was sent to Alertmanager by somebody else.
    fn by_prometheus(
        &self,
        alert: &Active,
        conditions: &Result<Vec<Condition>, String>,
        rules: &Result<Vec<Rule>, String>,
        now: DateTime<Utc>,
    ) -> Result<Start, String> {
        if let Some(time) = conditions.as_ref().ok().and_then(|conditions| began(alert, conditions, now)) {
            // Alertmanager remembers an alert while Prometheus restarts.
            let time = time.min(alert.starts_at);
            return Ok(Start { time, clause: format!("its condition began at {}", display_time(time)) });
        }
        let waits = rules.as_ref().ok().and_then(|rules| longest_wait(alert.name(), rules));
        if let Some(waits) = waits {
            return Ok(waited(alert, waits, "as its rule says"));
        }
        if self.waits.is_some() {
            return Ok(self.by_flag(alert));
        }
        let advice = "give --alert-for, the `for` of its rule";
        match (conditions, rules) {
            (Err(error), _) | (_, Err(error)) => {
                Err(format!("Prometheus cannot say when its condition began ({error}): {advice}"))
            }
            (Ok(_), Ok(_)) => Err(format!(
                "Prometheus does not know it, so it is unknown when its condition began: if another server evaluates its \
                 rule, {advice}"
            )),
        }
    }

    fn by_flag(&self, alert: &Active) -> Start {
        if let Some(waits) = self.waits {
            return waited(alert, waits, "as --alert-for says");
        }
        let time = alert.starts_at;
        let clause = format!(
            "it began to fire at {}; when its condition began is not known without PROMETHEUS_URL or --alert-for",
            display_time(time)
        );
        Start { time, clause }
    }
}

/// The alert with a time at which it can have begun to fire, and how far its own time is in the future. The clock that is
/// ahead may be so by [`MAX_AHEAD`], so the alert may have begun that much before its time. A time further ahead is refused.
fn possible(alert: &Active, now: DateTime<Utc>) -> Result<(Active, Option<TimeDelta>), String> {
    let ahead = alert.starts_at - now;
    if ahead <= TimeDelta::zero() {
        return Ok((alert.clone(), None));
    }
    if ahead <= MAX_AHEAD {
        return Ok((Active { starts_at: alert.starts_at - MAX_AHEAD, ..alert.clone() }, Some(ahead)));
    }
    let time = display_time(alert.starts_at);
    Err(format!("it began to fire in the future, at {time}: check the clock of the machine that sent it"))
}

/// Says that the time is the earliest possible one.
fn noting(start: Start, ahead: Option<TimeDelta>) -> Start {
    let Some(ahead) = ahead else { return start };
    let ahead = format_duration(ahead.to_std().unwrap_or_default());
    let clause = format!(
        "{}, at the earliest (the clock of the machine that sent it is ahead by {ahead} or more: set it by NTP)",
        start.clause
    );
    Start { clause, ..start }
}

fn waited(alert: &Active, waits: Duration, source: &str) -> Start {
    let time = TimeDelta::from_std(waits).ok().and_then(|waits| alert.starts_at.checked_sub_signed(waits));
    let time = time.unwrap_or(DateTime::<Utc>::MIN_UTC);
    let waits = format_duration(waits);
    let clause = format!("its condition began at {}, {waits} before it fired, {source}", display_time(time));
    Start { time, clause }
}

/// When the condition of an alert began, by this machine's clock. Prometheus adds external labels to the alerts that it
/// sends; all other labels are equal.
fn began(alert: &Active, conditions: &[Condition], now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let is_ours = |condition: &&Condition| {
        let labels = condition.metric.iter().filter(|(name, _)| *name != "__name__");
        condition.metric.get("alertname").is_some_and(|name| name == alert.name())
            && labels.into_iter().all(|(name, value)| alert.labels.get(name) == Some(value))
    };
    let ages =
        conditions.iter().filter(is_ours).filter_map(|condition| condition.value.1.parse::<f64>().ok());
    let oldest = ages.filter(|age| age.is_finite()).max_by(f64::total_cmp)?;
    let age = TimeDelta::from_std(Duration::try_from_secs_f64(oldest.max(0.0)).ok()?).ok()?;
    now.checked_sub_signed(age)
}

/// The longest `for` of the rules with this name: it is not known which of them fires.
fn longest_wait(name: &str, rules: &[Rule]) -> Option<Duration> {
    let waits = rules.iter().filter(|rule| rule.name == name).filter_map(|rule| rule.duration);
    waits.filter_map(|seconds| Duration::try_from_secs_f64(seconds).ok()).max()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_767_225_600 + second, 0).unwrap()
    }

    fn labels(labels: &[(&str, &str)]) -> BTreeMap<String, String> {
        labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    /// An alert that began to fire at second 100.
    fn fires() -> Active {
        let labels = labels(&[("alertname", "Slow"), ("job", "web"), ("cluster", "external")]);
        Active { labels, starts_at: at(100) }
    }

    fn condition(age: &str, more: &[(&str, &str)]) -> Condition {
        let labels = labels(&[&[("alertname", "Slow")], more].concat());
        Condition { metric: labels, value: (0.0, age.to_owned()) }
    }

    /// The start at second 120, with `--alert-for` if it is given.
    fn start(conditions: Vec<Condition>, rules: Vec<Rule>, waits: Option<u64>) -> Result<i64, String> {
        let starts = AlertStarts::new(None, waits.map(Duration::from_secs));
        let start = starts.by_prometheus(&fires(), &Ok(conditions), &Ok(rules), at(120))?;
        Ok((start.time - at(0)).num_seconds())
    }

    fn rule(name: &str, duration: Option<f64>) -> Rule {
        Rule { name: name.to_owned(), duration }
    }

    #[test]
    fn prometheus_knows_when_the_condition_began() {
        assert_eq!(start(vec![condition("90", &[("job", "web")])], vec![], Some(5)), Ok(30));
        // An alert with other labels is another alert.
        let mixed = || vec![condition("119", &[("job", "api")]), condition("60", &[("job", "web")])];
        assert_eq!(start(mixed(), vec![], None), Ok(60));
        // Prometheus restarted; Alertmanager knows that the alert fired before that.
        assert_eq!(start(vec![condition("3", &[("job", "web")])], vec![], None), Ok(100));
        for nonsense in ["NaN", "+Inf", "", "1e300"] {
            assert!(start(vec![condition(nonsense, &[])], vec![], None).is_err(), "{nonsense}");
        }
    }

    #[test]
    fn a_clock_that_is_ahead_leaves_no_doubt() {
        let starts = AlertStarts::new(None, None);
        let start = |now: i64| {
            let clock = |alert: &Active| possible(alert, at(now));
            clock(&fires()).map(|(alert, ahead)| noting(starts.by_flag(&alert), ahead))
        };
        assert_eq!(start(100).unwrap().time, at(100));
        let ahead = start(80).unwrap();
        assert_eq!(ahead.time, at(40), "it began after this time, whatever its clock says");
        assert!(ahead.clause.contains("ahead by 20.0s or more"), "{}", ahead.clause);
        assert!(start(39).unwrap_err().contains("in the future"));
    }

    #[test]
    fn otherwise_the_for_of_the_rule_tells_it() {
        let rules = || vec![rule("Slow", Some(60.0)), rule("Slow", Some(30.0)), rule("Fast", Some(90.0))];
        assert_eq!(start(vec![], rules(), Some(5)), Ok(40));
        assert_eq!(start(vec![], vec![rule("Fast", Some(90.0))], Some(5)), Ok(95));
        assert!(start(vec![], vec![rule("Slow", None)], None).unwrap_err().contains("does not know it"));
    }

    #[test]
    fn a_prometheus_that_does_not_answer_leaves_the_start_unknown() {
        let failed = || Err("connection refused".to_owned());
        let without = AlertStarts::new(None, None);
        let why = without.by_prometheus(&fires(), &failed(), &Err(String::new()), at(120)).unwrap_err();
        assert!(why.contains("cannot say when its condition began (connection refused)"), "{why}");
        let given = AlertStarts::new(None, Some(Duration::from_secs(70)));
        let start = given.by_prometheus(&fires(), &failed(), &Err(String::new()), at(120)).unwrap();
        assert_eq!((start.time, start.clause.contains("1m10s before it fired")), (at(30), true));
        assert_eq!(given.by_flag(&fires()).time, at(30));
        assert!(without.by_flag(&fires()).clause.contains("it began to fire at 2026-01-01 00:01:40Z"));
    }
}
