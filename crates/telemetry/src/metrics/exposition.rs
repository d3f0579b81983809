//! Metric families as data: the content of a Pushgateway group or a textfile, and how to merge two of them.

use std::collections::BTreeMap;
use std::fmt;

use super::catalog::{Family, Kind};

/// The labels of one series.
pub(crate) type Labels = BTreeMap<String, String>;

/// The value of one series.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    /// The value of a counter or a gauge.
    Number(f64),
    /// The state of a histogram.
    Histogram(Histogram),
}

/// The state of a histogram. Counts are cumulative, as in the text format.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Histogram {
    /// Upper bound and cumulative count, in ascending order, without `+Inf`.
    pub buckets: Vec<(f64, f64)>,
    /// The sum of all observations.
    pub sum: f64,
    /// The number of observations.
    pub count: f64,
}

impl Value {
    /// Whether counting leads to this value.
    pub(crate) fn is_plausible(&self) -> bool {
        // A larger number does not change any more if 1 is added.
        let is_count = |number: &f64| (0.0..=9_007_199_254_740_992.0).contains(number);
        match self {
            Self::Number(number) => is_count(number),
            Self::Histogram(it) => {
                is_count(&it.sum)
                    && is_count(&it.count)
                    && it.buckets.iter().all(|(_, count)| is_count(count))
            }
        }
    }
}

impl Histogram {
    /// A histogram without observations, with these bounds.
    pub(crate) fn empty(bounds: &[f64]) -> Self {
        Self { buckets: bounds.iter().map(|bound| (*bound, 0.0)).collect(), sum: 0.0, count: 0.0 }
    }

    /// Adds one observation.
    pub(crate) fn observe(&mut self, value: f64) {
        for (bound, count) in &mut self.buckets {
            if value <= *bound {
                *count += 1.0;
            }
        }
        self.sum += value;
        self.count += 1.0;
    }

    fn has_same_bounds_as(&self, other: &Self) -> bool {
        self.buckets.len() == other.buckets.len()
            && self.buckets.iter().zip(&other.buckets).all(|((a, _), (b, _))| a.total_cmp(b).is_eq())
    }
}

/// The series of one family.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct FamilySeries {
    /// The type.
    pub kind: Kind,
    /// The help text.
    pub help: String,
    /// The series.
    pub series: BTreeMap<Labels, Value>,
}

/// Families by name.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Exposition {
    /// The families.
    pub families: BTreeMap<String, FamilySeries>,
}

/// What an operator should know about a family that was added to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Remark {
    /// The document has counters for as many stages as it can have; those of this stage were not counted.
    TooManyStages {
        /// The stage.
        stage: String,
        /// How many there can be.
        limit: usize,
    },
    /// The histogram exists with different buckets. Such histograms are never merged.
    UnequalBuckets(String),
    /// Its value was none that these tools count to, so it was counted again from the journal.
    Repaired(String),
}

impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooManyStages { stage, limit } => write!(
                f,
                "the shared state has counters for {limit} names of stages, so {stage} is recorded, and not counted: use \
                 a fixed set of names"
            ),
            Self::UnequalBuckets(name) => {
                write!(f, "{name} exists with other buckets, so nothing was added; delete its group once")
            }
            Self::Repaired(name) => write!(
                f,
                "{name} had a value that these tools cannot have counted, so it was counted again from the journal: \
                 something else pushes to its group"
            ),
        }
    }
}

impl Exposition {
    /// Whether there are no series.
    pub(crate) fn is_empty(&self) -> bool {
        self.families.values().all(|group| group.series.is_empty())
    }

    /// The value of one series; `None` if it does not exist or is a histogram.
    pub(crate) fn number(&self, family: &Family, labels: &[(&str, &str)]) -> Option<f64> {
        match self.families.get(family.name)?.series.get(&owned(labels))? {
            Value::Number(number) => Some(*number),
            Value::Histogram(_) => None,
        }
    }

    /// Sets the value of one series.
    pub(crate) fn set(&mut self, family: &Family, labels: &[(&str, &str)], value: f64) {
        self.group(family).series.insert(owned(labels), Value::Number(value));
    }

    /// Adds to one series, which starts at 0.
    pub(crate) fn increase(&mut self, family: &Family, labels: &[(&str, &str)], by: f64) {
        let value = self.group(family).series.entry(owned(labels)).or_insert(Value::Number(0.0));
        if let Value::Number(number) = value {
            *number += by;
        }
    }

    /// The histogram of one series. A new one is empty and has these bounds.
    pub(crate) fn histogram(
        &mut self,
        family: &Family,
        labels: &[(&str, &str)],
        bounds: &[f64],
    ) -> &mut Histogram {
        let empty = || Value::Histogram(Histogram::empty(bounds));
        let value = self.group(family).series.entry(owned(labels)).or_insert_with(empty);
        if !matches!(value, Value::Histogram(_)) {
            *value = empty();
        }
        match value {
            Value::Histogram(histogram) => histogram,
            Value::Number(_) => unreachable!("replaced above"),
        }
    }

    /// Adds all series of `more`: the sum of two counts.
    ///
    /// Leaves histograms with different buckets unchanged, and returns their names.
    pub(crate) fn add(&mut self, more: &Self) -> Vec<Remark> {
        let mut refused = Vec::new();
        for (name, theirs) in &more.families {
            let ours = self.entry(name, theirs);
            for (labels, value) in &theirs.series {
                match (ours.series.get_mut(labels), value) {
                    (None, value) => {
                        ours.series.insert(labels.clone(), value.clone());
                    }
                    (Some(Value::Number(sum)), Value::Number(number)) => *sum += number,
                    (Some(Value::Histogram(sum)), Value::Histogram(histogram))
                        if sum.has_same_bounds_as(histogram) =>
                    {
                        for ((_, count), (_, more)) in sum.buckets.iter_mut().zip(&histogram.buckets) {
                            *count += more;
                        }
                        sum.sum += histogram.sum;
                        sum.count += histogram.count;
                    }
                    (Some(_), _) => refused.push(Remark::UnequalBuckets(name.clone())),
                }
            }
        }
        refused
    }

