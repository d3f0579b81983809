//! Metrics by OTLP: what a database got is what the journal says, whatever is killed or down in between.

use std::collections::BTreeMap;
use std::io::Read as _;

use flate2::read::GzDecoder;
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsPartialSuccess, ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as Number;
use opentelemetry_proto::tonic::metrics::v1::{AggregationTemporality, NumberDataPoint};
use prost::Message as _;
use testkit::bin::Machine;
use testkit::fault::{self, Recording, answer};
use testkit::gate::Gate;
use testkit::metrics_receiver::MetricsReceiver;
use testkit::process::kill_all;
use testkit::server::eventually;

use crate::stages::{build, stage};

const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT";
const TEMPORALITY: &str = "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE";

fn machine(url: &str) -> Machine {
    Machine::new().with(ENDPOINT, url).with("DM_EXPORT_BUDGET", "20s")
}

/// How often each stage ended how, as the journals say.
fn counted<'a>(machines: impl IntoIterator<Item = &'a Machine>) -> BTreeMap<(String, String), f64> {
    let mut counts = BTreeMap::new();
    for event in machines.into_iter().flat_map(Machine::journal) {
        let text = |name: &str| event[name].as_str().unwrap().to_owned();
        *counts.entry((text("stage"), text("status"))).or_default() += 1.0;
    }
    counts
}

/// A deployment with a stage that fails, and one with none that does.
fn deploy(machine: &Machine) {
    for end in ["exit 3", "true"] {
        let script = format!("dm-stage build -- true; dm-stage deploy -- sh -c '{end}'");
        let output = stage(machine, &["deployment", "--", "sh", "-c", &script]).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    }
}

#[test]
fn the_totals_of_a_database_are_those_of_the_journals() {
    for uses_prometheus_names in [false, true] {
        let database = MetricsReceiver::start(uses_prometheus_names);
        let url = database.url();
        let runners = [machine(&url), machine(&url)];
        for machine in [&runners[0], &runners[1], &runners[0]] {
            deploy(machine);
            machine.wait_for_exporter();
        }
        for ((stage, status), number) in counted(&runners) {
            let labels =
                format!("service='shop', environment='production', stage='{stage}', status='{status}'");
            database.expect(&format!("sum(deployment_total{{{labels}}})"), number);
        }
        let durations: f64 = runners
            .iter()
            .flat_map(Machine::journal)
            .filter(|event| event["stage"] == "deployment")
            .map(|event| event["duration_s"].as_f64().unwrap())
            .sum();
        database.expect("sum(time_to_deploy_seconds_count)", 6.0);
        database.expect("sum(time_to_deploy_seconds_sum)", durations);
        database.expect("sum(time_to_deploy_seconds_bucket{le='30'})", 6.0);
        database.expect("count(deployment_stage_duration_seconds{stage='deploy', status='success'})", 2.0);
        database.expect("sum(deployment_errors_total{stage='deploy', error_type='exit_code'})", 3.0);
        // Each failure began an outage that the deployment after it ended.
        database.expect("sum(deployment_time_to_restore_seconds_count)", 3.0);
    }
}

#[test]
fn deltas_add_up_to_the_journals() {
    let collector = Recording::answering(|_| answer("200 OK", ""));
    let runners = [(); 2].map(|()| machine(&collector.url).with(TEMPORALITY, "delta"));
    for machine in [&runners[0], &runners[1], &runners[0]] {
        deploy(machine);
        machine.wait_for_exporter();
    }
    let mut sums: BTreeMap<(String, String), f64> = BTreeMap::new();
    for mut point in received(&collector) {
        let mut attribute = |name: &str| point.attributes.remove(name).unwrap();
        *sums.entry((attribute("stage"), attribute("status"))).or_default() += point.value;
    }
    sums.retain(|_, sum| *sum > 0.0);
    assert_eq!(sums, counted(&runners));
}

/// A point of `deployment_total`: its attributes, what it counts, and its time.
#[derive(Debug, Clone, PartialEq)]
struct Point {
    attributes: BTreeMap<String, String>,
    value: f64,
    start: u64,
    time: u64,
    temporality: AggregationTemporality,
    instance: String,
}

