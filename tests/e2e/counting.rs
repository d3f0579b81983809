//! Counters are exact: whatever runs at the same time, is killed, or is down, every finished stage is counted once.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use testkit::bin::Machine;
use testkit::fault;
use testkit::prometheus::Prometheus;
use testkit::pushgateway::Pushgateway;
use testkit::server::eventually;
use testkit::trial;

use crate::killing::{KillingProxy, Moment, kill_after};
use crate::stages::{build, stage};

const BUILDS: [&str; 2] = ["stage=\"build\"", "status=\"success\""];

/// A machine that pushes to `gateway`, with a budget that only a failing test exhausts.
fn machine(gateway: &str) -> Machine {
    Machine::new().with("PUSHGATEWAY_URL", gateway).with("DM_EXPORT_BUDGET", "5m")
}

/// Runs a tool, which must succeed without a warning.
fn succeeds(mut command: Command) {
    let output = command.output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
}

fn all_succeed(children: Vec<Child>) {
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    }
}

/// Starts all tools at the same time, as far as a machine can.
fn at_once(commands: impl Iterator<Item = Command>) {
    all_succeed(commands.map(|mut command| command.stderr(Stdio::piped()).spawn().unwrap()).collect());
}

/// The events in the machine's outbox.
fn pending_events(machine: &Machine) -> Vec<String> {
    let groups = std::fs::read_dir(machine.folder().join("state/outbox")).into_iter().flatten().flatten();
    let files = groups.flat_map(|group| std::fs::read_dir(group.path()).unwrap().flatten());
    files.map(|file| file.file_name().into_string().unwrap()).collect()
}

#[test]
fn fifty_tools_at_once_in_one_group() {
    let gateway = Pushgateway::start();
    let machine = machine(&gateway.url());
    at_once((0..50).map(|_| build(&machine)));
    assert_eq!(gateway.value("deployment_total", &BUILDS), 50.0);
    assert_eq!(machine.journal().len(), 50);
}

#[test]
fn two_hundred_stages_and_prometheus_agrees() {
    let gateway = Pushgateway::start();
    let prometheus = Prometheus::scraping(&gateway);
    let machine = machine(&gateway.url());
    // The first run waits until Prometheus has scraped its zero.
    let hold = machine.folder().join("hold");
    assert!(Command::new("mkfifo").arg(&hold).status().unwrap().success());
    let script = format!("read -r _ < {}", hold.display());
    let first =
        stage(&machine, &["build", "--", "bash", "-c", &script]).stderr(Stdio::piped()).spawn().unwrap();
    prometheus.expect("deployment_total{stage=\"build\",status=\"success\"} == 0", 0.0);
    std::fs::write(&hold, b"go\n").unwrap();
    all_succeed(vec![first]);
    for _ in 1..200 {
        succeeds(build(&machine));
    }
    assert_eq!(gateway.value("deployment_total", &BUILDS), 200.0);
    let builds = "deployment_total{stage=\"build\",status=\"success\"}";
    prometheus.expect(&format!("sum({builds})"), 200.0);
    prometheus.expect(&format!("sum(resets({builds}[1h]))"), 0.0);
    // Exact without the extrapolation of increase(), and close to it with the extrapolation.
    prometheus.expect(&format!("sum(max_over_time({builds}[1h]) - min_over_time({builds}[1h]))"), 200.0);
    let [increase] = prometheus.query(&format!("sum(increase({builds}[1h]))")).try_into().unwrap();
    assert!((190.0..300.0).contains(&increase.value), "{increase:?}");
}

#[test]
fn two_machines_that_write_one_group_lose_nothing() {
    let gateway = Pushgateway::start();
    let machines = [machine(&gateway.url()), machine(&gateway.url())];
    std::thread::scope(|scope| {
        for (machine, pause) in machines.iter().zip(["0.29", "0.37"]) {
            scope.spawn(move || {
                for _ in 0..25 {
                    succeeds(stage(machine, &["build", "--", "sleep", pause]));
                }
            });
        }
    });
    for machine in &machines {
        succeeds(stage(machine, &["--flush"]));
    }
    assert_eq!(gateway.value("deployment_total", &BUILDS), 50.0);
}

#[test]
fn events_that_machines_overwrite_at_the_same_instant_are_added_again() {
    const ROUNDS: u32 = 10;
    // The ring has eight tokens, so it can detect no more than that at one instant.
    for at_the_same_instant in [2, 4] {
        let gateway = Pushgateway::start();
        let machines: Vec<Machine> = (0..at_the_same_instant).map(|_| machine(&gateway.url())).collect();
        // Which of several machines created the group at one instant cannot be proven afterwards.
        succeeds(build(&machines[0]));
        let mut lost = 0.0;
        for round in 1..=ROUNDS {
            at_once(machines.iter().map(build));
            let expected = f64::from(1 + round * at_the_same_instant);
            lost += expected - gateway.value("deployment_total", &BUILDS);
            // Each machine's own deployment ends with a read, one after the other.
            for machine in &machines {
                succeeds(stage(machine, &["deployment", "--", "true"]));
            }
            assert_eq!(
                gateway.value("deployment_total", &BUILDS),
                expected,
                "{at_the_same_instant} machines, round {round}"
            );
        }
        let events = ROUNDS * at_the_same_instant;
        println!("{at_the_same_instant} machines: {lost} of {events} overwritten, 0 after the last reads");
        for machine in &machines {
            succeeds(stage(machine, &["--flush"]));
        }
        assert_eq!(
            gateway.value("deployment_total", &["stage=\"deployment\"", "status=\"success\""]),
            f64::from(events)
        );
    }
}

