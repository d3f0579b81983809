//! What a shared state costs: requests and pushes of a deployment; and that many writers do not starve each other.

use std::process::{Command, Stdio};
use std::thread;

use common::clock::{Clock as _, SystemClock};
use serde_json::{Value, json};
use testkit::bin::Machine;
use testkit::proxy::{self, Fate};
use testkit::pushgateway::Pushgateway;
use testkit::shared_store::SharedStore;
use testkit::trial;

/// Old deployments in the store; in a document, and in each segment.
const OLD: usize = 20_000;
const IN_DOCUMENT: usize = 400;
const IN_SEGMENT: usize = 200;

/// Requests to an object store, and pushes to git.
const MAX_REQUESTS: usize = 12;
const MAX_PUSHES: usize = 3;

/// A deployment of eight stages that ends with a verdict about `verdict.jsonl`.
const SCRIPT: &str = "for n in 1 2 3 4 5 6 7 8; do dm-stage stage$n -- true || exit 1; done
    dm-rollback --if-health-fails --cool-down 0s -- true < verdict.jsonl";

/// Whether the deployment is exclusive, whether it proves good, and the exit code.
const DEPLOYMENTS: [(bool, bool, i32); 4] =
    [(false, true, 0), (false, false, 12), (true, true, 0), (true, false, 12)];

fn verdict(is_good: bool) -> String {
    let now = SystemClock.now();
    let start = json!({"v": 1, "type": "start", "tool": "dm-health", "run": "r", "service": "shop",
        "environment": "production", "deployment": "", "ts": now});
    let probes = (0..60).rev().map(|ago| {
        let ts = now - chrono::TimeDelta::seconds(ago);
        json!({"v": 1, "type": "probe", "ts": ts, "src": "probe", "target": "http://shop/", "ok": true})
    });
    let probes: Vec<Value> = if is_good { probes.collect() } else { Vec::new() };
    let exit = u8::from(!is_good);
    let end = json!({"v": 1, "type": "end", "ts": now, "exit": exit, "records": probes.len()});
    let records = [start].into_iter().chain(probes).chain([end]);
    let lines: Vec<String> = records.map(|record| format!("{record}\n")).collect();
    lines.concat()
}

