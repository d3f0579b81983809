//! A shared state whose store has faults: each rollback happens once, or not at all; a stage goes on.

use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use common::clock::{Clock as _, SystemClock};
use serde_json::Value;
use testkit::bin::{self, Machine};
use testkit::fault::{Request, answer};
use testkit::proxy::{self, Fate};
use testkit::script::install;
use testkit::server::eventually;
use testkit::shared_store::SharedStore;

/// The command of a rollback: a line for each run.
const TRACE: &str = "echo $DM_DEPLOYMENT_ID $DM_ROLLBACK_FENCE >> \"$TRACE\"";

/// A store with a version to roll back to.
fn store_with(kind: fn() -> SharedStore) -> SharedStore {
    let store = kind();
    let machine = store.machine().with("DM_DEPLOYMENT_ID", "good").with("DM_VERSION", "1.0");
    let output = machine.tool("dm-rollback").arg("--mark-good").stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    store
}

/// A rollback of a deployment that proved bad.
fn roll_back(machine: &Machine, deployment: &str, command: &str) -> Command {
    roll_back_at(machine, deployment, command, TimeDelta::zero())
}

/// The same, on a machine whose clock is wrong by `skew`.
fn roll_back_at(machine: &Machine, deployment: &str, command: &str, skew: TimeDelta) -> Command {
    let now = (SystemClock.now() + skew).to_rfc3339();
    let verdict = format!(
        "{{\"v\":1,\"type\":\"start\",\"tool\":\"dm-health\",\"deployment\":\"\",\"ts\":\"{now}\"}}\n\
         {{\"v\":1,\"type\":\"end\",\"ts\":\"{now}\",\"exit\":1,\"records\":0}}\n"
    );
    let file = machine.folder().join("verdict.jsonl");
    common::fs::atomic::write(&file, verdict.as_bytes()).unwrap();
    let mut tool = machine.tool("dm-rollback");
    tool.args(["--if-health-fails", "--cool-down", "0s", "--", "sh", "-c", command]);
    tool.env("DM_DEPLOYMENT_ID", deployment).env("DM_VERSION", format!("2.{deployment}"));
    tool.env("TRACE", machine.folder().join("trace")).stdin(std::fs::File::open(file).unwrap());
    if !skew.is_zero() {
        tool.env("LD_PRELOAD", bin::library("libfaketime.so.1"));
        tool.env("FAKETIME", format!("{:+}", skew.num_seconds()));
        tool.env("FAKETIME_DONT_FAKE_MONOTONIC", "1").env("DM_LEASE_TTL", "6s");
    }
    tool
}