fn text(value: Option<AnyValue>) -> String {
    match value.and_then(|value| value.value) {
        Some(Value::StringValue(text)) => text,
        other => panic!("{other:?}"),
    }
}

fn map(attributes: Vec<KeyValue>) -> BTreeMap<String, String> {
    attributes.into_iter().map(|it| (it.key, text(it.value))).collect()
}

/// The points that a request contains.
fn points(request: ExportMetricsServiceRequest) -> Vec<Point> {
    let mut points = Vec::new();
    for resource in request.resource_metrics {
        let instance = map(resource.resource.unwrap().attributes).remove("service.instance.id").unwrap();
        for metric in resource.scope_metrics.into_iter().flat_map(|scope| scope.metrics) {
            let Some(Data::Sum(sum)) = metric.data.filter(|_| metric.name == "deployment_total") else {
                continue;
            };
            assert!(sum.is_monotonic);
            let temporality = sum.aggregation_temporality();
            points.extend(sum.data_points.into_iter().map(|point| {
                let NumberDataPoint { attributes, start_time_unix_nano, time_unix_nano, value, .. } = point;
                let Some(Number::AsDouble(value)) = value else { panic!("{value:?}") };
                assert!(start_time_unix_nano < time_unix_nano);
                Point {
                    attributes: map(attributes),
                    value,
                    start: start_time_unix_nano,
                    time: time_unix_nano,
                    temporality,
                    instance: instance.clone(),
                }
            }));
        }
    }
    points
}

/// All points, in the order in which they came.
fn received(collector: &Recording) -> Vec<Point> {
    let bodies = collector.requests().into_iter();
    let requests =
        bodies.map(|request| ExportMetricsServiceRequest::decode(request.body.as_slice()).unwrap());
    requests.flat_map(points).collect()
}

/// The successful builds among them.
fn builds(collector: &Recording) -> Vec<Point> {
    let mut builds = received(collector);
    builds.retain(|point| point.attributes["stage"] == "build" && point.attributes["status"] == "success");
    builds
}

#[test]
fn totals_count_from_the_first_event_and_deltas_from_the_point_before() {
    for (preference, temporality) in
        [("cumulative", AggregationTemporality::Cumulative), ("Delta", AggregationTemporality::Delta)]
    {
        let collector = Recording::answering(|_| answer("200 OK", ""));
        let machine = machine(&collector.url).with(TEMPORALITY, preference);
        for _ in 0..3 {
            assert!(build(&machine).status().unwrap().success());
            machine.wait_for_exporter();
        }
        let builds = builds(&collector);
        let [first, second, third] = builds.as_slice() else { panic!("{builds:?}") };
        for point in &builds {
            assert_eq!((point.temporality, &point.instance), (temporality, &first.instance));
            let named =
                ["service", "environment", "stage", "status"].map(|name| point.attributes[name].as_str());
            assert_eq!(named, ["shop", "production", "build", "success"]);
        }
        assert!(first.time < second.time && second.time < third.time, "{builds:?}");
        let (values, starts) = ([first, second, third].map(|it| it.value), [second.start, third.start]);
        if temporality == AggregationTemporality::Delta {
            assert_eq!((values, starts), ([1.0; 3], [first.time, second.time]));
        } else {
            assert_eq!((values, starts), ([1.0, 2.0, 3.0], [first.start; 2]));
        }
    }
}

#[test]
fn what_was_not_sent_is_part_of_the_next_total() {
    let machine = machine(&fault::refused());
    let output = stage(&machine, &["deployment", "--", "dm-stage", "build", "--", "true"]).output().unwrap();
    let warning = String::from_utf8(output.stderr).unwrap();
    assert!(warning.contains("metrics not sent to") && output.status.success(), "{warning}");
    for _ in 0..4 {
        build(&machine).output().unwrap();
        machine.wait_for_exporter();
    }
    let collector = Recording::answering(|_| answer("200 OK", ""));
    let machine = machine.with(ENDPOINT, &collector.url);
    let flushed = stage(&machine, &["--flush"]).output().unwrap();
    assert!(flushed.status.success() && flushed.stderr.is_empty(), "{flushed:?}");
    let builds = builds(&collector);
    assert_eq!(builds.iter().map(|point| point.value).collect::<Vec<_>>(), [5.0]);
    assert!(stage(&machine, &["--flush"]).status().unwrap().success());
    assert_eq!(collector.requests().len(), 1, "nothing is left");
}

