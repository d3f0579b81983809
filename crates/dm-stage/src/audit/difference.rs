//! Differences between the journal and Prometheus, and what caused them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Display, Formatter};

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};

use super::recorded::Recorded;
use super::rule::Rule;
use super::values::{Labels, Values, service};

/// What the journal says of a rule: its smallest and its largest value. They differ by the events at the ends of its window.
#[derive(Debug)]
pub(super) struct Range {
    pub(super) low: Values,
    pub(super) high: Values,
}

/// What else is known, to find causes.
#[derive(Debug)]
pub(super) struct Facts {
    pub(super) now: DateTime<Utc>,
    /// The time of the oldest event, if the journal begins there.
    pub(super) journal_since: Option<DateTime<Utc>>,
    /// Whether the journal is that of all machines.
    pub(super) is_shared: bool,
    /// How many events wait on this machine, by environment and service.
    pub(super) waiting: BTreeMap<(String, String), usize>,
}

/// A value that is not what the journal says.
#[derive(Debug, PartialEq)]
pub(super) struct Difference {
    pub(super) rule: String,
    pub(super) labels: Labels,
    /// `None`: there is no such series.
    pub(super) prometheus: Option<f64>,
    pub(super) journal: (f64, f64),
    pub(super) cause: String,
    /// Whether the journal alone may explain it, because it does not have everything.
    pub(super) is_undecided: bool,
}

/// What differs in the values of this rule.
pub(super) fn differences(rule: &Rule, range: &Range, recorded: &Recorded, facts: &Facts) -> Vec<Difference> {
    let empty = Values::new();
    let found = recorded.rules.get(&rule.name).unwrap_or(&empty);
    let labels: BTreeSet<&Labels> = range.low.keys().chain(range.high.keys()).chain(found.keys()).collect();
    let differences = labels.into_iter().filter_map(|labels| {
        let value = found.get(labels).copied();
        let ends = (range.low.get(labels).copied(), range.high.get(labels).copied());
        let journal = match ends {
            (None, None) => None,
            (Some(one), None) | (None, Some(one)) => Some((0.0_f64.min(one), 0.0_f64.max(one))),
            (Some(low), Some(high)) => Some((low.min(high), low.max(high))),
        };
        if accepts(rule, value, journal) {
            return None;
        }
        let journal = journal.unwrap_or_default();
        let is_more = value.is_some_and(|value| value > journal.1);
        let (cause, is_undecided) = cause(rule, labels, is_more, recorded, facts);
        let name = rule.name.clone();
        Some(Difference {
            rule: name,
            labels: labels.clone(),
            prometheus: value,
            journal,
            cause,
            is_undecided,
        })
    });
    differences.collect()
}

fn accepts(rule: &Rule, value: Option<f64>, journal: Option<(f64, f64)>) -> bool {
    match (value, journal) {
        (Some(value), Some((low, high))) => {
            // Durations and costs are sums of rounded numbers; everything else is exact.
            let is_rounded =
                ["_seconds_sum", "cost_dollars", "mean30d"].iter().any(|part| rule.name.contains(part));
            let tolerance = if is_rounded { 0.01 } else { 1e-9 };
            let near = |end: f64| tolerance * end.abs().max(1e-6);
            (low - near(low)..=high + near(high)).contains(&value)
        }
        // A service without events has counts of 0, no ratio, and its whole budget.
        (Some(value), None) => {
            value == 0.0 || value.is_nan() || ((value - 1.0).abs() < 1e-9 && rule.name.ends_with(":ratio30d"))
        }
        (None, journal) => journal.is_none_or(|(low, _)| low <= 0.0),
    }
}

/// The most likely cause, and whether it is one that leaves open who is right.
fn cause(rule: &Rule, labels: &Labels, is_more: bool, recorded: &Recorded, facts: &Facts) -> (String, bool) {
    let (service, environment) = service(labels);
    let began = facts.now - TimeDelta::from_std(rule.window).unwrap_or_default();
    if recorded.reset.contains(&(service.clone(), environment.clone())) {
        let lost =
            "counters decreased within 30 days: the Pushgateway lost its data, or its groups were deleted";
        return (lost.to_owned(), false);
    }
    if is_more {
        return match facts.journal_since.filter(|since| *since > began) {
            Some(since) => (format!("the journal begins at {}", time(since)), true),
            None if !facts.is_shared => (
                "other machines deploy it too, or the Pushgateway was written to by hand: with DM_STATE_URL the journals \
                 of all machines are compared"
                    .to_owned(),
                true,
            ),
            None => ("something else pushes to its groups".to_owned(), false),
        };
    }
    let waiting = facts.waiting.get(&(environment, service)).copied().unwrap_or_default();
    let cause = match (recorded.is_scraped, recorded.since) {
        _ if waiting > 0 => {
            let events =
                if waiting == 1 { "1 event waits".to_owned() } else { format!("{waiting} events wait") };
            format!("{events} on this machine for the Pushgateway: run dm-stage --flush")
        }
        (None, _) => "Prometheus does not scrape the Pushgateway as the job pushgateway".to_owned(),
        (Some(false), _) => "the Pushgateway does not answer Prometheus".to_owned(),
        _ if !recorded.rules.contains_key(&rule.name) => {
            "Prometheus has no such rule: load the files in config/prometheus".to_owned()
        }
        (_, Some(since)) if since > began => {
            format!("Prometheus has scraped the Pushgateway only since {}", time(since))
        }
        _ => "the Pushgateway or Prometheus has lost it: compare the counter on the Pushgateway".to_owned(),
    };
    (cause, false)
}

