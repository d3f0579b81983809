//! Encodes families in the Prometheus text format 0.0.4, with the `prometheus` crate's encoder. No other module uses that
//! crate.

use prometheus::proto::{
    Bucket, Counter, Gauge, Histogram as ProtoHistogram, LabelPair, Metric, MetricFamily, MetricType,
};
use prometheus::{Encoder, TextEncoder};

use super::catalog::Kind;
use super::exposition::{Exposition, FamilySeries, Histogram, Labels, Value};

/// The text, with HELP and TYPE for each family and a line feed at the end. Empty if there are no series.
pub(crate) fn encode(exposition: &Exposition) -> anyhow::Result<Vec<u8>> {
    let families: Vec<MetricFamily> = exposition
        .families
        .iter()
        .filter(|(_, group)| !group.series.is_empty())
        .map(|(name, group)| proto_family(name, group))
        .collect();
    let mut text = Vec::new();
    TextEncoder::new().encode(&families, &mut text)?;
    Ok(text)
}

/// The same as a string.
pub(crate) fn encode_text(exposition: &Exposition) -> anyhow::Result<String> {
    Ok(String::from_utf8(encode(exposition)?)?)
}

fn proto_family(name: &str, group: &FamilySeries) -> MetricFamily {
    let mut family = MetricFamily::default();
    family.set_name(name.to_owned());
    family.set_help(group.help.clone());
    family.set_field_type(match group.kind {
        Kind::Counter => MetricType::COUNTER,
        Kind::Gauge => MetricType::GAUGE,
        Kind::Histogram => MetricType::HISTOGRAM,
    });
    family.set_metric(
        group.series.iter().map(|(labels, value)| proto_metric(group.kind, labels, value)).collect(),
    );
    family
}

fn proto_metric(kind: Kind, labels: &Labels, value: &Value) -> Metric {
    let pairs = labels.iter().map(|(name, value)| {
        let mut pair = LabelPair::default();
        pair.set_name(name.clone());
        pair.set_value(value.clone());
        pair
    });
    let mut metric = Metric::from_label(pairs.collect());
    match (kind, value) {
        (_, Value::Histogram(histogram)) => metric.set_histogram(proto_histogram(histogram)),
        (Kind::Counter, Value::Number(number)) => {
            let mut counter = Counter::default();
            counter.set_value(*number);
            metric.set_counter(counter);
        }
        // A number in a histogram comes from an invalid line. The encoder writes a histogram without buckets.
        (Kind::Gauge | Kind::Histogram, Value::Number(number)) => {
            let mut gauge = Gauge::default();
            gauge.set_value(*number);
            metric.set_gauge(gauge);
        }
    }
    metric
}

fn proto_histogram(histogram: &Histogram) -> ProtoHistogram {
    let mut proto = ProtoHistogram::default();
    proto.set_sample_sum(histogram.sum);
    proto.set_sample_count(to_count(histogram.count));
    let buckets = histogram.buckets.iter().map(|(bound, count)| {
        let mut bucket = Bucket::default();
        bucket.set_upper_bound(*bound);
        bucket.set_cumulative_count(to_count(*count));
        bucket
    });
    proto.set_bucket(buckets.collect());
    proto
}

/// A count as a whole number.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count; the cast saturates")]
pub(crate) fn to_count(count: f64) -> u64 {
    count as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::catalog;

    #[test]
    fn help_and_type_come_first_and_the_text_ends_with_a_line_feed() {
        let mut exposition = Exposition::default();
        exposition.increase(catalog::SMOKE_TOTAL, &[("result", "a\"b\\c\nd")], 3.0);
        assert_eq!(
            String::from_utf8(encode(&exposition).unwrap()).unwrap(),
            "# HELP smoke_test_total Smoke tests by final result.\n\
             # TYPE smoke_test_total counter\n\
             smoke_test_total{result=\"a\\\"b\\\\c\\nd\"} 3\n"
        );
        assert_eq!(encode(&Exposition::default()).unwrap(), b"");
    }
}