#[test]
fn killed_at_any_moment_the_next_tool_makes_the_counter_exact() {
    let gateway = Pushgateway::start();
    let machine = machine(&gateway.url());
    let started = Instant::now();
    for _ in 0..5 {
        succeeds(build(&machine));
    }
    let whole_run = started.elapsed() / 5;
    let proxy = KillingProxy::new(&gateway);
    let mut states: Vec<String> = Vec::new();
    for moment in [Moment::BeforeRequest, Moment::BeforeAnswer, Moment::OnItsWay] {
        for request in 0.. {
            if !proxy.kills(&mut build(&machine), moment, request) {
                break;
            }
            states.extend(pending_events(&machine));
            if matches!(moment, Moment::OnItsWay) {
                succeeds(build(&machine));
                proxy.deliver();
            }
        }
    }
    // The kills must have hit each state of the protocol.
    for state in [".unsent", ".tried-", ".sent-"] {
        assert!(states.iter().any(|name| name.contains(state)), "no kill left {state}: {states:?}");
    }
    // And at any time between two requests: how many of these hit depends on the machine.
    let (rounds, mut random) = (trial::rounds(100), trial::random());
    let mut killed = 0;
    for _ in 0..rounds {
        let child = build(&machine).stderr(Stdio::null()).spawn().unwrap();
        // From a third of a run to a little over a whole one.
        killed += u32::from(kill_after(whole_run / 3 + whole_run.mul_f64(random.f64()), child));
        gateway.finish_requests_of_the_dead();
    }
    succeeds(build(&machine));
    succeeds(stage(&machine, &["--flush"]));
    let journaled = machine.journal().len();
    println!("{killed} of {rounds} killed at random times, {journaled} events in the journal");
    #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
    let expected = journaled as f64;
    assert_eq!(gateway.value("deployment_total", &BUILDS), expected, "{killed} killed");
    assert_eq!(pending_events(&machine), Vec::<String>::new());
}

#[test]
fn a_state_directory_that_cannot_be_written_does_not_stop_the_push() {
    let gateway = Pushgateway::start();
    let machine = machine(&gateway.url());
    common::fs::atomic::write(&machine.folder().join("a-file"), b"").unwrap();
    for (folder, before) in [("/proc/nowhere", 0.0), ("a-file", 1.0)] {
        let output = build(&machine).env("DM_STATE_DIR", folder).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success());
        assert!(stderr.lines().count() == 1 && stderr.contains("cannot write the journal"), "{stderr}");
        assert_eq!(gateway.value("deployment_total", &BUILDS), before + 1.0, "{folder}");
    }
}

#[test]
fn the_next_deployment_sends_the_events_of_an_outage() {
    let gateway = Pushgateway::start();
    let machine = machine(&gateway.url());
    let script = "dm-stage build -- true && dm-stage deploy -- true && dm-migrate -- true";
    let deployment = || stage(&machine, &["deployment", "--", "bash", "-c", script]);
    let mut down = deployment();
    let output = down.env("PUSHGATEWAY_URL", fault::refused()).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(String::from_utf8_lossy(&output.stderr).matches("not pushed").count(), 1, "{output:?}");
    assert_eq!(pending_events(&machine).len(), 4);

    succeeds(deployment());
    for stage in ["build", "deploy", "migration", "deployment"] {
        let labels = [format!("stage=\"{stage}\""), "status=\"success\"".to_owned()];
        let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
        assert_eq!(gateway.value("deployment_total", &labels), 2.0, "{stage}");
    }
    assert_eq!(gateway.value("time_to_deploy_seconds_count", &[]), 2.0);
    assert_eq!(pending_events(&machine), Vec::<String>::new());
}

#[test]
fn a_gateway_that_lost_its_data_counts_on_from_there() {
    let gateway = Pushgateway::start();
    let prometheus = Prometheus::scraping(&gateway);
    let machine = machine(&gateway.url());
    for _ in 0..3 {
        succeeds(build(&machine));
    }
    let builds = "deployment_total{stage=\"build\",status=\"success\"}";
    prometheus.expect(builds, 3.0);
    let gateway = gateway.restart();
    for _ in 0..2 {
        succeeds(build(&machine));
    }
    assert_eq!(gateway.value("deployment_total", &BUILDS), 2.0);
    prometheus.expect(builds, 2.0);
    prometheus.expect(&format!("resets({builds}[1h])"), 1.0);
    assert!(prometheus.query(&format!("increase({builds}[1h]) < 0")).is_empty());
}