/// Runs one deployment on a machine of its own.
fn deploy(
    machine: Machine,
    name: &str,
    gateway: &Pushgateway,
    (exclusive, is_good, code): (bool, bool, i32),
) {
    let machine = machine.with("DM_DEPLOYMENT_ID", name).with("DM_VERSION", name);
    let machine = machine.with("PUSHGATEWAY_URL", &gateway.url()).with("DM_EXPORT_BUDGET", "2m");
    common::fs::atomic::write(&machine.folder().join("verdict.jsonl"), verdict(is_good).as_bytes()).unwrap();
    let mut tool = machine.tool("dm-stage");
    tool.arg("deployment").args(exclusive.then_some("--exclusive")).args(["--", "sh", "-c", SCRIPT]);
    let output = tool.stdin(Stdio::null()).output().unwrap();
    assert_eq!(output.status.code(), Some(code), "{name}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Fills a store with old deployments, after the first one in it.
fn grow_old(store: &SharedStore, gateway: &Pushgateway) {
    deploy(store.machine(), "first", gateway, DEPLOYMENTS[0]);
    let mut document = store.document("shop");
    let events = document["events"].as_array().unwrap();
    let newest = events.iter().find(|event| event["stage"] == "deployment").unwrap().clone();
    let old: Vec<Value> = (0..OLD)
        .map(|number| {
            let mut event = newest.clone();
            event["id"] = json!(format!("{number:016x}"));
            event["deployment"] = json!(format!("old-{number}"));
            event["ts"] = json!(SystemClock.now() - chrono::TimeDelta::days(30));
            event
        })
        .collect();
    let (sealed, kept) = old.split_at(OLD - IN_DOCUMENT);
    let segments: Vec<Value> =
        sealed.chunks(IN_SEGMENT).map(|events| json!({"v": 1, "ledger": [], "events": events})).collect();
    document["events"] = json!(kept);
    document["sealed"] = json!(segments.len());
    store.write("shop", &document, &segments);
}

#[test]
fn a_deployment_makes_few_requests_to_an_object_store_with_a_long_history() {
    let (store, gateway) = (SharedStore::s3(), Pushgateway::start());
    grow_old(&store, &gateway);
    for (index, deployment) in DEPLOYMENTS.into_iter().enumerate() {
        let proxy = proxy::start(store.objects().address(), |_| Fate::Passes);
        let through = store.objects().variables_through(&proxy.url);
        let machine = Machine::new().with("DM_STATE_URL", &store.url);
        let machine = through.iter().fold(machine, |machine, (name, value)| machine.with(name, value));
        deploy(machine, &format!("d-{index}"), &gateway, deployment);
        let lines: Vec<String> =
            proxy.heads().iter().map(|head| head.lines().next().unwrap().to_owned()).collect();
        let (exclusive, is_good, _) = deployment;
        println!("S3, exclusive: {exclusive}, good: {is_good}: {} requests", lines.len());
        assert!(lines.len() <= MAX_REQUESTS, "{deployment:?}: {lines:#?}");
        // Nothing depends on a listing, which may lag behind.
        assert!(!lines.iter().any(|line| line.contains("list-type")), "{lines:#?}");
    }
    assert_eq!(store.entries("shop", "events").len(), OLD + 4 * 10);
}

#[test]
fn a_deployment_makes_few_pushes_to_a_repository_with_a_long_history() {
    let (store, gateway) = (SharedStore::git_http(), Pushgateway::start());
    grow_old(&store, &gateway);
    for (index, deployment) in DEPLOYMENTS.into_iter().enumerate() {
        let is_push = |line: &&String| line.starts_with("POST") && line.contains("git-receive-pack");
        let pushes = || store.git_requests().iter().filter(is_push).count();
        let segments = || usize::try_from(store.document("shop")["sealed"].as_u64().unwrap()).unwrap();
        let before = (pushes(), segments());
        deploy(store.machine(), &format!("d-{index}"), &gateway, deployment);
        let (exclusive, is_good, _) = deployment;
        // Old events leave the document with a push of their own, once in twenty deployments.
        let made = pushes() - before.0 - (segments() - before.1);
        println!("git, exclusive: {exclusive}, good: {is_good}: {made} pushes");
        // The lease of an exclusive deployment is acquired and released.
        assert!(made <= MAX_PUSHES + 2 * usize::from(exclusive), "{deployment:?}: {made} pushes");
    }
}

#[test]
fn a_hundred_runners_that_contend_for_one_ledger_all_finish() {
    const RUNNERS: usize = 100;
    let mut stores = vec![SharedStore::folder(), SharedStore::s3()];
    if trial::rounds(0) > 0 {
        stores.extend([SharedStore::azure(), SharedStore::google(), SharedStore::git_file()]);
    }
    for store in stores {
        let started = std::time::Instant::now();
        let machines: Vec<Machine> = (0..RUNNERS).map(|_| store.machine()).collect();
        thread::scope(|scope| {
            for (number, machine) in machines.iter().enumerate() {
                let mut tool: Command = machine.tool("dm-rollback");
                tool.env("DM_DEPLOYMENT_ID", format!("d-{number}")).env("DM_VERSION", format!("{number}.0"));
                let mut tool = tool;
                let name = store.name;
                scope.spawn(move || {
                    let output = tool.arg("--mark-good").stdin(Stdio::null()).output().unwrap();
                    let said = String::from_utf8_lossy(&output.stderr);
                    assert!(output.status.success(), "{name}: {said}");
                });
            }
        });
        assert_eq!(store.entries("shop", "ledger").len(), RUNNERS, "{}", store.name);
        println!("{}: {RUNNERS} writers in {:.1} s", store.name, started.elapsed().as_secs_f64());
    }
}
