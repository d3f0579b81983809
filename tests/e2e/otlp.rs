//! OpenTelemetry: a deployment is one trace, and a collector that is down, slow or unwilling costs nothing but its own data.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::process::{Command, Output};

use common::fs::lock::try_exclusive;
use flate2::read::GzDecoder;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use prost::Message as _;
use testkit::bin::Machine;
use testkit::fault::{self, Recording, Request, answer};
use testkit::gate::Gate;
use testkit::pushgateway::Pushgateway;
use testkit::server::eventually;

use crate::stages::stage;

const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";

pub(crate) fn collector(status: &'static str) -> Recording {
    Recording::answering(move |_| answer(status, ""))
}

/// A machine that sends traces and logs.
pub(crate) fn machine(collector: &str) -> Machine {
    let machine = Machine::new().with(ENDPOINT, collector).with("DM_EXPORT_BUDGET", "20s");
    machine.with("OTEL_METRICS_EXPORTER", "none")
}

/// Runs a tool; returns what it wrote to stderr.
pub(crate) fn stderr(mut command: Command) -> String {
    let Output { stderr, .. } = command.output().unwrap();
    String::from_utf8(stderr).unwrap()
}

/// The bodies that a collector got for a signal.
fn bodies(collector: &Recording, signal: &str) -> Vec<Request> {
    let start = format!("POST /v1/{signal} HTTP/1.1\r\n");
    collector.requests().into_iter().filter(|request| request.head.starts_with(&start)).collect()
}

pub(crate) fn spans(collector: &Recording) -> Vec<Span> {
    let requests = bodies(collector, "traces").into_iter();
    let requests =
        requests.map(|request| ExportTraceServiceRequest::decode(request.body.as_slice()).unwrap());
    let resources = requests.flat_map(|request| request.resource_spans);
    resources.flat_map(|resource| resource.scope_spans).flat_map(|scope| scope.spans).collect()
}

pub(crate) fn logs(collector: &Recording) -> Vec<LogRecord> {
    let requests = bodies(collector, "logs").into_iter();
    let requests = requests.map(|request| ExportLogsServiceRequest::decode(request.body.as_slice()).unwrap());
    let resources = requests.flat_map(|request| request.resource_logs);
    resources.flat_map(|resource| resource.scope_logs).flat_map(|scope| scope.log_records).collect()
}

pub(crate) fn span_named<'a>(spans: &'a [Span], name: &str) -> &'a Span {
    spans.iter().find(|span| span.name == name).unwrap_or_else(|| panic!("{name} is not in {spans:?}"))
}

/// The texts and whole numbers among the attributes.
fn attributes(attributes: &[KeyValue]) -> BTreeMap<&str, String> {
    let read = |attribute: &KeyValue| match attribute.value.as_ref()?.value.as_ref()? {
        Value::StringValue(text) => Some(text.clone()),
        Value::IntValue(number) => Some(number.to_string()),
        _ => None,
    };
    attributes.iter().filter_map(|it| Some((it.key.as_str(), read(it)?))).collect()
}

