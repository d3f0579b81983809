//! Metrics in the form of the protocol: <https://opentelemetry.io/docs/specs/otel/metrics/data-model/>.

use chrono::{DateTime, Utc};
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::metrics::v1::metric::Data as ProtoData;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as ProtoValue;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Gauge, Histogram, HistogramDataPoint, Metric as ProtoMetric, NumberDataPoint, Sum,
};

use crate::attributes::Attributes;
use crate::ids::nanoseconds;
use crate::temporality::Temporality;

/// What is known of one stage of a service at one time.
#[derive(Debug, Clone, PartialEq)]
pub struct MetricSet {
    /// The service that is deployed.
    pub service: String,
    /// The environment that it is deployed to.
    pub environment: String,
    /// Who counts: `service.instance.id`.
    pub instance: String,
    /// Since when the counters and histograms count.
    pub start: DateTime<Utc>,
    /// The time of all points.
    pub time: DateTime<Utc>,
    /// What counters and histograms contain.
    pub temporality: Temporality,
    /// The metrics.
    pub metrics: Vec<Metric>,
}

/// A metric.
#[derive(Debug, Clone, PartialEq)]
pub struct Metric {
    /// The name.
    pub name: String,
    /// What it says.
    pub description: String,
    /// The unit, in the notation of UCUM; empty for a number without one.
    pub unit: &'static str,
    /// The values.
    pub data: Data,
}

/// The values of a metric.
#[derive(Debug, Clone, PartialEq)]
pub enum Data {
    /// Numbers that increase and decrease.
    Gauge(Vec<Series<f64>>),
    /// Numbers that only increase.
    Counter(Vec<Series<f64>>),
    /// Observations in buckets.
    Histogram(Vec<Series<Distribution>>),
}

/// A value with its attributes.
#[derive(Debug, Clone, PartialEq)]
pub struct Series<T> {
    /// Names and values.
    pub attributes: Vec<(String, String)>,
    /// The value.
    pub value: T,
}

/// Observations in buckets.
#[derive(Debug, Clone, PartialEq)]
pub struct Distribution {
    /// The upper bounds of the buckets, ascending.
    pub bounds: Vec<f64>,
    /// The observations in each bucket; the last bucket has no upper bound.
    pub counts: Vec<u64>,
    /// The sum of all observations.
    pub sum: f64,
}

impl Data {
    /// Whether there are no values.
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Gauge(series) | Self::Counter(series) => series.is_empty(),
            Self::Histogram(series) => series.is_empty(),
        }
    }
}

impl MetricSet {
    /// Its metrics as messages.
    pub(crate) fn messages(&self) -> Vec<ProtoMetric> {
        self.metrics.iter().map(|metric| self.message(metric)).collect()
    }

    fn message(&self, metric: &Metric) -> ProtoMetric {
        let temporality = match self.temporality {
            Temporality::Cumulative => AggregationTemporality::Cumulative,
            Temporality::Delta => AggregationTemporality::Delta,
        };
        let data = match &metric.data {
            // The value of a gauge does not depend on when somebody began to look at it.
            Data::Gauge(series) => {
                ProtoData::Gauge(Gauge { data_points: series.iter().map(|it| self.number(it, 0)).collect() })
            }
            Data::Counter(series) => ProtoData::Sum(Sum {
                data_points: series.iter().map(|it| self.number(it, nanoseconds(self.start))).collect(),
                aggregation_temporality: temporality.into(),
                is_monotonic: true,
            }),
            Data::Histogram(series) => ProtoData::Histogram(Histogram {
                data_points: series.iter().map(|it| self.distribution(it)).collect(),
                aggregation_temporality: temporality.into(),
            }),
        };
        ProtoMetric {
            name: metric.name.clone(),
            description: metric.description.clone(),
            unit: metric.unit.to_owned(),
            data: Some(data),
            ..ProtoMetric::default()
        }
    }

    fn number(&self, series: &Series<f64>, start: u64) -> NumberDataPoint {
        NumberDataPoint {
            attributes: series.key_values(),
            start_time_unix_nano: start,
            time_unix_nano: nanoseconds(self.time),
            value: Some(ProtoValue::AsDouble(series.value)),
            ..NumberDataPoint::default()
        }
    }

    fn distribution(&self, series: &Series<Distribution>) -> HistogramDataPoint {
        let Distribution { bounds, counts, sum } = &series.value;
        HistogramDataPoint {
            attributes: series.key_values(),
            start_time_unix_nano: nanoseconds(self.start),
            time_unix_nano: nanoseconds(self.time),
            count: counts.iter().sum(),
            sum: Some(*sum),
            bucket_counts: counts.clone(),
            explicit_bounds: bounds.clone(),
            ..HistogramDataPoint::default()
        }
    }
}

impl<T> Series<T> {
    fn key_values(&self) -> Vec<KeyValue> {
        let all =
            self.attributes.iter().fold(Attributes::default(), |all, (name, value)| all.text(name, value));
        all.into_vec()
    }
}
