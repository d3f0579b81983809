//! An event as log records: one about itself, and one with the output that was kept, so that both appear on its trace.

use common::event::{ChildUse, Detail, Event, Status};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, SeverityNumber};

use crate::attributes::text;
use crate::detail;
use crate::ids::{nanoseconds, span_id, trace_id};
use crate::span::common;

/// The records of an event.
pub(crate) fn records(event: &Event) -> Vec<LogRecord> {
    let (severity, name) = match event.status {
        Status::Success | Status::Skipped => (SeverityNumber::Info, "INFO"),
        Status::Cancelled => (SeverityNumber::Warn, "WARN"),
        Status::Failure | Status::Error | Status::Timeout => (SeverityNumber::Error, "ERROR"),
    };
    let record = |event_name: &str, body: &str| LogRecord {
        time_unix_nano: nanoseconds(event.ts),
        observed_time_unix_nano: nanoseconds(event.ts),
        severity_number: severity.into(),
        severity_text: name.to_owned(),
        body: Some(text(body)),
        event_name: event_name.to_owned(),
        trace_id: trace_id(event),
        span_id: span_id(event),
        flags: 1,
        ..LogRecord::default()
    };
    let cause = event.cause.as_ref().map(|cause| format!(": {cause}")).unwrap_or_default();
    let sentence = format!("{} {}: {}{cause}", event.identity.service, event.stage, event.status);
    let about = LogRecord {
        attributes: detail::attributes(event, common(event)).into_vec(),
        ..record("dm.event", &sentence)
    };
    let output = output(event).map(|lines| LogRecord {
        attributes: common(event).into_vec(),
        ..record("dm.output", &lines.join("\n"))
    });
    std::iter::once(about).chain(output).collect()
}

/// The end of the output of a command, if it was kept. Secrets are masked.
fn output(event: &Event) -> Option<&[String]> {
    match &event.detail {
        Detail::Stage(ChildUse { stderr_tail, .. })
        | Detail::Migration { child: ChildUse { stderr_tail, .. }, .. } => {
            Some(stderr_tail.as_slice()).filter(|lines| !lines.is_empty())
        }
        _ => None,
    }
}
