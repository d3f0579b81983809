//! Events and metrics as the body of a request.

use common::event::Event;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
use opentelemetry_proto::tonic::logs::v1::{ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::metrics::v1::{ResourceMetrics, ScopeMetrics};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans};
use prost::Message;
use serde::Serialize;

use crate::log::records;
use crate::metric::MetricSet;
use crate::resource::ResourceSettings;
use crate::span::span;
use crate::target::{Encoding, Signal};

/// The version of the semantic conventions that the attributes follow.
const SCHEMA_URL: &str = "https://opentelemetry.io/schemas/1.37.0";

/// Events as a body of this signal. Metrics are no form of events.
pub(crate) fn events(
    signal: Signal,
    encoding: Encoding,
    events: &[Event],
    resource: &ResourceSettings,
) -> Vec<u8> {
    match signal {
        Signal::Traces => encode(encoding, &traces(events, resource)),
        Signal::Logs => encode(encoding, &logs(events, resource)),
        Signal::Metrics => Vec::new(),
    }
}

/// Metrics as a body.
pub(crate) fn metrics(encoding: Encoding, sets: &[MetricSet], resource: &ResourceSettings) -> Vec<u8> {
    let resource_metrics = sets.iter().map(|set| ResourceMetrics {
        resource: Some(resource.of_metrics(set)),
        scope_metrics: vec![ScopeMetrics {
            scope: Some(scope()),
            metrics: set.messages(),
            schema_url: SCHEMA_URL.to_owned(),
        }],
        schema_url: SCHEMA_URL.to_owned(),
    });
    encode(encoding, &ExportMetricsServiceRequest { resource_metrics: resource_metrics.collect() })
}

fn encode(encoding: Encoding, message: &(impl Message + Serialize)) -> Vec<u8> {
    match encoding {
        Encoding::Protobuf => message.encode_to_vec(),
        // Its maps have texts as keys, so this cannot fail.
        Encoding::Json => serde_json::to_vec(message).unwrap_or_default(),
    }
}

fn traces(events: &[Event], resource: &ResourceSettings) -> ExportTraceServiceRequest {
    let resource_spans = events.iter().map(|event| ResourceSpans {
        resource: Some(resource.of(&event.identity)),
        scope_spans: vec![ScopeSpans {
            scope: Some(scope()),
            spans: vec![span(event)],
            schema_url: SCHEMA_URL.to_owned(),
        }],
        schema_url: SCHEMA_URL.to_owned(),
    });
    ExportTraceServiceRequest { resource_spans: resource_spans.collect() }
}

fn logs(events: &[Event], resource: &ResourceSettings) -> ExportLogsServiceRequest {
    let resource_logs = events.iter().map(|event| ResourceLogs {
        resource: Some(resource.of(&event.identity)),
        scope_logs: vec![ScopeLogs {
            scope: Some(scope()),
            log_records: records(event),
            schema_url: SCHEMA_URL.to_owned(),
        }],
        schema_url: SCHEMA_URL.to_owned(),
    });
    ExportLogsServiceRequest { resource_logs: resource_logs.collect() }
}

fn scope() -> InstrumentationScope {
    InstrumentationScope {
        name: "dm".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        ..InstrumentationScope::default()
    }
}