fn trace(machine: &Machine) -> Vec<String> {
    let text = std::fs::read_to_string(machine.folder().join("trace")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

fn kinds(store: &SharedStore) -> Vec<String> {
    let ledger = store.entries("shop", "ledger");
    ledger.iter().map(|entry| entry["type"].as_str().unwrap().to_owned()).collect()
}

/// The fate of a request with this number.
type Decide = fn(usize, &Request) -> Fate;

/// A machine that reaches an S3 through a proxy with this fate for each request; the number counts from 0.
fn through(store: &SharedStore, fate: Decide) -> Machine {
    let count = Arc::new(AtomicUsize::new(0));
    let proxy = proxy::start(store.objects().address(), move |request| {
        fate(count.fetch_add(1, Ordering::Relaxed), request)
    });
    let variables = store.objects().variables_through(&proxy.url);
    let machine = Machine::new().with("DM_STATE_URL", &store.url);
    variables.iter().fold(machine, |machine, (name, value)| machine.with(name, value))
}

fn is_put(request: &Request) -> bool {
    request.head.starts_with("PUT")
}

/// What a store does to requests, and what becomes of it.
const FAULTS: [(&str, Decide); 5] = [
    ("half of the requests are refused with 503", |number, _| {
        let busy = answer("503 Slow Down", "<Error><Code>SlowDown</Code></Error>");
        if 0b0110_1001_1011_u32 >> (number % 12) & 1 == 1 { Fate::IsAnswered(busy) } else { Fate::Passes }
    }),
    ("every request is slow", |_, _| Fate::IsLate(Duration::from_millis(500))),
    ("the response to every other request is lost", |number, _| {
        if number.is_multiple_of(2) { Fate::LosesResponse } else { Fate::Passes }
    }),
    ("the response to every other write is lost", |number, request| {
        if is_put(request) && number % 2 == 1 { Fate::LosesResponse } else { Fate::Passes }
    }),
    ("a storm of conflicts", |number, request| {
        let lost = answer("412 Precondition Failed", "<Error><Code>PreconditionFailed</Code></Error>");
        if is_put(request) && number / 2 % 5 != 4 { Fate::IsAnswered(lost) } else { Fate::Passes }
    }),
];

#[test]
fn a_rollback_happens_once_whatever_a_store_does_to_requests() {
    for (name, fate) in FAULTS {
        let store = store_with(SharedStore::s3);
        let machine = through(&store, fate);
        let output = roll_back(&machine, "d-1", TRACE).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(12), "{name}: {said}");
        assert_eq!(trace(&machine), ["d-1 1"], "{name}");
        assert_eq!(kinds(&store), ["good", "intent", "outcome"], "{name}");
        assert_eq!(store.document("shop")["lease"], Value::Null, "{name}");
        // Another machine knows it.
        let other = store.machine();
        let again = roll_back(&other, "d-1", TRACE).output().unwrap();
        let said = String::from_utf8_lossy(&again.stderr);
        assert!(said.contains("was rolled back before") && trace(&other).is_empty(), "{name}: {said}");
    }
}

#[test]
fn events_are_counted_once_whatever_a_store_does_to_requests() {
    for (name, fate) in FAULTS {
        let store = store_with(SharedStore::s3);
        let machine = through(&store, fate).with("DM_EXPORT_BUDGET", "1m");
        for _ in 0..2 {
            let output = machine.tool("dm-stage").args(["build", "--", "true"]).output().unwrap();
            assert!(output.status.success() && output.stderr.is_empty(), "{name}: {output:?}");
        }
        assert_eq!(store.entries("shop", "events").len(), 2, "{name}");
        let counters = store.document("shop")["counters"].to_string();
        assert!(counters.contains(r#"deployment_total{status=\"success\"} 2"#), "{name}: {counters}");
    }
}

#[test]
fn a_host_that_rejects_every_push_stops_a_rollback_and_no_stage() {
    let store = store_with(SharedStore::git_file);
    let hook = store.repository().join("hooks/pre-receive");
    std::fs::create_dir_all(hook.parent().unwrap()).unwrap();
    install(&hook, "#!/bin/sh\necho 'this ref is frozen' >&2\nexit 1\n");
    let machine = store.machine().with("DM_EXPORT_BUDGET", "1m");
    let output = roll_back(&machine, "d-1", TRACE).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(11), "{said}");
    assert!(said.contains("this ref is frozen") && said.contains("exempt it from hooks"), "{said}");
    assert!(trace(&machine).is_empty());
    // A machine that has not seen the store fail a moment ago.
    let machine = store.machine().with("DM_EXPORT_BUDGET", "1m");
    let output = machine.tool("dm-stage").args(["build", "--", "sh", "-c", "exit 3"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert_eq!(said.matches("not shared").count(), 1, "{said}");
    std::fs::remove_file(hook).unwrap();
    assert!(machine.tool("dm-stage").arg("--flush").status().unwrap().success());
    assert!(store.entries("shop", "events").iter().any(|event| event["stage"] == "build"));
}

/// A rollback that holds its lease until it is killed.
fn hold(store: &SharedStore, machine: &Machine, skew: TimeDelta) -> Child {
    let mut tool = roll_back_at(machine, "d-1", "exec sleep 60", skew);
    let child = tool.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    eventually("the lease", || {
        let is_held = !store.document("shop")["lease"].is_null();
        is_held.then_some(()).ok_or_else(|| "nobody holds it".to_owned())
    });
    child
}

#[test]
fn clocks_that_differ_by_twenty_minutes_shorten_and_lengthen_no_lease() {
    for skew in [10, -10].map(TimeDelta::minutes) {
        let store = store_with(SharedStore::folder);
        let [holder, taker] = [store.machine(), store.machine()];
        let mut held = hold(&store, &holder, skew);
        // A holder that lives renews its lease.
        let output = roll_back_at(&taker, "d-2", TRACE, -skew).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(75), "{said}");
        held.kill().unwrap();
        held.wait().unwrap();
        let began = Instant::now();
        let output = roll_back_at(&taker, "d-2", TRACE, -skew).output().unwrap();
        let (took, said) = (began.elapsed(), String::from_utf8_lossy(&output.stderr));
        assert!(said.contains("the rollback of deployment d-1") && said.contains("took over"), "{said}");
        // The first call has seen the last renewal a moment before.
        assert!(took >= Duration::from_secs(4) && took < Duration::from_mins(1), "{took:?}");
        assert_eq!(trace(&taker), ["d-2 2"]);
    }
}
