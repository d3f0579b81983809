//! Metric families in the form that the protocol needs.

use otlp::{Data, Distribution, Metric, Series};

use crate::metrics::Exposition;
use crate::metrics::catalog::Kind;
use crate::metrics::encode::to_count;
use crate::metrics::exposition::{FamilySeries, Histogram, Labels, Value};

/// The metrics of a stage. A gauge that is not a number has no point: nothing is known.
pub(super) fn metrics(exposition: &Exposition) -> Vec<Metric> {
    let metric = |(name, family): (&String, &FamilySeries)| Metric {
        name: name.clone(),
        description: family.help.clone(),
        unit: unit(name),
        data: data(family),
    };
    exposition.families.iter().map(metric).filter(|metric| !metric.data.is_empty()).collect()
}

/// The unit in a name. A receiver that adds units to names finds that this one has it.
fn unit(name: &str) -> &'static str {
    if name.ends_with("_seconds") {
        "s"
    } else if name.ends_with("_bytes") {
        "By"
    } else {
        ""
    }
}

fn data(family: &FamilySeries) -> Data {
    let numbers = || {
        let number = |(labels, value): (&Labels, &Value)| match value {
            Value::Number(number) if number.is_finite() => Some(series(labels, *number)),
            Value::Number(_) | Value::Histogram(_) => None,
        };
        family.series.iter().filter_map(number).collect()
    };
    match family.kind {
        Kind::Gauge => Data::Gauge(numbers()),
        Kind::Counter => Data::Counter(numbers()),
        Kind::Histogram => {
            let histogram = |(labels, value): (&Labels, &Value)| match value {
                Value::Histogram(histogram) => Some(series(labels, distribution(histogram))),
                Value::Number(_) => None,
            };
            Data::Histogram(family.series.iter().filter_map(histogram).collect())
        }
    }
}

fn series<T>(labels: &Labels, value: T) -> Series<T> {
    // A label without a value is as good as none.
    let labels = labels.iter().filter(|(_, value)| !value.is_empty());
    Series { attributes: labels.map(|(name, value)| (name.clone(), value.clone())).collect(), value }
}

/// The protocol counts each observation in one bucket; the text format counts it in all larger ones, too.
fn distribution(histogram: &Histogram) -> Distribution {
    let cumulative = histogram.buckets.iter().map(|(_, count)| *count).chain([histogram.count]);
    let counts = cumulative.scan(0.0, |before, count| {
        let own = count - *before;
        *before = count;
        Some(to_count(own))
    });
    Distribution {
        bounds: histogram.buckets.iter().map(|(bound, _)| *bound).collect(),
        counts: counts.collect(),
        sum: histogram.sum,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::catalog;

    #[test]
    fn each_observation_is_in_one_bucket_and_what_is_no_number_is_not_sent() {
        let mut exposition = Exposition::default();
        let histogram = exposition.histogram(catalog::TIME_TO_DEPLOY, &[], &[10.0, 20.0]);
        for seconds in [5.0, 7.0, 15.0, 90.0] {
            histogram.observe(seconds);
        }
        exposition.set(catalog::HEALTH_LATENCY, &[("quantile", "0.5")], f64::NAN);
        exposition.set(catalog::INFO, &[("version", "2"), ("commit", "")], 1.0);
        exposition.increase(catalog::TOTAL, &[("status", "success")], 3.0);
        let metrics = metrics(&exposition);
        let names: Vec<(&str, &str)> =
            metrics.iter().map(|metric| (metric.name.as_str(), metric.unit)).collect();
        assert_eq!(
            names,
            [("deployment_info", ""), ("deployment_total", ""), ("time_to_deploy_seconds", "s")]
        );
        let Data::Histogram(series) = &metrics[2].data else { panic!("{metrics:?}") };
        let expected = Distribution { bounds: vec![10.0, 20.0], counts: vec![2, 1, 1], sum: 117.0 };
        assert_eq!(series[0].value, expected);
        let Data::Gauge(series) = &metrics[0].data else { panic!("{metrics:?}") };
        assert_eq!(series[0].attributes, [("version".to_owned(), "2".to_owned())]);
    }
}
