//! Killed at any point, dm-rollback never acts twice blindly.

use std::io::Write as _;
use std::process::Stdio;
use std::time::Duration;

use common::clock::{Clock as _, SystemClock};
use predicates::prelude::*;
use predicates::str::contains;
use testkit::server::eventually;
use testkit::trial;

use crate::team::{TRACE, Team, unhealthy, unhealthy_at};

#[test]
fn killed_while_its_command_runs_it_leaves_the_rest_to_a_person() {
    let team = Team::new();
    team.keeps("d-1", "1.0");
    let command = format!("{TRACE}; kill -9 $PPID");
    team.fails("d-2", "2.0", &[], &command).interrupted();
    let message =
        contains("began a rollback of deployment d-2 at").and(contains("check which version is live"));
    // The command keeps the lock until it has ended.
    let again = eventually("the command has ended", || {
        let again = team.fails("d-2", "2.0", &[], TRACE);
        if again.get_output().status.code() == Some(75) { Err("locked".to_owned()) } else { Ok(again) }
    });
    again.code(12).stderr(message);
    assert_eq!(team.trace(), ["d-2 from 2.0 to 1.0"]);
    // It counts as a rollback for all later checks.
    team.tool("d-9", "2.0").arg("--check-version").assert().code(1);
    team.fails("d-3", "2.0", &[], TRACE).code(75);
}

#[test]
fn killed_while_it_verifies_it_leaves_the_rest_to_a_person() {
    let team = Team::new();
    team.keeps("d-1", "1.0");
    let (url, probed) = silent_server();
    let mut tool = team.std_tool("d-2", "2.0");
    tool.args(["--if-health-fails", "--", "sh", "-c", TRACE]);
    let mut tool = tool.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    tool.stdin.take().unwrap().write_all(unhealthy_at(&url).as_bytes()).unwrap();
    probed.recv().unwrap();
    tool.kill().unwrap();
    tool.wait().unwrap();
    team.fails("d-2", "2.0", &[], TRACE).code(12).stderr(contains("its end was not recorded"));
    assert_eq!(team.trace().len(), 1);
}

/// A server that accepts connections and never answers, and a channel that reports each connection.
fn silent_server() -> (String, std::sync::mpsc::Receiver<()>) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let mut connections = Vec::new();
        for stream in listener.incoming() {
            connections.push(stream);
            if sender.send(()).is_err() {
                break;
            }
        }
    });
    (url, receiver)
}

/// At any moment, from the start of the process to its end.
#[test]
fn killed_at_any_moment_it_never_acts_twice() {
    let team = Team::new();
    team.keeps("d-0", "1.0");
    let limits = ["--cool-down", "0s", "--max-rollbacks-per-day", "1000"];
    let clock = SystemClock;
    let begun = clock.instant();
    let mut whole = team.std_tool("d-whole", "2.0");
    assert!(run(&mut whole, &limits).wait().is_ok());
    let takes = clock.instant() - begun;
    let mut random = trial::random();
    for round in 0..trial::rounds(40) {
        let (deployment, version) = (format!("d-{round}-killed"), format!("2.{round}"));
        let mut tool = run(&mut team.std_tool(&deployment, &version), &limits);
        let deadline = clock.instant() + takes.mul_f64(1.1 * random.f64());
        // Waits for the moment, and no longer than the process lives.
        while clock.instant() < deadline && tool.try_wait().unwrap().is_none() {
            std::thread::park_timeout(Duration::from_micros(100));
        }
        let _ = tool.kill();
        tool.wait().unwrap();
        let acted = || team.trace().iter().filter(|line| line.starts_with(&format!("{deployment} "))).count();
        // The command of a tool that was killed keeps the lock until it has ended.
        let code = eventually("another try", || {
            match team.fails(&deployment, &version, &limits, TRACE).get_output().status.code() {
                Some(75) => Err("locked".to_owned()),
                code => Ok(code),
            }
        });
        assert_eq!(code, Some(12), "round {round}");
        // The command may outlive the tool: what it does, it does once.
        assert!(acted() <= 1, "round {round}: {:?}", team.trace());
        team.fails(&deployment, &version, &limits, TRACE).code(12);
        assert!(acted() <= 1, "round {round}: {:?}", team.trace());
    }
}

fn run(tool: &mut std::process::Command, limits: &[&str]) -> std::process::Child {
    tool.arg("--if-health-fails").args(limits).args(["--", "sh", "-c", TRACE]);
    let mut child = tool.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    // A tool that is gone reads nothing.
    let _ = child.stdin.take().unwrap().write_all(unhealthy().as_bytes());
    child
}
