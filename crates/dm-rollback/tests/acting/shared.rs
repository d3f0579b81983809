//! Machines that share nothing but the URL of their state: what one did, the others know.

use std::io::{Read as _, Write as _};
use std::process::Stdio;
use std::time::Duration;

use common::fs::lock::exclusive;
use predicates::prelude::PredicateBooleanExt as _;
use predicates::str::contains;
use serde_json::Value;
use tempfile::TempDir;
use testkit::server::eventually;

use crate::team::{TRACE, Team, unhealthy};

fn store() -> (TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("file://{}", folder.path().join("store").display());
    (folder, url)
}

fn document(store: &TempDir) -> Value {
    let text = std::fs::read(store.path().join("store/production/api/state.json")).unwrap();
    serde_json::from_slice(&text).unwrap()
}

#[test]
fn a_machine_knows_what_another_one_has_proven_and_undone() {
    let (_folder, url) = store();
    let [first, second, third] = [(); 3].map(|()| Team::sharing(&url));
    first.keeps("d-1", "1.0");
    second.fails("d-2", "2.0", &[], TRACE).code(12);
    assert_eq!(second.trace(), ["d-2 from 2.0 to 1.0"]);
    // Once per deployment, the cool-down, and the version that was rolled back.
    third.fails("d-2", "2.0", &[], TRACE).code(12).stderr(contains("was rolled back before"));
    third.fails("d-3", "2.0", &[], TRACE).code(75).stderr(contains("Cool-down after the rollback of d-2"));
    third.tool("d-4", "2.0").arg("--check-version").assert().code(1);
    assert!(third.trace().is_empty());
}

