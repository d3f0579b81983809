//! The detached export: no tool waits for the gateway, nothing is lost or left behind, and a failure is reported once.

use std::fs::File;
use std::io::Write as _;
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use testkit::bin::Machine;
use testkit::fault::{self, Recording, Request};
use testkit::gate::Gate;
use testkit::process::{exporters, kill_all};
use testkit::proxy::{self, Fate};
use testkit::pushgateway::Pushgateway;
use testkit::server::eventually;
use testkit::trial;

use crate::stages::{build, stage};

const BUILDS: [&str; 2] = ["stage=\"build\"", "status=\"success\""];

fn machine(gateway: &str) -> Machine {
    Machine::new().with("PUSHGATEWAY_URL", gateway).with("DM_EXPORT", "detached")
}

/// Runs a tool, which must succeed; returns what it wrote to stderr.
fn succeeds(mut command: Command) -> String {
    let Output { status, stderr, .. } = command.output().unwrap();
    let stderr = String::from_utf8(stderr).unwrap();
    assert!(status.success(), "{stderr}");
    stderr
}

/// The events that were never sent, or whose PUT was never acknowledged.
fn unsent(machine: &Machine) -> Vec<String> {
    let groups = std::fs::read_dir(machine.folder().join("state/outbox")).into_iter().flatten().flatten();
    let files = groups.flat_map(|group| std::fs::read_dir(group.path()).unwrap().flatten());
    let names = files.map(|file| file.file_name().into_string().unwrap());
    names.filter(|name| !name.contains(".sent-")).collect()
}

/// A proxy in front of the gateway that answers nothing before the gate is open.
fn held(gateway: &Pushgateway) -> (Recording, Gate) {
    let gate = Gate::default();
    let server = {
        let gate = gate.clone();
        proxy::start(gateway.address(), move |_| {
            gate.pass();
            Fate::Passes
        })
    };
    (server, gate)
}

#[test]
fn nobody_who_waits_for_a_stage_waits_for_its_gateway() {
    let gateway = Pushgateway::start();
    let (held, gate) = held(&gateway);
    let machine = machine(&held.url);
    // The substitution ends, and then the test's own pipes, although the script passes on more descriptors.
    let script = "exec 7>&1 8>&2; out=$(dm-stage build -- echo built); echo \"got $out\" | cat";
    let output = machine.shell(script).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "got built\n");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    for _ in 0..4 {
        assert_eq!(succeeds(build(&machine)), "");
    }
    // One exporter for all of them. It belongs to no session and no folder of ours.
    let [exporter] = machine.exporters().try_into().unwrap();
    let stat = std::fs::read_to_string(format!("/proc/{exporter}/stat")).unwrap();
    let session: i32 = stat.rsplit_once(')').unwrap().1.split_whitespace().nth(3).unwrap().parse().unwrap();
    assert_eq!(session, exporter);
    assert_eq!(machine.journal().len(), 5);
    gate.open();
    machine.wait_for_exporter();
    assert_eq!(gateway.value("deployment_total", &BUILDS), 5.0);
    assert_eq!((machine.exporters(), unsent(&machine)), (vec![], vec![]));
}

#[test]
fn every_tool_leaves_its_export_to_an_exporter() {
    let gateway = Pushgateway::start();
    let (held, gate) = held(&gateway);
    let machine = machine(&held.url);
    for (tool, words, code) in [
        ("dm-stage", &["build", "--skip", "nothing changed"][..], 0),
        ("dm-health", &["--url", &format!("{}/-/healthy", gateway.url())][..], 0),
        ("dm-migrate", &["--", "true"][..], 0),
        ("dm-rollback", &["--if-error-rate", "5", "--dry-run"][..], 3),
    ] {
        let mut command = machine.tool(tool);
        let output = command.args(words).stdin(Stdio::null()).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{tool}: {output:?}");
    }
    gate.open();
    machine.wait_for_exporter();
    for stage in ["build", "health_check", "migration", "rollback"] {
        // The token of the one event that was counted.
        let tokens = gateway.series("dm_recent_event", &[&format!("stage=\"{stage}\"")]);
        assert_eq!(tokens.len(), 1, "{stage}: {tokens:?}");
    }
    assert_eq!(gateway.series("database_migration_in_progress", &[]), [""; 0]);
}