#[test]
fn a_deployment_is_one_trace_with_the_output_of_what_failed() {
    let collector = collector("200 OK");
    let machine =
        machine(&collector.url).with("OTEL_RESOURCE_ATTRIBUTES", "team=shop%20floor,service.version=9");
    let script =
        "dm-stage build -- true; dm-stage deploy --tail 5 -- sh -c 'echo no space left >&2; exit 3'; exit 1";
    let mut deployment = stage(&machine, &["deployment", "--app-version", "2.0", "--deployment-id", "d-1"]);
    deployment.args(["--commit", "0123abc", "--", "bash", "-c", script]);
    assert_eq!(stderr(deployment), "no space left\n");
    machine.wait_for_exporter();

    let spans = spans(&collector);
    let by_name: BTreeMap<&str, &Span> = spans.iter().map(|span| (span.name.as_str(), span)).collect();
    let service = machine.journal()[0]["service"].as_str().unwrap().to_owned();
    let root = by_name[format!("deploy {service}").as_str()];
    let (build, deploy) = (by_name["build"], by_name["deploy"]);
    assert_eq!(spans.len(), 3, "{spans:?}");
    assert!(root.parent_span_id.is_empty() && root.trace_id.len() == 16 && root.span_id.len() == 8);
    for span in [build, deploy] {
        assert_eq!((&span.trace_id, &span.parent_span_id), (&root.trace_id, &root.span_id));
        assert!(root.start_time_unix_nano <= span.start_time_unix_nano);
        assert!(span.end_time_unix_nano <= root.end_time_unix_nano);
    }
    let status = |span: &Span| span.status.clone().unwrap();
    assert_eq!(status(build).code, i32::from(StatusCode::Unset));
    assert_eq!(status(deploy).code, i32::from(StatusCode::Error));
    assert_eq!(status(deploy).message, "exit code 3: no space left");
    let root_says = attributes(&root.attributes);
    for (name, value) in [
        ("cicd.pipeline.result", "failure"),
        ("cicd.pipeline.run.id", "d-1"),
        ("deployment.status", "failed"),
        ("vcs.ref.head.revision", "0123abc"),
    ] {
        assert_eq!(root_says[name], value);
    }
    let deploy_says = attributes(&deploy.attributes);
    for (name, value) in [
        ("cicd.pipeline.task.name", "deploy"),
        ("cicd.pipeline.task.run.result", "failure"),
        ("error.type", "exit_code"),
        ("process.exit.code", "3"),
    ] {
        assert_eq!(deploy_says[name], value);
    }
    let request = ExportTraceServiceRequest::decode(bodies(&collector, "traces")[0].body.as_slice()).unwrap();
    let resource = attributes(&request.resource_spans[0].resource.as_ref().unwrap().attributes)
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect::<BTreeMap<_, _>>();
    assert_eq!(
        (resource["service.name"].as_str(), resource["team"].as_str()),
        (service.as_str(), "shop floor")
    );
    assert_eq!(resource["service.version"], "9", "what the environment says wins");

    let logs = logs(&collector);
    let output = logs.iter().find(|log| log.event_name == "dm.output").unwrap();
    let Some(Value::StringValue(text)) = output.body.clone().unwrap().value else { panic!("{output:?}") };
    assert_eq!((text.as_str(), &output.span_id), ("no space left", &deploy.span_id));
    assert_eq!(logs.iter().filter(|log| log.event_name == "dm.event").count(), 3);
}

#[test]
fn a_deployment_continues_the_trace_of_whatever_started_it() {
    let collector = collector("200 OK");
    let (trace, span) = ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7");
    let machine = machine(&collector.url);
    let mut deployment = stage(&machine, &["deployment", "--", "dm-stage", "build", "--", "true"]);
    deployment.env("TRACEPARENT", format!("00-{trace}-{span}-01"));
    assert_eq!(stderr(deployment), "");
    machine.wait_for_exporter();
    let spans = spans(&collector);
    let hex = |digits: &str| {
        let pairs = digits.as_bytes().chunks(2);
        pairs
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
            .collect::<Vec<u8>>()
    };
    let (root, build) = (span_named(&spans, "deploy shop"), span_named(&spans, "build"));
    assert_eq!((&root.trace_id, &root.parent_span_id), (&hex(trace), &hex(span)));
    assert_eq!((&build.trace_id, &build.parent_span_id), (&root.trace_id, &root.span_id));
}

#[test]
fn a_deployment_in_two_steps_is_one_trace() {
    let collector = collector("200 OK");
    let script = "set -eu
        variables=$(dm-stage deployment --start)
        while IFS= read -r variable; do export \"${variable?}\"; done <<< \"$variables\"
        dm-stage build -- true
        dm-stage deploy -- sh -c 'exit 3' || status=failure
        dm-stage deployment --finish \"$status\"";
    let machine = machine(&collector.url);
    machine.shell(script).output().unwrap();
    machine.wait_for_exporter();
    let spans = spans(&collector);
    assert_eq!(spans.len(), 3, "{spans:?}");
    let root = span_named(&spans, "deploy shop");
    for name in ["build", "deploy"] {
        let stage = span_named(&spans, name);
        assert_eq!((&stage.trace_id, &stage.parent_span_id), (&root.trace_id, &root.span_id), "{name}");
        assert!(root.start_time_unix_nano <= stage.start_time_unix_nano, "{name}");
    }
    assert_eq!(root.status.clone().unwrap().code, i32::from(StatusCode::Error));
}

#[test]
fn a_collector_that_is_down_loses_nothing_and_holds_nothing_up() {
    let gateway = Pushgateway::start();
    let down = fault::refused();
    let machine = machine(&down).with("PUSHGATEWAY_URL", &gateway.url());
    let deployment =
        |machine: &Machine| stage(machine, &["deployment", "--", "dm-stage", "build", "--", "true"]);
    let warnings = stderr(deployment(&machine));
    let lines: Vec<&str> = warnings.lines().collect();
    assert!((1..=3).contains(&lines.len()), "{warnings}");
    assert!(warnings.contains("traces not sent to") && warnings.contains(&down), "{warnings}");
    machine.wait_for_exporter();
    // The Pushgateway has everything.
    assert_eq!(gateway.value("deployment_total", &["stage=\"build\"", "status=\"success\""]), 1.0);
    assert_eq!(gateway.value("deployment_total", &["stage=\"deployment\"", "status=\"success\""]), 1.0);
    // A moment later nobody tries again, nor says it again.
    assert_eq!(stderr(stage(&machine, &["build", "--", "true"])), "");
    machine.wait_for_exporter();

    let collector = collector("200 OK");
    let machine = machine.with(ENDPOINT, &collector.url);
    let flushed = stage(&machine, &["--flush"]).output().unwrap();
    assert!(flushed.status.success(), "{flushed:?}");
    assert_eq!(spans(&collector).len(), 3);
    assert_eq!(logs(&collector).len(), 3);
    assert!(stage(&machine, &["--flush"]).status().unwrap().success());
    assert_eq!(spans(&collector).len(), 3, "once");
}