#[test]
fn of_eight_machines_that_judge_one_deployment_one_acts() {
    let (folder, url) = store();
    let machines: Vec<Team> = (0..8).map(|_| Team::sharing(&url)).collect();
    machines[0].keeps("d-1", "1.0");
    let running: Vec<_> = machines
        .iter()
        .map(|machine| {
            let mut tool = machine.std_tool("d-2", "2.0");
            tool.args(["--if-health-fails", "--", "sh", "-c", TRACE]);
            let mut child =
                tool.stdin(Stdio::piped()).stderr(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            std::io::Write::write_all(&mut child.stdin.take().unwrap(), unhealthy().as_bytes()).unwrap();
            child
        })
        .collect();
    for mut child in running {
        let code = child.wait().unwrap().code();
        assert!(matches!(code, Some(11 | 12 | 75)), "{code:?}");
    }
    let acts: Vec<String> = machines.iter().flat_map(Team::trace).collect();
    assert_eq!(acts, ["d-2 from 2.0 to 1.0"]);
    let document = document(&folder);
    let kinds: Vec<_> =
        document["ledger"].as_array().unwrap().iter().map(|entry| entry["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["good", "intent", "outcome"]);
    assert_eq!(document["ledger"][1]["fence"], document["last_fence"]);
    assert_eq!(document["lease"], Value::Null);
}

#[test]
fn a_rollback_whose_machine_died_is_not_repeated_and_its_lease_is_taken_over() {
    let (folder, url) = store();
    let [dead, alive] = [(); 2].map(|()| Team::sharing(&url));
    alive.keeps("d-1", "1.0");
    let mut tool = dead.std_tool("d-2", "2.0");
    tool.env("DM_LEASE_TTL", "2s").args([
        "--if-health-fails",
        "--",
        "sh",
        "-c",
        "touch began; exec sleep 600",
    ]);
    let mut child = tool.stdin(Stdio::piped()).stderr(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), unhealthy().as_bytes()).unwrap();
    eventually("the rollback", || {
        dead.path().join("began").exists().then_some(()).ok_or_else(|| "not yet".to_owned())
    });
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(document(&folder)["lease"]["holder"]["deployment"], "d-2");

    // Nobody knows how far it came.
    alive.fails("d-2", "2.0", &[], TRACE).code(12).stderr(contains("d-2"));
    let flags = ["--cool-down", "0s"];
    let acted = alive.fails("d-3", "3.0", &flags, TRACE).code(12);
    acted.stderr(
        contains("the rollback of deployment d-2 of version 2.0 has held the lease")
            .and(contains("took over")),
    );
    assert_eq!(alive.trace(), ["d-3 from 3.0 to 1.0"]);
    assert_eq!(document(&folder)["last_fence"], 2);
}

#[test]
fn a_rollback_that_was_stopped_does_not_act_after_its_lease_was_taken_over() {
    let (folder, url) = store();
    let [stopped, other] = [(); 2].map(|()| Team::sharing(&url));
    other.keeps("d-1", "1.0");
    // Its stderr, which nobody reads, has room for the verdict and not for the next line: so it stops after its intent, and
    // before its command.
    let (mut reader, mut writer) = std::io::pipe().unwrap();
    writer.write_all(&vec![b'x'; 64 * 1024 - 75]).unwrap();
    let mut tool = stopped.std_tool("d-2", "2.0");
    tool.env("DM_LEASE_TTL", "2s").args(["--if-health-fails", "--format", "jsonl", "--", "sh", "-c", TRACE]);
    tool.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(writer);
    let mut child = tool.spawn().unwrap();
    drop(tool);
    child.stdin.take().unwrap().write_all(unhealthy().as_bytes()).unwrap();
    eventually("the intent", || {
        let text = std::fs::read(folder.path().join("store/production/api/state.json")).unwrap();
        let document: Value = serde_json::from_slice(&text).unwrap_or_default();
        if document["lease"].is_null() { Err("not yet".to_owned()) } else { Ok(()) }
    });
    {
        // It is not stopped within a write.
        let lock = folder.path().join("store/production/api/.lock");
        let _writing = exclusive(&lock, Duration::from_secs(30)).unwrap();
        signal(&child, "STOP");
    }
    let acted = other.fails("d-3", "3.0", &["--cool-down", "0s"], TRACE).code(12);
    acted.stderr(contains("the rollback of deployment d-2").and(contains("took over")));
    signal(&child, "CONT");
    let reading = std::thread::spawn(move || {
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        text
    });
    assert_eq!(child.wait().unwrap().code(), Some(11));
    let stderr = reading.join().unwrap();
    assert!(stderr.contains("and lost it") && stderr.contains("The command did not run"), "{stderr}");
    assert!(stopped.trace().is_empty());
    assert_eq!(other.trace(), ["d-3 from 3.0 to 1.0"]);
}

fn signal(child: &std::process::Child, name: &str) {
    let sent =
        std::process::Command::new("kill").args(["-s", name, &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

#[test]
fn without_its_shared_ledger_a_rollback_needs_a_word_and_is_shared_later() {
    let (folder, url) = store();
    let machine = Team::sharing(&url);
    machine.keeps("d-1", "1.0");
    let document_path = folder.path().join("store/production/api/state.json");
    let good = std::fs::read(&document_path).unwrap();
    common::fs::atomic::write(&document_path, b"damaged").unwrap();
    let refused = machine.fails("d-2", "2.0", &[], TRACE).code(11);
    refused
        .stderr(contains("cannot use the ledger in the shared state").and(contains("the state is damaged")));
    let acted = machine.fails("d-2", "2.0", &["--act-without-state"], TRACE).code(12);
    // Once, and without advice that was followed.
    let note = "what other machines did is not known";
    acted.stderr(contains(note).count(1).and(contains("give --act-without-state").not()));
    assert_eq!(machine.trace(), ["d-2 from 2.0 to 1.0"]);

    common::fs::atomic::write(&document_path, &good).unwrap();
    // Whatever this machine does next shares it: here, another rollback, which is refused.
    machine.fails("d-3", "3.0", &["--max-rollbacks-per-day", "1"], TRACE).code(11);
    let other = Team::sharing(&url);
    other.fails("d-2", "2.0", &[], TRACE).code(12).stderr(contains("was rolled back before"));
}

#[test]
fn a_new_runner_without_shared_state_lists_what_it_cannot_know() {
    let machine = Team::new();
    let run = |flags: &[&str]| {
        let mut tool = machine.tool("d-1", "1.0");
        tool.env("CI", "true").arg("--if-health-fails").args(flags).args(["--", "sh", "-c", TRACE]);
        tool.write_stdin(unhealthy()).assert()
    };
    let why = "once per deployment, the cool-down, the daily limit";
    run(&[]).code(11).stderr(contains(why).and(contains("DM_STATE_URL")));
    run(&["--target", "0.9"]).code(12);
    assert_eq!(machine.trace(), ["d-1 from 1.0 to 0.9"]);
}
