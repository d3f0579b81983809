//! A service that is no longer deployed leaves nothing behind on the Pushgateway, and takes nothing of others with it.

use std::process::{Command, Output, Stdio};

use testkit::bin::Machine;
use testkit::fault;
use testkit::pushgateway::Pushgateway;
use testkit::server::eventually;

use crate::stages::stage;

fn machine(gateway: &str) -> Machine {
    Machine::new().with("PUSHGATEWAY_URL", gateway).with("DM_EXPORT_BUDGET", "20s")
}

fn deploy(machine: &Machine, service: &str, environment: &str) {
    let mut deployment = stage(machine, &["deployment", "--", "dm-stage", "build", "--", "true"]);
    deployment.env("DM_SERVICE", service).env("DM_ENVIRONMENT", environment);
    assert!(deployment.output().unwrap().status.success());
}

fn retire(machine: &Machine, flags: &[&str]) -> Output {
    let mut command: Command = machine.tool("dm-stage");
    command.arg("--retire").args(flags).env_remove("DM_ENVIRONMENT").output().unwrap()
}

fn stdout(output: Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The number of series of a service in an environment.
fn series(gateway: &Pushgateway, service: &str, environment: &str) -> usize {
    let (service, environment) = (format!("service=\"{service}\""), format!("environment=\"{environment}\""));
    gateway.metrics().lines().filter(|line| line.contains(&service) && line.contains(&environment)).count()
}

#[test]
fn a_retired_service_is_gone_and_others_stay() {
    let gateway = Pushgateway::start();
    let machine = machine(&gateway.url());
    for (service, environment) in [("shop", "production"), ("shop", "staging"), ("shop-2", "production")] {
        deploy(&machine, service, environment);
    }
    gateway.put("job/other/service/shop/environment/production", "theirs 1\n");
    let before = gateway.metrics().lines().filter(|line| line.contains("service=\"shop")).count();
    let planned = stdout(retire(&machine, &["shop", "--dry-run"]));
    assert!(
        planned
            .lines()
            .any(|line| line == "job=dm_counters environment=production service=shop stage=build slot=0"),
        "{planned}"
    );
    assert!(!planned.contains("shop-2") && !planned.contains("job=other"), "{planned}");
    let after = gateway.metrics().lines().filter(|line| line.contains("service=\"shop")).count();
    assert_eq!(after, before, "a dry run deletes nothing");

    let deleted = stdout(retire(&machine, &["shop", "--environment", "staging"]));
    assert!(deleted.lines().all(|line| line.contains("environment=staging")), "{deleted}");
    assert_eq!(series(&gateway, "shop", "staging"), 0);
    assert!(series(&gateway, "shop", "production") > 10);
    stdout(retire(&machine, &["shop"]));
    // The value, and two times of the push, of the group that is not ours.
    assert_eq!(series(&gateway, "shop", "production"), 3);
    assert!(series(&gateway, "shop-2", "production") > 10);
    assert_eq!(stdout(retire(&machine, &["shop"])), "", "nothing is left");
    assert_eq!(machine.journal().iter().filter(|event| event["service"] == "shop").count(), 4);
}

#[test]
fn events_that_wait_do_not_bring_a_retired_service_back() {
    let gateway = Pushgateway::start();
    let machine = machine(&gateway.url());
    let mut unsent = stage(&machine, &["build", "--", "true"]);
    unsent.env("PUSHGATEWAY_URL", fault::refused()).output().unwrap();
    let retired = stdout(retire(&machine, &["shop"]));
    assert!(retired.contains("events that wait on this machine"), "{retired}");
    assert!(stage(&machine, &["--flush"]).status().unwrap().success());
    assert_eq!(series(&gateway, "shop", "production"), 0);
}

#[test]
fn a_service_that_is_being_deployed_is_not_retired() {
    let gateway = Pushgateway::start();
    let machine = machine(&gateway.url());
    let mut deployment = stage(&machine, &["deployment", "--", "cat"]);
    let mut child = deployment.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    eventually("the deployment is announced", || match series(&gateway, "shop", "production") {
        0 => Err("it is not".to_owned()),
        _ => Ok(()),
    });
    let refused = retire(&machine, &["shop"]);
    let stderr = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(125), "{stderr}");
    assert!(
        stderr.contains("shop is not retired") && stderr.contains("a deployment is in progress"),
        "{stderr}"
    );
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
    assert_ne!(stdout(retire(&machine, &["shop"])), "");
}

#[test]
fn without_a_pushgateway_there_is_an_error() {
    let output = retire(&machine("disabled"), &["shop"]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(125));
    assert!(stderr.contains("no Pushgateway") && stderr.lines().count() == 1, "{stderr}");
}