#[test]
fn a_delta_that_may_have_arrived_is_sent_again_as_it_was() {
    let gate = Gate::default();
    let collector = Recording::behind(&gate);
    let machine = machine(&collector.url).with(TEMPORALITY, "delta").with("DM_EXPORT", "detached");
    assert!(build(&machine).status().unwrap().success());
    eventually("the collector has the request, and has not answered", || match gate.arrived() {
        1 => Ok(()),
        number => Err(format!("{number} requests")),
    });
    kill_all(&machine.exporters());
    machine.wait_for_exporter();
    gate.open();
    eventually("the first request is recorded", || match builds(&collector).len() {
        1 => Ok(()),
        number => Err(format!("{number}")),
    });
    assert!(build(&machine).status().unwrap().success());
    machine.wait_for_exporter();
    let builds = builds(&collector);
    let [first, again, second] = builds.as_slice() else { panic!("{builds:?}") };
    assert_eq!(first, again);
    assert_eq!((first.value, second.value, second.start), (1.0, 1.0, first.time));
}

#[test]
fn json_and_compression_are_those_of_the_variables() {
    let collector = Recording::answering(|_| answer("200 OK", ""));
    let machine = machine(&collector.url)
        .with("OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", "http/json")
        .with("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")
        .with("OTEL_RESOURCE_ATTRIBUTES", "service.instance.id=blue,team=shop");
    assert!(stage(&machine, &["deployment", "--", "true"]).status().unwrap().success());
    let request = &collector.requests()[0];
    assert!(request.head.to_lowercase().contains("content-type: application/json"), "{}", request.head);
    let mut text = String::new();
    GzDecoder::new(request.body.as_slice()).read_to_string(&mut text).unwrap();
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    let resource = &json["resourceMetrics"][0];
    let instance = resource["resource"]["attributes"].as_array().unwrap().iter();
    let instances: Vec<_> = instance.filter(|it| it["key"] == "service.instance.id").collect();
    assert_eq!((instances.len(), &instances[0]["value"]["stringValue"]), (1, &"blue".into()));
    let metrics = resource["scopeMetrics"][0]["metrics"].as_array().unwrap();
    let named = |name: &str| metrics.iter().find(|metric| metric["name"] == name).unwrap();
    let point = &named("time_to_deploy_seconds")["histogram"]["dataPoints"][0];
    assert_eq!(point["count"], "1", "64-bit numbers are texts: {point}");
    assert_eq!(
        (&point["bucketCounts"][0], &point["explicitBounds"][0]),
        (&"1".into(), &30.0.into()),
        "{point}"
    );
    assert_eq!(named("deployment_stage_duration_seconds")["unit"], "s");
    assert!(named("deployment_total")["sum"]["dataPoints"][0]["timeUnixNano"].is_string());
}

#[test]
fn what_a_collector_refuses_is_said() {
    let partial = ExportMetricsServiceResponse {
        partial_success: Some(ExportMetricsPartialSuccess {
            rejected_data_points: 2,
            error_message: "too old".to_owned(),
        }),
    };
    let body = String::from_utf8(partial.encode_to_vec()).unwrap();
    for (status, body, message) in [
        ("200 OK", body.as_str(), "2 metrics refused: too old"),
        ("400 Bad Request", "no", "refuses the metrics of 1 stages, which are lost: status 400"),
    ] {
        let answer = answer(status, body);
        let collector = Recording::answering(move |_| answer.clone());
        let machine = machine(&collector.url);
        let output = stage(&machine, &["deployment", "--", "true"]).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success() && stderr.contains(message), "{stderr}");
        let sent = collector.requests().len();
        assert!(stage(&machine, &["--flush"]).status().unwrap().success());
        assert_eq!(collector.requests().len(), sent);
    }
}
