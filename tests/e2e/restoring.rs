//! The time to restore: an outage is counted once, whatever machines the deployments ran on, and whatever was killed.

use std::process::{Command, Stdio};
use std::time::Instant;

use chrono::{DateTime, Utc};
use serde_json::Value;
use testkit::bin::Machine;
use testkit::fault;
use testkit::pushgateway::Pushgateway;
use testkit::sample::Sample;
use testkit::trial;

use crate::killing::{KillingProxy, Moment, kill_after};

const LENGTH: &str = "deployment_time_to_restore_seconds_sum";
const NUMBER: &str = "deployment_time_to_restore_seconds_count";
const SINCE: &str = "deployment_failing_since_timestamp_seconds";

fn machine(gateway: &Pushgateway) -> Machine {
    Machine::new().with("PUSHGATEWAY_URL", &gateway.url()).with("DM_EXPORT_BUDGET", "5m")
}

fn deployment(machine: &Machine, script: &str) -> Command {
    let mut command = machine.tool("dm-stage");
    command.args(["deployment", "--", "bash", "-c", script]).stdin(Stdio::null());
    command
}

/// Runs a deployment; returns its start and its end, in seconds since the epoch.
fn deploy(machine: &Machine, script: &str, code: i32) -> (f64, f64) {
    let output = deployment(machine, script).output().unwrap();
    assert_eq!(output.status.code(), Some(code), "{output:?}");
    let event = machine.journal().into_iter().rfind(|event| event["stage"] == "deployment").unwrap();
    (ended(&event) - event["duration_s"].as_f64().unwrap(), ended(&event))
}

fn ended(event: &Value) -> f64 {
    let at: DateTime<Utc> = event["ts"].as_str().unwrap().parse().unwrap();
    (at - DateTime::UNIX_EPOCH).as_seconds_f64()
}

fn assert_near(value: f64, expected: f64) {
    // The times of events are whole milliseconds.
    assert!((value - expected).abs() < 0.002, "{value}, not {expected}");
}

#[test]
fn an_outage_is_counted_once_if_each_deployment_has_its_own_machine() {
    let gateway = Pushgateway::start();
    deploy(&machine(&gateway), "true", 0);
    assert_near(gateway.value(SINCE, &[]), 0.0);
    let (began, _) = deploy(&machine(&gateway), "exit 1", 1);
    deploy(&machine(&gateway), "exit 2", 2);
    assert_near(gateway.value(SINCE, &[]), began);
    assert_eq!(gateway.series(NUMBER, &[]), [""; 0], "no outage has ended");
    let (_, ended) = deploy(&machine(&gateway), "true", 0);
    deploy(&machine(&gateway), "true", 0);
    assert_near(gateway.value(NUMBER, &[]), 1.0);
    assert_near(gateway.value(LENGTH, &[]), ended - began);
    assert_near(gateway.value(SINCE, &[]), 0.0);
}

#[test]
fn a_rollback_within_the_deployment_that_failed_ends_the_outage() {
    let (gateway, sample) = (Pushgateway::start(), Sample::start(100));
    let machine = machine(&gateway).with("DM_BUCKET", "100ms");
    let script = format!(
        "set -o pipefail; dm-health --url {} --interval 10ms --max-fail 3 --format jsonl |
            dm-rollback --if-health-fails --verify-url {} -- {}",
        sample.orders(),
        sample.health(),
        sample.roll_back(&machine)
    );
    let (began, _) = deploy(&machine, &script, 10);
    let rollback = machine.journal().into_iter().find(|event| event["type"] == "rollback").unwrap();
    assert_near(gateway.value(LENGTH, &[]), ended(&rollback) - began);
    deploy(&machine, "true", 0);
    assert_near(gateway.value(NUMBER, &[]), 1.0);
}

#[test]
fn outages_are_found_in_order_if_the_gateway_was_down_meanwhile() {
    let gateway = Pushgateway::start();
    let machine = machine(&gateway);
    let deploy_without_gateway =
        |script| deployment(&machine, script).env("PUSHGATEWAY_URL", fault::refused()).output().unwrap();
    for script in ["exit 1", "true", "exit 1", "exit 1"] {
        deploy_without_gateway(script);
    }
    deploy(&machine, "true", 0);
    assert_near(gateway.value(NUMBER, &[]), 2.0);
}

#[test]
fn killed_at_any_moment_each_outage_is_counted_once() {
    let gateway = Pushgateway::start();
    let machine = machine(&gateway);
    let started = Instant::now();
    for _ in 0..5 {
        deploy(&machine, "true", 0);
    }
    let whole_run = started.elapsed() / 5;
    let proxy = KillingProxy::new(&gateway);
    for moment in [Moment::BeforeRequest, Moment::BeforeAnswer, Moment::OnItsWay] {
        for request in 0.. {
            deploy(&machine, "exit 1", 1);
            if !proxy.kills(&mut deployment(&machine, "true"), moment, request) {
                break;
            }
            if matches!(moment, Moment::OnItsWay) {
                deploy(&machine, "exit 1", 1);
                proxy.deliver();
            }
        }
    }
    let (rounds, mut random) = (trial::rounds(25), trial::random());
    let mut killed = 0;
    for _ in 0..rounds {
        deploy(&machine, "exit 1", 1);
        let child = deployment(&machine, "true").stderr(Stdio::null()).spawn().unwrap();
        killed += u32::from(kill_after(whole_run / 3 + whole_run.mul_f64(random.f64()), child));
        // A request that arrived after the next deployment's would replace the state that this one has left.
        gateway.finish_requests_of_the_dead();
    }
    deploy(&machine, "true", 0);
    // A deployment after a killed one also records its start.
    let is_result = |event: &Value| event["type"] != "start";
    let journal: Vec<Value> = machine.journal().into_iter().filter(is_result).collect();
    let is_good = |event: &Value| event["status"] == "success";
    let repairs = journal.windows(2).filter(|pair| !is_good(&pair[0]) && is_good(&pair[1])).count();
    println!("{killed} of {rounds} killed at random times, {repairs} outages ended");
    #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
    let repairs = repairs as f64;
    assert_near(gateway.value(NUMBER, &[]), repairs);
}