#[test]
fn a_deployment_ends_with_everything_pushed() {
    let gateway = Pushgateway::start();
    let machine = machine(&gateway.url()).with("DM_EXPORT_BUDGET", "5m");
    let script = "dm-stage build -- true && dm-stage deploy -- true";
    for round in 1..=3 {
        assert_eq!(succeeds(stage(&machine, &["deployment", "--", "bash", "-c", script])), "");
        for name in ["build", "deploy", "deployment"] {
            let labels = [format!("stage=\"{name}\""), "status=\"success\"".to_owned()];
            let labels = labels.each_ref().map(String::as_str);
            assert_eq!(gateway.value("deployment_total", &labels), f64::from(round), "{name}");
        }
    }
    machine.wait_for_exporter();
    assert_eq!(gateway.series("deployment_in_progress", &[]), [""; 0]);
}

#[test]
fn fifty_stages_at_once_are_counted_and_flush_waits_for_the_exporter() {
    let gateway = Pushgateway::start();
    let machine = machine(&gateway.url()).with("DM_EXPORT_BUDGET", "5m");
    let children: Vec<_> = (0..50).map(|_| build(&machine).stderr(Stdio::piped()).spawn().unwrap()).collect();
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    }
    assert_eq!(succeeds(stage(&machine, &["--flush"])), "");
    assert_eq!(gateway.value("deployment_total", &BUILDS), 50.0);
    assert_eq!(machine.exporters(), [0; 0]);
}

#[test]
fn a_hundred_stages_before_a_slow_gateway() {
    let gateway = Pushgateway::start();
    let slow = proxy::start(gateway.address(), |_| Fate::IsLate(Duration::from_millis(300)));
    let machine = machine(&slow.url);
    for _ in 0..100 {
        assert_eq!(succeeds(build(&machine)), "");
    }
    machine.wait_for_exporter();
    assert_eq!(gateway.value("deployment_total", &BUILDS), 100.0, "{:?}", unsent(&machine));
    assert!(!machine.folder().join("state/gateway.down").exists());
}

#[test]
fn the_next_tool_reports_a_failed_export_once() {
    let machine = machine(&fault::refused());
    assert_eq!(succeeds(build(&machine)), "");
    machine.wait_for_exporter();
    let stderr = succeeds(build(&machine));
    assert!(stderr.starts_with("dm-stage: not pushed to http://127.0.0.1:"), "{stderr}");
    assert!(stderr.contains("yet: Connection refused") && stderr.lines().count() == 1, "{stderr}");
    // The gateway was found down a moment ago.
    assert_eq!(succeeds(build(&machine)), "");
    assert_eq!((machine.exporters(), unsent(&machine).len()), (vec![], 3));
}

#[test]
fn an_exporter_gives_up_a_gateway_that_never_answers() {
    let machine = machine(&fault::hanging());
    assert_eq!(succeeds(build(&machine)), "");
    // The kernel shows the arguments of a new process a moment after it has begun.
    eventually("an exporter runs", || match machine.exporters().len() {
        1 => Ok(()),
        number => Err(number.to_string()),
    });
    machine.wait_for_exporter();
    eventually("no process is left behind", || match machine.exporters().as_slice() {
        [] => Ok(()),
        left => Err(format!("{left:?}")),
    });
    assert!(succeeds(build(&machine)).contains("not pushed to"));
    assert_eq!(machine.exporters(), [0; 0]);
}

#[test]
fn required_exports_are_waited_for() {
    let machine = machine(&fault::refused());
    let output = stage(&machine, &["build", "--require-export", "--", "true"]).output().unwrap();
    assert_eq!(output.status.code(), Some(125));
    assert_eq!(machine.exporters(), [0; 0]);
}