    /// Whether every counter and histogram has a value that counting leads to.
    pub(crate) fn is_plausible(&self) -> bool {
        self.families
            .values()
            .all(|group| group.kind == Kind::Gauge || group.series.values().all(Value::is_plausible))
    }

    /// Replaces every counter and histogram whose value no counting leads to by that in `counted`. Returns what it
    /// replaced.
    pub(crate) fn repair(&mut self, counted: &Self) -> Vec<Remark> {
        let mut repaired = Vec::new();
        for (name, group) in self.families.iter_mut().filter(|(_, group)| group.kind != Kind::Gauge) {
            let before = group.series.len();
            group.series.retain(|_, value| value.is_plausible());
            if group.series.len() < before {
                repaired.push(Remark::Repaired(name.clone()));
                let counted = counted.families.get(name).into_iter().flat_map(|group| &group.series);
                for (labels, value) in counted {
                    group.series.entry(labels.clone()).or_insert_with(|| value.clone());
                }
            }
        }
        repaired
    }

    /// Replaces the series that have all labels in `scope` by those of the same families in `newer`, as a POST to a group
    /// does.
    pub(crate) fn replace(&mut self, newer: &Self, scope: &[(&str, &str)]) {
        for (name, theirs) in &newer.families {
            let ours = self.entry(name, theirs);
            let in_scope = |labels: &Labels| {
                scope.iter().all(|(name, value)| labels.get(*name).is_some_and(|found| found == value))
            };
            ours.series.retain(|labels, _| !in_scope(labels));
            ours.series.extend(theirs.series.clone());
        }
    }

    /// The same series with `labels` added to each.
    #[must_use]
    pub(crate) fn with_labels(mut self, labels: &[(&str, &str)]) -> Self {
        for group in self.families.values_mut() {
            group.series = std::mem::take(&mut group.series)
                .into_iter()
                .map(|(mut own, value)| {
                    own.extend(owned(labels));
                    (own, value)
                })
                .collect();
        }
        self
    }

    fn group(&mut self, family: &Family) -> &mut FamilySeries {
        self.families.entry(family.name.to_owned()).or_insert_with(|| FamilySeries {
            kind: family.kind,
            help: family.help.to_owned(),
            series: BTreeMap::new(),
        })
    }

    /// The family `name`, with the type and help of `theirs`: the text of this tool replaces one that was read.
    fn entry(&mut self, name: &str, theirs: &FamilySeries) -> &mut FamilySeries {
        let group = self.families.entry(name.to_owned()).or_insert_with(|| FamilySeries {
            kind: theirs.kind,
            help: String::new(),
            series: BTreeMap::new(),
        });
        group.kind = theirs.kind;
        group.help.clone_from(&theirs.help);
        group
    }
}

fn owned(labels: &[(&str, &str)]) -> Labels {
    labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::catalog;

    #[test]
    fn counts_are_added_and_unknown_series_stay() {
        let mut stored = Exposition::default();
        stored.increase(catalog::TOTAL, &[("status", "success")], 41.0);
        stored.increase(catalog::TOTAL, &[("status", "of_a_later_version")], 2.0);
        let mut more = Exposition::default();
        more.increase(catalog::TOTAL, &[("status", "success")], 1.0);
        more.increase(catalog::TOTAL, &[("status", "failure")], 0.0);
        assert_eq!(stored.add(&more), []);
        let numbers: Vec<_> = stored.families["deployment_total"].series.values().cloned().collect();
        assert_eq!(numbers, [Value::Number(0.0), Value::Number(2.0), Value::Number(42.0)]);
    }

    #[test]
    fn histograms_with_other_buckets_are_never_merged() {
        let observed = |bounds: &[f64], value| {
            let mut exposition = Exposition::default();
            exposition.histogram(catalog::TIME_TO_DEPLOY, &[], bounds).observe(value);
            exposition
        };
        let mut stored = observed(&[10.0, 20.0], 15.0);
        assert_eq!(stored.add(&observed(&[10.0, 20.0], 5.0)), []);
        assert_eq!(
            stored.histogram(catalog::TIME_TO_DEPLOY, &[], &[]),
            &Histogram { buckets: vec![(10.0, 1.0), (20.0, 2.0)], sum: 20.0, count: 2.0 }
        );
        let before = stored.clone();
        assert_eq!(
            stored.add(&observed(&[10.0, 30.0], 5.0)),
            [Remark::UnequalBuckets("time_to_deploy_seconds".to_owned())]
        );
        assert_eq!(stored, before);
    }

    #[test]
    fn replace_changes_only_its_scope() {
        let duration = |stage, status, value| {
            let mut exposition = Exposition::default();
            exposition.set(catalog::DURATION, &[("stage", stage), ("status", status)], value);
            exposition
        };
        let mut stored = duration("build", "failure", 9.0);
        stored.replace(&duration("deploy", "success", 4.0), &[("stage", "deploy")]);
        stored.replace(&duration("build", "success", 3.0), &[("stage", "build")]);
        let mut expected = duration("build", "success", 3.0);
        expected.set(catalog::DURATION, &[("stage", "deploy"), ("status", "success")], 4.0);
        assert_eq!(stored, expected);
    }
}
