//! An event as a span. A deployment is a pipeline run, and a stage is a task of it.

use common::event::Detail;
use common::event::{Event, RollbackResult, Status};
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{Span, Status as SpanStatus};

use crate::attributes::Attributes;
use crate::detail;
use crate::ids::{bytes, nanoseconds, span_id, trace_id};

/// The flag of a span that is recorded: <https://www.w3.org/TR/trace-context/#sampled-flag>.
const SAMPLED: u32 = 1;

/// The event as a span.
pub(crate) fn span(event: &Event) -> Span {
    let began = event.started_at().unwrap_or(event.ts);
    let is_run = event.stage.is_deployment();
    let parent = event.identity.trace.parent_span_id.as_deref().map(bytes).unwrap_or_default();
    Span {
        trace_id: trace_id(event),
        span_id: span_id(event),
        parent_span_id: parent,
        flags: SAMPLED,
        name: if is_run { format!("deploy {}", event.identity.service) } else { event.stage.to_string() },
        kind: if is_run { SpanKind::Server } else { SpanKind::Internal }.into(),
        start_time_unix_nano: nanoseconds(began),
        end_time_unix_nano: nanoseconds(event.ts),
        attributes: detail::attributes(event, common(event)).into_vec(),
        events: detail::events(event),
        status: Some(status(event)),
        ..Span::default()
    }
}

/// What every span says, by the semantic conventions.
pub(crate) fn common(event: &Event) -> Attributes {
    let identity = &event.identity;
    let attributes = Attributes::default()
        .text("cicd.pipeline.name", identity.service.as_str())
        .text("cicd.pipeline.run.id", identity.deployment.as_str())
        .some_text("cicd.pipeline.run.url.full", identity.run_url.as_ref())
        .text("deployment.id", identity.deployment.as_str())
        .text("deployment.environment.name", identity.environment.as_str())
        .some_text("vcs.ref.head.revision", identity.commit.as_ref())
        .some_text("vcs.ref.head.name", identity.branch.as_ref())
        .some_text("user.name", identity.actor.as_ref())
        .some_text("error.type", event.error_type.as_ref())
        .number("dm.cost.dollars", event.cost_dollars);
    let result = result(event.status);
    if event.stage.is_deployment() {
        let status = if event.status == Status::Success { "succeeded" } else { "failed" };
        return attributes
            .text("cicd.pipeline.result", result)
            .text("deployment.status", status)
            .number("dm.lead_time.seconds", event.lead_time_s);
    }
    attributes
        .text("cicd.pipeline.task.name", event.stage.as_str())
        .text("cicd.pipeline.task.type", task_type(event.stage.as_str()))
        .text("cicd.pipeline.task.run.id", event.id.as_str())
        .text("cicd.pipeline.task.run.result", result)
}

/// `cicd.pipeline.result`: <https://opentelemetry.io/docs/specs/semconv/registry/attributes/cicd/>.
fn result(status: Status) -> &'static str {
    match status {
        Status::Success => "success",
        Status::Failure => "failure",
        Status::Error => "error",
        Status::Timeout => "timeout",
        Status::Cancelled => "cancellation",
        Status::Skipped => "skip",
    }
}

/// `cicd.pipeline.task.type`: build, test or deploy.
fn task_type(stage: &str) -> &'static str {
    match stage {
        "build" => "build",
        "test" | "smoke_test" | "health_check" => "test",
        _ => "deploy",
    }
}

fn status(event: &Event) -> SpanStatus {
    let is_bad_rollback = matches!(
        event.detail,
        Detail::Rollback { result: Some(RollbackResult::Failed | RollbackResult::Unverified), .. }
    );
    let code =
        if event.status.is_failed() || is_bad_rollback { StatusCode::Error } else { StatusCode::Unset };
    let message =
        if code == StatusCode::Error { event.cause.clone().unwrap_or_default() } else { String::new() };
    SpanStatus { code: code.into(), message }
}
