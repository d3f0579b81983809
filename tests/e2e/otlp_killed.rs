//! A deployment that was killed is closed in its trace by the next one.

use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use testkit::process::kill_tree;
use testkit::server::eventually;

use crate::otlp::{collector, logs, machine, span_named, spans, stderr};
use crate::stages::stage;

#[test]
fn the_next_deployment_closes_the_spans_of_one_that_was_killed() {
    let collector = collector("200 OK");
    let machine = machine(&collector.url);
    let script = "dm-stage build -- true; dm-stage deploy -- sh -c 'mkfifo never; read -r line < never'";
    let mut deployment = stage(&machine, &["deployment", "--app-version", "2", "--", "sh", "-c", script]);
    let mut runner = deployment.current_dir(machine.folder()).spawn().unwrap();
    let timeline = || {
        let output = stage(&machine, &["--timeline"]).output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    eventually("the stage is on record", || {
        let text = timeline();
        let is_running = |line: &str| line.contains("deploy ") && line.contains("running");
        if text.lines().any(is_running) { Ok(()) } else { Err(text) }
    });
    kill_tree(runner.id().cast_signed());
    runner.wait().unwrap();
    machine.wait_for_exporter();
    let next = stderr(stage(&machine, &["deployment", "--app-version", "3", "--", "true"]));
    assert!(next.contains("was interrupted at deploy"), "{next}");
    machine.wait_for_exporter();

    let spans = spans(&collector);
    let (build, deploy) = (span_named(&spans, "build"), span_named(&spans, "deploy"));
    let roots: Vec<&Span> = spans.iter().filter(|span| span.name == "deploy shop").collect();
    let killed = roots.iter().find(|root| root.span_id == build.parent_span_id).unwrap();
    assert_eq!((spans.len(), roots.len()), (4, 2), "{spans:?}");
    assert_eq!((&deploy.trace_id, &deploy.parent_span_id), (&killed.trace_id, &killed.span_id));
    for span in [*killed, deploy] {
        let status = span.status.clone().unwrap();
        assert_eq!(status.code, i32::from(StatusCode::Error));
        assert!(status.message.contains("interrupted"), "{status:?}");
        assert!(span.start_time_unix_nano <= span.end_time_unix_nano);
        assert!(build.end_time_unix_nano <= span.end_time_unix_nano);
    }
    // It is in no journal, and counted nowhere.
    assert_eq!(machine.journal().iter().filter(|event| event["stage"] == "deploy").count(), 0);
    assert_eq!(logs(&collector).iter().filter(|log| log.event_name == "dm.event").count(), 2);
}