#[test]
fn a_collector_that_does_not_answer_keeps_no_stage_waiting() {
    let gateway = Pushgateway::start();
    let machine = machine(&fault::hanging())
        .with("PUSHGATEWAY_URL", &gateway.url())
        .with("OTEL_EXPORTER_OTLP_TIMEOUT", "500")
        .with("DM_EXPORT", "detached");
    assert_eq!(stderr(stage(&machine, &["build", "--", "true"])), "");
    machine.wait_for_exporter();
    assert_eq!(gateway.value("deployment_total", &["stage=\"build\"", "status=\"success\""]), 1.0);
    let next = stderr(stage(&machine, &["build", "--", "true"]));
    assert!(next.contains("traces not sent to") && next.contains("logs not sent to"), "{next}");
    assert_eq!(next.lines().count(), 1, "{next}");
    machine.wait_for_exporter();
    assert_eq!(stderr(stage(&machine, &["build", "--", "true"])), "", "it is said once");
    machine.wait_for_exporter();
}

#[test]
fn stages_reach_the_pushgateway_while_a_collector_is_busy() {
    let gateway = Pushgateway::start();
    let gate = Gate::default();
    let collector = Recording::behind(&gate);
    let machine =
        machine(&collector.url).with("PUSHGATEWAY_URL", &gateway.url()).with("DM_EXPORT", "detached");
    for round in 1..=3 {
        assert_eq!(stderr(stage(&machine, &["build", "--", "true"])), "");
        eventually("the gateway counts the stage", || {
            let lines = gateway.series("deployment_total", &["stage=\"build\"", "status=\"success\""]);
            let is_counted = lines.iter().any(|line| line.ends_with(&format!(" {round}")));
            if is_counted { Ok(()) } else { Err(format!("{lines:?}")) }
        });
        eventually("the collector has the first requests, and has not answered", || match gate.arrived() {
            2 => Ok(()),
            number => Err(format!("{number} requests")),
        });
    }
    assert_eq!(machine.exporters().len(), 1);
    gate.open();
    machine.wait_for_exporter();
    assert_eq!((spans(&collector).len(), logs(&collector).len()), (3, 3));
}

#[test]
fn a_collector_that_could_not_be_asked_in_time_is_not_taken_for_down() {
    let collector = collector("200 OK");
    let machine = machine(&collector.url).with("OTEL_LOGS_EXPORTER", "none");
    let deployment = || stage(&machine, &["deployment", "--", "true"]);
    assert_eq!(stderr(deployment()), "");
    let busy = try_exclusive(&machine.folder().join("state/otlp/traces.lock")).unwrap().unwrap();
    let mut hurried = deployment();
    hurried.env("DM_EXPORT_BUDGET", "300ms");
    let warning = stderr(hurried);
    assert!(warning.contains("traces not sent to") && warning.contains("not done within 300ms"), "{warning}");
    drop(busy);
    assert_eq!(stderr(deployment()), "");
    assert_eq!(spans(&collector).len(), 3);
}

#[test]
fn one_event_that_a_collector_refuses_keeps_no_other_back() {
    let down = fault::refused();
    let machine = machine(&down).with("OTEL_LOGS_EXPORTER", "none");
    for name in ["one", "two", "poison", "three", "four"] {
        stage(&machine, &[name, "--", "true"]).output().unwrap();
        machine.wait_for_exporter();
    }
    let queue = machine.folder().join("state/otlp/traces");
    common::fs::atomic::write(&queue.join("0000000000000-cut.json"), b"{\"ts\":").unwrap();
    let collector = Recording::answering_all(|request| {
        let is_refused = request.body.windows(6).any(|window| window == b"poison");
        answer(if is_refused { "400 Bad Request" } else { "200 OK" }, "no")
    });
    let machine = machine.with(ENDPOINT, &collector.url);
    let flushed = stage(&machine, &["--flush"]).output().unwrap();
    let said = String::from_utf8(flushed.stderr).unwrap();
    assert!(said.contains("refuses the traces of 1 events, which are lost: status 400"), "{said}");
    assert!(said.contains("the traces of 1 events are lost: their files are damaged"), "{said}");
    assert_eq!(std::fs::read_dir(&queue).unwrap().count(), 0);
    let sent = bodies(&collector, "traces").len();
    let names: BTreeSet<String> = spans(&collector).into_iter().map(|span| span.name).collect();
    assert_eq!(names, ["four", "one", "poison", "three", "two"].map(str::to_owned).into());
    assert!(sent <= 8, "{sent} requests");
    assert_eq!(stderr(stage(&machine, &["--flush"])), "");
}