#[test]
fn a_killed_runner_is_not_a_deployment_in_progress() {
    let gateway = Pushgateway::start();
    let prometheus = Prometheus::scraping(&gateway);
    let machine = machine(&gateway.url());
    let mut child =
        stage(&machine, &["deployment", "--deployment-id", "dead", "--", "sleep", "60"]).spawn().unwrap();
    let documented = "sum(deployment_in_progress{job=\"dm_run\"} and on(environment, service, run) \
        (time() - push_time_seconds{job=\"dm_run\"} < 120))";
    prometheus.expect(documented, 1.0);
    child.kill().unwrap();
    child.wait().unwrap();
    // Two minutes later, without waiting for them: the same query, evaluated at that time.
    assert!(prometheus.query_in(documented, Duration::from_secs(121)).is_empty());
    assert_eq!(prometheus.query(documented).len(), 1, "the group itself still exists");

    // Two hours later, by the clock of the machine that deploys next.
    let mut next = stage(&machine, &["deployment", "--deployment-id", "next", "--", "sleep", "0.2"]);
    next.env("LD_PRELOAD", testkit::bin::library("libfaketime.so.1"))
        .env("FAKETIME", "+2h")
        .env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    let output = next.output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && stderr.lines().count() == 1, "{stderr}");
    assert!(stderr.contains("the previous deployment") && stderr.contains("was interrupted"), "{stderr}");
    assert_eq!(gateway.series("deployment_in_progress", &[]), Vec::<String>::new());
}

#[test]
fn heartbeats_come_from_a_run_and_from_a_stage_of_another_machine_s_run() {
    let gateway = Pushgateway::start();
    // One deployment is a stage; the other was started with --start elsewhere, and one of its stages runs here.
    let machines = [machine(&gateway.url()), machine(&gateway.url()).with("DM_HEARTBEAT", "1")];
    let stages = ["deployment", "build"];
    let mut running: Vec<Child> = machines
        .iter()
        .zip(stages)
        .map(|(machine, name)| {
            stage(machine, &[name, "--deployment-id", name, "--", "sleep", "300"]).spawn().unwrap()
        })
        .collect();
    let pushed_at = |name: &str| {
        let run = format!("run=\"{name}\"");
        match gateway.series("push_time_seconds", &["job=\"dm_run\"", &run]).as_slice() {
            [line] => line.rsplit_once(' ').unwrap().1.parse::<f64>().map_err(|error| error.to_string()),
            other => Err(format!("{other:?}")),
        }
    };
    let first = stages.map(|name| eventually("the run's group", || pushed_at(name)));
    for (name, first) in stages.into_iter().zip(first) {
        eventually("a heartbeat", || match pushed_at(name)? {
            later if later > first => Ok(()),
            same => Err(format!("still {same}")),
        });
    }
    for child in &mut running {
        child.kill().unwrap();
        child.wait().unwrap();
    }
}

#[test]
fn series_grow_with_stages_and_never_with_deployments() {
    let gateway = Pushgateway::start();
    let machine = machine(&gateway.url());
    let script =
        "for stage in build deploy health_check smoke_test; do dm-stage $stage -- true || exit 1; done";
    let deploy = |runs: std::ops::Range<u32>| {
        for _ in runs {
            succeeds(stage(&machine, &["deployment", "--app-version", "1", "--", "bash", "-c", script]));
        }
    };
    let series = || {
        let text = gateway.metrics();
        let of_dm = text.lines().filter(|line| line.contains("job=\"dm"));
        // A stage is announced if it takes 20 ms: on a busy machine, these do. One group says which stage began last.
        let (announced, lasting): (Vec<&str>, Vec<&str>) =
            of_dm.partition(|line| line.contains("job=\"dm_stage\""));
        assert!(announced.len() <= 3, "{announced:?}");
        lasting.len()
    };
    deploy(0..2);
    let after_two = series();
    // More events than a ring has tokens.
    let runs = trial::rounds(12).max(10);
    deploy(2..runs);
    // A ring grows to eight tokens, and no further.
    let tokens = |text: &str| text.lines().filter(|line| line.starts_with("dm_recent_event{")).count();
    let text = gateway.metrics();
    assert_eq!(tokens(&text), 5 * 8);
    let rings_grew = tokens(&text) - 5 * 2;
    assert_eq!(series() - rings_grew, after_two);
    assert_eq!(
        gateway.value("deployment_total", &["stage=\"deployment\"", "status=\"success\""]),
        f64::from(runs)
    );
    assert_eq!(gateway.value("deployment_total", &BUILDS), f64::from(runs));
}

#[test]
fn a_gateway_with_a_thousand_foreign_groups_is_read_and_written() {
    // Its check of each push takes as long as all groups together: filling it would take a minute.
    let gateway = Pushgateway::with("127.0.0.1:0", &["--push.disable-consistency-check"]);
    gateway.fill_with_foreign_groups(1000);
    let machine = machine(&gateway.url());
    for _ in 0..3 {
        succeeds(build(&machine));
    }
    assert_eq!(gateway.value("deployment_total", &BUILDS), 3.0);
}