/// When an exporter is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Moment {
    /// The gateway does not receive the request.
    BeforeRequest,
    /// The gateway has received the request; the exporter does not receive the answer.
    BeforeAnswer,
}

#[test]
fn killed_at_any_moment_an_exporter_loses_and_repeats_nothing() {
    let gateway = Pushgateway::start();
    let direct = machine(&gateway.url()).with("DM_EXPORT_BUDGET", "5m");
    let state = direct.folder().join("state");
    // Counts down the requests until the exporter is killed.
    let plan: Arc<Mutex<Option<(Moment, usize)>>> = Arc::default();
    let (shared, address) = (Arc::clone(&plan), gateway.address().to_owned());
    let killer = Recording::answering_all(move |request: &Request| {
        let mut plan = shared.lock().unwrap();
        let moment = match plan.as_mut() {
            Some((moment, 0)) => Some(*moment),
            Some((_, remaining)) => {
                *remaining -= 1;
                None
            }
            None => None,
        };
        if moment == Some(Moment::BeforeRequest) {
            kill_all(&exporters(&state));
        }
        let response = if moment == Some(Moment::BeforeRequest) {
            String::new()
        } else {
            proxy::pass(request, &address)
        };
        if moment == Some(Moment::BeforeAnswer) {
            kill_all(&exporters(&state));
        }
        if moment.is_some() {
            *plan = None;
        }
        response
    });
    let mut kills = 0;
    for moment in [Moment::BeforeRequest, Moment::BeforeAnswer] {
        for request in 0.. {
            *plan.lock().unwrap() = Some((moment, request));
            let mut tool = build(&direct);
            tool.env("PUSHGATEWAY_URL", &killer.url);
            assert_eq!(succeeds(tool), "");
            direct.wait_for_exporter();
            if plan.lock().unwrap().take().is_some() {
                break;
            }
            kills += 1;
        }
    }
    assert!(kills >= 6, "each of three requests, before it and after it: {kills}");
    // And at any time, whatever the exporter is busy with.
    let mut random = trial::random();
    for _ in 0..trial::rounds(30) {
        assert_eq!(succeeds(build(&direct)), "");
        for _ in 0..random.u32(0..30_000) {
            std::hint::spin_loop();
        }
        kill_all(&direct.exporters());
    }
    assert_eq!(succeeds(stage(&direct, &["--flush"])), "");
    #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
    let journaled = direct.journal().len() as f64;
    assert_eq!(gateway.value("deployment_total", &BUILDS), journaled);
    assert_eq!(unsent(&direct), [""; 0]);
}

#[test]
fn a_long_backlog_leaves_in_steps() {
    const BACKLOG: usize = 2_500;
    let gateway = Pushgateway::start();
    let machine = machine(&gateway.url());
    let mut down = build(&machine);
    down.env("PUSHGATEWAY_URL", fault::refused()).env("DM_EXPORT", "foreground");
    assert!(succeeds(down).contains("not pushed"));
    let [name] = unsent(&machine).try_into().unwrap();
    let outbox = machine.folder().join("state/outbox");
    let group = std::fs::read_dir(outbox).unwrap().next().unwrap().unwrap().path();
    let event = std::fs::read_to_string(group.join(&name)).unwrap();
    let (time, id) = name.strip_suffix(".unsent").unwrap().split_once('-').unwrap();
    for number in 1..BACKLOG {
        let another = format!("{number:013x}{}", &id[13..]);
        let copy = group.join(format!("{time}-{another}.unsent"));
        let mut copy = File::create(copy).unwrap();
        copy.write_all(event.replace(id, &another).as_bytes()).unwrap();
    }
    assert_eq!(succeeds(build(&machine)), "");
    machine.wait_for_exporter();
    #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
    let all = (BACKLOG + 1) as f64;
    assert_eq!(gateway.value("deployment_total", &BUILDS), all);
    // What an earlier step sent was verified by the read of the next one, and is gone.
    let left = std::fs::read_dir(group).unwrap().count();
    assert!(left < 1_000 && unsent(&machine).is_empty(), "{left}");
}