#[test]
fn what_a_collector_refuses_is_said_and_not_sent_again() {
    let collector = collector("400 Bad Request");
    let machine = machine(&collector.url).with("OTEL_LOGS_EXPORTER", "none");
    let refused = stderr(stage(&machine, &["deployment", "--", "true"]));
    assert!(refused.contains("refuses the traces of 1 events, which are lost: status 400"), "{refused}");
    let sent = collector.requests().len();
    assert!(stage(&machine, &["--flush"]).status().unwrap().success());
    assert_eq!(collector.requests().len(), sent);

    // A wrong key may be corrected.
    let collector = self::collector("401 Unauthorized");
    let machine = machine.with(ENDPOINT, &collector.url);
    let refused = stderr(stage(&machine, &["deployment", "--", "true"]));
    assert!(refused.contains("traces not sent to") && refused.contains("status 401"), "{refused}");
    let good = self::collector("200 OK");
    let machine = machine.with(ENDPOINT, &good.url);
    assert!(stage(&machine, &["--flush"]).status().unwrap().success());
    assert_eq!(spans(&good).len(), 1);

    // It may accept a part.
    let partial = ExportTraceServiceResponse {
        partial_success: Some(ExportTracePartialSuccess {
            rejected_spans: 1,
            error_message: "too old".to_owned(),
        }),
    };
    let body = String::from_utf8(partial.encode_to_vec()).unwrap();
    let collector = Recording::answering(move |_| answer("200 OK", &body));
    let machine = machine.with(ENDPOINT, &collector.url);
    let partly = stderr(stage(&machine, &["deployment", "--", "true"]));
    assert!(partly.contains("1 traces refused: too old"), "{partly}");
}

#[test]
fn headers_compression_and_json_are_those_of_the_variables() {
    let collector = collector("200 OK");
    let machine = machine(&collector.url)
        .with("OTEL_EXPORTER_OTLP_HEADERS", "api-key=s3cret%20key")
        .with("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")
        .with("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/json")
        .with("OTEL_EXPORTER_OTLP_LOGS_COMPRESSION", "none");
    assert_eq!(stderr(stage(&machine, &["deployment", "--", "true"])), "");
    let traces = &bodies(&collector, "traces")[0];
    let head = traces.head.to_lowercase();
    for header in ["api-key: s3cret key", "content-type: application/json", "content-encoding: gzip"] {
        assert!(head.contains(header), "{head}");
    }
    let mut json = String::new();
    GzDecoder::new(traces.body.as_slice()).read_to_string(&mut json).unwrap();
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let span = &json["resourceSpans"][0]["scopeSpans"][0]["spans"][0];
    assert_eq!(span["spanId"], machine.journal()[0]["id"]);
    assert_eq!(span["traceId"], machine.journal()[0]["trace_id"]);
    assert!(span["startTimeUnixNano"].is_string(), "64-bit numbers are texts: {span}");
    assert_eq!(logs(&collector).len(), 1);
    // The secret is in no file.
    let files = Command::new("grep").args(["-rl", "s3cret"]).arg(machine.folder()).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&files.stdout), "");
}

#[test]
fn wrong_variables_are_one_warning_and_change_no_outcome() {
    for (name, value) in [("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"), ("OTEL_EXPORTER_OTLP_HEADERS", "s3cret")] {
        let machine = machine("http://127.0.0.1:9").with(name, value);
        let output = stage(&machine, &["build", "--", "sh", "-c", "exit 3"]).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(3));
        assert!(stderr.contains(name) && stderr.contains("nothing is sent by OTLP"), "{stderr}");
        assert!(stderr.lines().count() == 1 && !stderr.contains("s3cret"), "{stderr}");
    }
    let machine = machine("http://127.0.0.1:9").with("OTEL_SDK_DISABLED", "true");
    assert_eq!(stderr(stage(&machine, &["build", "--", "true"])), "");
    assert!(!machine.folder().join("state/otlp").exists());
}
