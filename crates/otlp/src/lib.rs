//! Deployments as OpenTelemetry traces, logs and metrics.
//!
//! It owns the settings that the specification names, the form of an event as a span and as log records, the form of metrics,
//! and one request to a collector. It does not own what is counted, when it is sent, or where it waits (`telemetry`).
//!
//! Specifications: <https://opentelemetry.io/docs/specs/otel/protocol/exporter/>, <https://opentelemetry.io/docs/specs/otlp/>
//! and the semantic conventions for CI/CD, <https://opentelemetry.io/docs/specs/semconv/cicd/>.

mod attributes;
mod client;
mod detail;
mod error;
mod ids;
mod log;
mod metric;
mod request;
mod resource;
mod settings;
mod span;
mod target;
mod temporality;

pub use client::{Client, Outcome};
pub use error::SettingsError;
pub use metric::{Data, Distribution, Metric, MetricSet, Series};
pub use resource::ResourceSettings;
pub use settings::Settings;
pub use target::{Signal, Target};
pub use temporality::Temporality;
