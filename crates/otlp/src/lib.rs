//! Deployments as OpenTelemetry traces and logs.
//!
//! It owns the settings that the specification names, the form of an event as a span and as log records, and one request to a
//! collector. It does not own when events are sent, or where they wait (`telemetry`).
//!
//! Specifications: <https://opentelemetry.io/docs/specs/otel/protocol/exporter/>, <https://opentelemetry.io/docs/specs/otlp/>
//! and the semantic conventions for CI/CD, <https://opentelemetry.io/docs/specs/semconv/cicd/>.

mod attributes;
mod client;
mod detail;
mod error;
mod ids;
mod log;
mod request;
mod resource;
mod settings;
mod span;
mod target;

pub use client::{Client, Outcome};
pub use error::SettingsError;
pub use request::request;
pub use resource::ResourceSettings;
pub use settings::Settings;
pub use target::{Encoding, Signal, Target};
