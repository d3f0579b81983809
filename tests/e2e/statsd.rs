//! StatsD: each event is a datagram or a few, and a server that is not there costs nothing.

use std::collections::BTreeMap;
use std::net::UdpSocket;
use std::os::unix::net::UnixDatagram;

use testkit::bin::Machine;

use crate::stages::stage;

/// A line: its name, value and type, and its tags.
type Metric = (String, BTreeMap<String, String>);

fn metrics(datagrams: &[String]) -> Vec<Metric> {
    let lines = datagrams.iter().flat_map(|datagram| datagram.lines());
    let read = |line: &str| {
        let (metric, tags) = line.split_once("|#").unwrap();
        let pairs = tags.split(',').map(|tag| {
            let (name, value) = tag.split_once(':').unwrap();
            (name.to_owned(), value.to_owned())
        });
        (metric.to_owned(), pairs.collect())
    };
    lines.map(read).collect()
}

/// The datagrams that have arrived: all of a tool's are there when it has ended.
fn received(mut receive: impl FnMut(&mut [u8]) -> std::io::Result<usize>) -> Vec<String> {
    let mut buffer = vec![0; 65_536];
    let mut datagrams = Vec::new();
    while let Ok(length) = receive(&mut buffer) {
        datagrams.push(String::from_utf8(buffer[..length].to_vec()).unwrap());
    }
    datagrams
}

fn has(metrics: &[Metric], wanted: &str, tags: &[(&str, &str)]) -> bool {
    metrics.iter().any(|(metric, own)| {
        metric == wanted && tags.iter().all(|(name, value)| own.get(*name).is_some_and(|it| it == value))
    })
}

#[test]
fn a_deployment_is_counted_by_datagrams_that_fit_into_a_packet() {
    let server = UdpSocket::bind("127.0.0.1:0").unwrap();
    server.set_nonblocking(true).unwrap();
    let machine = Machine::new()
        .with("DM_STATSD", &format!("udp://{}", server.local_addr().unwrap()))
        .with("DM_RUNNER_PRICE_PER_MINUTE", "6")
        .with("DM_VERSION", "1.0|c#admin:yes,x");
    let script = "dm-stage build -- true; dm-stage deploy -- sh -c 'exit 3'";
    let output = stage(&machine, &["deployment", "--", "sh", "-c", script]).output().unwrap();
    assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stderr)), (Some(3), "".into()));
    let datagrams = received(|buffer| server.recv(buffer));
    assert!(datagrams.iter().all(|datagram| datagram.len() <= 1432), "{datagrams:?}");
    let metrics = metrics(&datagrams);
    let own = [("service", "shop"), ("environment", "production")];
    for (stage, status) in [("build", "success"), ("deploy", "failure"), ("deployment", "failure")] {
        let tags = [own.as_slice(), &[("stage", stage), ("status", status)]].concat();
        assert!(has(&metrics, "deployment_total:1|c", &tags), "{stage}: {metrics:?}");
    }
    let observed = |name: &str| metrics.iter().filter(|(metric, _)| metric.starts_with(name)).count();
    assert!(
        metrics
            .iter()
            .any(|(metric, _)| metric.starts_with("time_to_deploy_seconds:") && metric.ends_with("|h"))
    );
    assert_eq!(observed("deployment_cost_dollars:"), 3);
    assert!(has(
        &metrics,
        "deployment_errors_total:1|c",
        &[("stage", "deploy"), ("error_type", "exit_code")]
    ));
    // What a label contains adds no tag.
    assert!(
        metrics.iter().all(|(_, tags)| !tags.contains_key("admin") && !tags.contains_key("x")),
        "{metrics:?}"
    );
}

#[test]
fn a_socket_of_this_machine_gets_the_same() {
    let machine = Machine::new();
    let path = machine.folder().join("dsd.socket");
    let server = UnixDatagram::bind(&path).unwrap();
    server.set_nonblocking(true).unwrap();
    let machine = machine.with("DM_STATSD", &format!("unix://{}", path.display()));
    assert!(stage(&machine, &["build", "--", "true"]).status().unwrap().success());
    let metrics = metrics(&received(|buffer| server.recv(buffer)));
    assert!(
        has(&metrics, "deployment_total:1|c", &[("stage", "build"), ("status", "success")]),
        "{metrics:?}"
    );
}

#[test]
fn a_server_that_is_not_there_changes_no_outcome() {
    let gone = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for (address, warning) in [
        (format!("{gone}"), None),
        ("unix:///nowhere/dsd.socket".to_owned(), Some("not sent to StatsD at /nowhere/dsd.socket")),
        ("statsd".to_owned(), Some("DM_STATSD is \"statsd\", not an address such as udp://127.0.0.1:8125")),
        ("no-such-host.invalid:8125".to_owned(), Some("not sent to StatsD at no-such-host.invalid:8125")),
    ] {
        let machine = Machine::new().with("DM_STATSD", &address);
        let output = stage(&machine, &["build", "--", "sh", "-c", "exit 3"]).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(3), "{stderr}");
        match warning {
            Some(warning) => assert!(stderr.contains(warning) && stderr.lines().count() == 1, "{stderr}"),
            None => assert_eq!(stderr, ""),
        }
    }
}
