//! The events and counters of machines that share nothing but a state: whoever dies, the next one pushes for it.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use common::clock::{Clock as _, SystemClock};
use serde_json::Value;
use tempfile::TempDir;
use testkit::bin::Machine;
use testkit::fault;
use testkit::pushgateway::Pushgateway;
use testkit::trial;

use crate::killing::{KillingProxy, Moment, kill_after};
use crate::stages::{build, stage};

const BUILDS: [&str; 2] = ["stage=\"build\"", "status=\"success\""];

/// A fresh machine that shares its state in `store`.
fn runner(store: &Path, gateway: &str) -> Machine {
    Machine::new()
        .with("DM_STATE_URL", &format!("file://{}", store.display()))
        .with("PUSHGATEWAY_URL", gateway)
        .with("DM_EXPORT_BUDGET", "2m")
}

/// Runs a tool, which must succeed without a warning. Returns its output.
fn succeeds(mut command: Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn document(store: &Path) -> Value {
    let path = store.join("production/shop/state.json");
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// The ids of all events in the store, each of which must be there once.
fn stored_events(store: &Path, stage: &str) -> usize {
    let mut events = document(store)["events"].as_array().unwrap().clone();
    for segment in std::fs::read_dir(store.join("production/shop/sealed")).into_iter().flatten().flatten() {
        if segment.path().extension().is_some_and(|end| end == "json") {
            let segment: Value = serde_json::from_slice(&std::fs::read(segment.path()).unwrap()).unwrap();
            events.extend(segment["events"].as_array().unwrap().clone());
        }
    }
    let events: Vec<&Value> = events.iter().filter(|event| event["stage"] == stage).collect();
    let ids: BTreeSet<&str> = events.iter().map(|event| event["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), events.len(), "an event is in the store twice");
    ids.len()
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
fn assert_counted(gateway: &Pushgateway, store: &Path) {
    assert_eq!(gateway.value("deployment_total", &BUILDS), stored_events(store, "build") as f64);
}

#[test]
fn two_machines_see_each_other_s_stages() {
    let (store, gateway) = (TempDir::new().unwrap(), Pushgateway::start());
    let machines = [(); 2].map(|()| runner(store.path(), &gateway.url()).with("DM_DEPLOYMENT_ID", "d-1"));
    succeeds(build(&machines[0]));
    succeeds(stage(&machines[1], &["deploy", "--", "true"]));
    for machine in &machines {
        let timeline = succeeds(stage(machine, &["--timeline"]));
        assert!(timeline.contains("shop/build") && timeline.contains("shop/deploy"), "{timeline}");
    }
}

#[test]
fn a_deployment_that_began_on_another_machine_has_a_duration() {
    let (store, gateway) = (TempDir::new().unwrap(), Pushgateway::start());
    let machine = || runner(store.path(), &gateway.url()).with("DM_DEPLOYMENT_ID", "d-1");
    succeeds(stage(&machine(), &["deployment", "--start"]));
    succeeds(stage(&machine(), &["deployment", "--finish", "success"]));
    assert_eq!(gateway.value("time_to_deploy_seconds_count", &[]), 1.0);
}

#[test]
fn the_next_runner_pushes_what_a_runner_that_is_gone_could_not() {
    let (store, gateway) = (TempDir::new().unwrap(), Pushgateway::start());
    // The service was deployed without a shared state before.
    for _ in 0..3 {
        succeeds(build(&Machine::new().with("PUSHGATEWAY_URL", &gateway.url())));
    }
    let output = build(&runner(store.path(), &fault::refused())).output().unwrap();
    assert!(output.status.success() && String::from_utf8_lossy(&output.stderr).contains("not pushed"));
    for expected in [5.0, 6.0] {
        succeeds(build(&runner(store.path(), &gateway.url())));
        assert_eq!(gateway.value("deployment_total", &BUILDS), expected);
    }
}

#[test]
fn what_waited_for_the_gateway_before_the_state_was_shared_is_counted_once() {
    let (store, gateway) = (TempDir::new().unwrap(), Pushgateway::start());
    let machine = Machine::new().with("DM_EXPORT_BUDGET", "2m");
    // One is counted, two could not be sent.
    let with_flag = |url: &str| {
        let mut command = machine.tool("dm-stage");
        command.args(["build", "--require-export", "--", "true"]).env("PUSHGATEWAY_URL", url);
        command.stdin(Stdio::null()).output().unwrap()
    };
    assert!(with_flag(&gateway.url()).status.success());
    for _ in 0..2 {
        with_flag(&fault::refused());
    }
    let machine = machine.with("DM_STATE_URL", &format!("file://{}", store.path().display()));
    let machine = machine.with("PUSHGATEWAY_URL", &gateway.url());
    for expected in [4.0, 5.0] {
        succeeds(stage(&machine, &["build", "--require-export", "--", "true"]));
        assert_eq!(gateway.value("deployment_total", &BUILDS), expected);
    }
    // The first one was in the total that the state began with.
    assert_eq!(stored_events(store.path(), "build"), 4);
}

#[test]
fn the_tools_of_a_deployment_renew_the_lease_that_it_holds_between_them() {
    let (store, gateway) = (TempDir::new().unwrap(), Pushgateway::start());
    let machine =
        |deployment: &str| runner(store.path(), &gateway.url()).with("DM_DEPLOYMENT_ID", deployment);
    let nonce = || document(store.path())["lease"]["nonce"].clone();
    succeeds(stage(&machine("d-1"), &["deployment", "--start", "--exclusive"]));
    let first = nonce();
    succeeds(build(&machine("d-2")));
    assert_eq!(nonce(), first);
    succeeds(build(&machine("d-1")));
    let second = nonce();
    assert!(second.is_string() && second != first);
    // A person ends a deployment whose machines are gone.
    succeeds(stage(&machine("d-1"), &["deployment", "--finish", "cancelled", "--exclusive"]));
    assert!(nonce().is_null());
}

#[test]
fn a_store_that_cannot_be_used_is_one_warning_and_the_event_is_shared_later() {
    let (store, gateway) = (TempDir::new().unwrap(), Pushgateway::start());
    let folder = store.path().join("store");
    common::fs::atomic::write(&folder, b"a file, not a folder").unwrap();
    let machine = runner(&folder, &gateway.url());
    let mut stderr = String::new();
    for _ in 0..3 {
        let output = stage(&machine, &["build", "--", "sh", "-c", "exit 3"]).output().unwrap();
        assert_eq!(output.status.code(), Some(3));
        stderr += &String::from_utf8(output.stderr).unwrap();
    }
    assert_eq!(stderr.matches("not shared").count(), 1, "{stderr}");
    std::fs::remove_file(&folder).unwrap();
    succeeds(stage(&machine, &["--flush"]));
    assert_eq!(gateway.value("deployment_total", &["stage=\"build\"", "status=\"failure\""]), 3.0);
    assert_eq!(stored_events(&folder, "build"), 3);
}

#[test]
fn the_stages_of_a_deployment_reach_the_store_in_one_write() {
    let (store, gateway) = (TempDir::new().unwrap(), Pushgateway::start());
    let machine = runner(store.path(), &gateway.url());
    let script = "for n in 1 2 3 4 5 6 7 8; do dm-stage stage$n -- true || exit 1; done";
    succeeds(stage(&machine, &["deployment", "--", "sh", "-c", script]));
    let document = document(store.path());
    assert_eq!((document["sequence"].as_u64(), document["events"].as_array().unwrap().len()), (Some(1), 9));
    for number in 1..=8 {
        let labels = [&*format!("stage=\"stage{number}\""), "status=\"success\""];
        assert_eq!(gateway.value("deployment_total", &labels), 1.0);
    }
}

#[test]
fn a_damaged_counter_heals_with_the_next_push() {
    let (store, gateway) = (TempDir::new().unwrap(), Pushgateway::start());
    succeeds(build(&runner(store.path(), &gateway.url())));
    let url = format!(
        "{}/metrics/job/dm_counters/environment/production/service/shop/stage/build/slot/0",
        gateway.url()
    );
    let body = "# TYPE deployment_total counter\ndeployment_total{status=\"success\"} NaN\n";
    reqwest::blocking::Client::new().put(url).body(body).send().unwrap().error_for_status().unwrap();
    succeeds(build(&runner(store.path(), &gateway.url())));
    assert_eq!(gateway.value("deployment_total", &BUILDS), 2.0);
}

#[test]
fn runners_that_are_killed_at_any_moment_lose_and_repeat_nothing() {
    let (store, gateway) = (TempDir::new().unwrap(), Pushgateway::start());
    let started = Instant::now();
    succeeds(build(&runner(store.path(), &gateway.url())));
    let whole_run = started.elapsed();
    // After the store, before or after each request to the gateway.
    let proxy = KillingProxy::new(&gateway);
    for moment in [Moment::BeforeRequest, Moment::BeforeAnswer] {
        for request in 0.. {
            let machine = runner(store.path(), &gateway.url());
            if !proxy.kills(&mut build(&machine), moment, request) {
                break;
            }
        }
    }
    let mut random = trial::random();
    for at_once in [2, 8, 32] {
        for _ in 0..trial::rounds(2) {
            let machines: Vec<Machine> = (0..at_once).map(|_| runner(store.path(), &gateway.url())).collect();
            let killed: usize = std::thread::scope(|scope| {
                let threads: Vec<_> = machines
                    .iter()
                    .map(|machine| {
                        let delay =
                            whole_run.mul_f64(random.f64() * f64::from(at_once)) + Duration::from_millis(1);
                        scope.spawn(move || {
                            kill_after(delay, build(machine).stderr(Stdio::null()).spawn().unwrap())
                        })
                    })
                    .collect();
                threads.into_iter().map(|thread| usize::from(thread.join().unwrap())).sum()
            });
            println!("{killed} of {at_once} killed");
        }
        // The next deployment, on a fresh runner.
        succeeds(stage(&runner(store.path(), &gateway.url()), &["deployment", "--", "true"]));
        assert_counted(&gateway, store.path());
    }
}

#[test]
fn a_rollback_knows_the_newer_deployment_of_another_machine() {
    let (store, gateway) = (TempDir::new().unwrap(), Pushgateway::start());
    let [machine, _] = ["d-1", "d-2"].map(|deployment| {
        let machine = runner(store.path(), &gateway.url())
            .with("DM_DEPLOYMENT_ID", deployment)
            .with("DM_VERSION", deployment);
        succeeds(stage(&machine, &["deployment", "--", "true"]));
        machine
    });
    let output = roll_back(&machine, &[], &["touch", "never"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(11), "{said}");
    assert!(said.contains("deployment d-2 began at") && said.contains("after d-1"), "{said}");
}

/// Judges a deployment that is not healthy.
fn roll_back(machine: &Machine, flags: &[&str], command: &[&str]) -> Output {
    let mut rollback = machine.tool("dm-rollback");
    let now = SystemClock.now().to_rfc3339();
    let start = format!(r#"{{"v":1,"type":"start","tool":"dm-health","deployment":"","ts":"{now}"}}"#);
    let end = format!(r#"{{"v":1,"type":"end","ts":"{now}","exit":1,"records":0}}"#);
    rollback.arg("--if-health-fails").args(flags).arg("--").args(command);
    rollback.stdin(Stdio::piped()).stderr(Stdio::piped());
    let mut child = rollback.stdout(Stdio::null()).spawn().unwrap();
    writeln!(child.stdin.take().unwrap(), "{start}\n{end}").unwrap();
    child.wait_with_output().unwrap()
}

#[test]
fn a_rollback_without_the_shared_state_reaches_it_with_the_next_stage_or_flush() {
    let (store, gateway) = (TempDir::new().unwrap(), Pushgateway::start());
    let path = store.path().join("production/shop/state.json");
    let of_deployment = |deployment: &str| {
        runner(store.path(), &gateway.url())
            .with("DM_DEPLOYMENT_ID", deployment)
            .with("DM_VERSION", deployment)
    };
    succeeds(build(&of_deployment("d-0")));
    for (deployment, words) in
        [("d-1", &["--flush"][..]), ("d-2", &["build", "--require-export", "--", "true"])]
    {
        let good = std::fs::read(&path).unwrap();
        common::fs::atomic::write(&path, b"damaged").unwrap();
        let machine = of_deployment(deployment);
        let flags = ["--act-without-state", "--target", "1", "--cool-down", "0s"];
        roll_back(&machine, &flags, &["true"]);
        let flush = stage(&machine, &["--flush"]).output().unwrap();
        let said = String::from_utf8_lossy(&flush.stderr);
        assert!(
            !flush.status.success() && said.contains("2 ledger entries of shop in production wait in"),
            "{said}"
        );
        common::fs::atomic::write(&path, &good).unwrap();
        assert!(stage(&machine, words).status().unwrap().success());
        let ledger = document(store.path())["ledger"].as_array().unwrap().clone();
        let of_this: Vec<&Value> = ledger.iter().filter(|entry| entry["deployment"] == deployment).collect();
        let kinds: Vec<&str> = of_this.iter().map(|entry| entry["type"].as_str().unwrap()).collect();
        assert_eq!(kinds, ["intent", "outcome"]);
    }
}

#[test]
fn a_report_goes_back_to_events_that_have_left_the_document() {
    let folder = tempfile::tempdir().unwrap();
    let machine = || runner(folder.path(), "disabled");
    succeeds(stage(&machine(), &["deployment", "--deployment-id", "d-new", "--", "true"]));
    let mut state = document(folder.path());
    let shop = folder.path().join("production/shop");
    std::fs::create_dir_all(shop.join("sealed")).unwrap();
    for (number, days) in [40, 20, 10].into_iter().enumerate() {
        let mut event = state["events"][0].clone();
        let ts = SystemClock.now() - chrono::TimeDelta::days(days);
        event["ts"] = ts.to_rfc3339().into();
        event["id"] = format!("{number:016x}").into();
        event["deployment"] = format!("d-{days}").into();
        let segment = serde_json::json!({"v": 1, "ledger": [], "events": [event]});
        common::fs::atomic::write(
            &shop.join(format!("sealed/{number:010}.json")),
            segment.to_string().as_bytes(),
        )
        .unwrap();
    }
    state["sealed"] = 3.into();
    common::fs::atomic::write(&shop.join("state.json"), state.to_string().as_bytes()).unwrap();

    for (last, expected) in [("15d", 2), ("30d", 3), ("60d", 4)] {
        let history = succeeds(stage(&machine(), &["--history", "--since", last]));
        assert_eq!(history.lines().count(), expected + 1, "{last}: {history}");
        let report = succeeds(stage(&machine(), &["--report", "-", "--last", last]));
        let figure = format!("<dt>Deployments</dt><dd><data value=\"{expected}.0\">");
        assert!(report.contains(&figure), "{last}: {report}");
    }
}