fn time(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Secs, true)
}

impl Display for Difference {
    /// `RULE{labels}: Prometheus 3, the journal 4: cause`
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let labels: Vec<String> =
            self.labels.iter().map(|(name, value)| format!("{name}={value:?}")).collect();
        write!(f, "{}{{{}}}: ", self.rule, labels.join(","))?;
        match self.prometheus {
            Some(value) => write!(f, "Prometheus has {}", number(value))?,
            None => f.write_str("Prometheus has nothing")?,
        }
        let (low, high) = self.journal;
        write!(f, ", the journal {}", number(low))?;
        if (high - low).abs() > f64::EPSILON {
            write!(f, " to {}", number(high))?;
        }
        write!(f, ": {}", self.cause)
    }
}

/// At most four digits after the point.
fn number(value: f64) -> String {
    ((value * 10_000.0).round() / 10_000.0).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels() -> Labels {
        let own = [("service", "shop"), ("environment", "production"), ("status", "failure")];
        own.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
    }

    fn find(
        prometheus: Option<f64>,
        journal: (f64, f64),
        change: impl FnOnce(&mut Recorded, &mut Facts),
    ) -> Option<Difference> {
        let rule = Rule::named("service_environment:deployment_total:increase1d").unwrap();
        let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let mut recorded = Recorded { is_scraped: Some(true), ..Recorded::default() };
        let values = prometheus.map(|value| (labels(), value)).into_iter().collect();
        recorded.rules.insert(rule.name.clone(), values);
        let mut facts = Facts { now, journal_since: None, is_shared: true, waiting: BTreeMap::new() };
        change(&mut recorded, &mut facts);
        let range = Range { low: [(labels(), journal.0)].into(), high: [(labels(), journal.1)].into() };
        differences(&rule, &range, &recorded, &facts).pop()
    }

    #[test]
    fn a_value_between_the_two_ends_is_no_difference() {
        for (prometheus, journal) in
            [(Some(3.0), (3.0, 3.0)), (Some(3.0), (2.0, 4.0)), (None, (0.0, 1.0)), (Some(4.0), (3.0, 4.0))]
        {
            assert_eq!(find(prometheus, journal, |_, _| {}), None, "{prometheus:?} {journal:?}");
        }
        assert!(find(Some(5.0), (3.0, 4.0), |_, _| {}).is_some());
        assert!(find(None, (1.0, 1.0), |_, _| {}).is_some());
    }

    #[test]
    fn each_difference_has_the_cause_that_explains_it() {
        let own = ("production".to_owned(), "shop".to_owned());
        let cause = |prometheus, change: &dyn Fn(&mut Recorded, &mut Facts)| {
            let difference = find(prometheus, (4.0, 4.0), |recorded, facts| change(recorded, facts)).unwrap();
            (difference.cause, difference.is_undecided)
        };
        let (less, more) = (Some(3.0), Some(5.0));
        let says = |(cause, is_undecided): (String, bool), part: &str, undecided: bool| {
            assert!(cause.contains(part) && is_undecided == undecided, "{cause}");
        };
        says(cause(less, &|_, facts| _ = facts.waiting.insert(own.clone(), 1)), "1 event waits", false);
        says(cause(less, &|recorded, _| recorded.is_scraped = None), "does not scrape", false);
        says(cause(less, &|recorded, _| recorded.is_scraped = Some(false)), "does not answer", false);
        says(cause(None, &|recorded, _| recorded.rules.clear()), "no such rule", false);
        says(
            cause(less, &|recorded, facts| recorded.since = Some(facts.now)),
            "only since 2027-01-15T08:00:00Z",
            false,
        );
        says(cause(less, &|_, _| {}), "has lost it", false);
        says(cause(more, &|_, facts| facts.journal_since = Some(facts.now)), "the journal begins at", true);
        says(cause(more, &|_, facts| facts.is_shared = false), "other machines", true);
        says(cause(more, &|_, _| {}), "something else pushes", false);
        let reset = ("shop".to_owned(), "production".to_owned());
        says(
            cause(more, &|recorded, _| _ = recorded.reset.insert(reset.clone())),
            "counters decreased",
            false,
        );
    }
}
