//! Runs and commands that are stopped.

use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::process::Stdio;
use std::sync::Mutex;
use std::sync::mpsc;

use common::event::{Detail, Reason, Status, TestResult};
use common::records::Record;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use predicates::prelude::*;
use predicates::str::contains;

use crate::support::{PATIENCE, Place, Server, answer, records};
use crate::{http, shell};

#[test]
fn a_background_grandchild_does_not_delay_the_end() {
    let place = Place::with_suite(&shell(
        "daemon",
        "sleep 1000 & echo $!; echo $! > pid",
        "expect = { stdout_contains = 'x' }",
    ));
    place.smoke(&["--format", "human"]).code(1).stdout(contains("stdout does not contain \"x\""));
    // A background process of a command that ended by itself stays alive.
    let pid: i32 = std::fs::read_to_string(place.path("pid")).unwrap().trim().parse().unwrap();
    kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
}

#[test]
fn a_timeout_kills_grandchildren_that_ignore_sigterm() {
    let place = Place::with_suite(&shell(
        "stuck",
        "exec 3>lifeline; trap \"\" TERM; sleep 1000 & sleep 1000",
        "timeout = '2s'",
    ));
    let lifeline = place.lifeline();
    place
        .smoke(&["--format", "human"])
        .code(1)
        .stdout(contains("ERROR stuck (").and(contains("did not end within 2.0s")));
    assert_eq!(lifeline.recv_timeout(PATIENCE), Ok("started"));
    assert_eq!(lifeline.recv_timeout(PATIENCE), Ok("all gone"));
}

#[test]
fn after_sigterm_it_stops_commands_records_and_dies_by_the_signal() {
    let suite =
        shell("first", "true", "") + &shell("long", "exec 3>lifeline; sleep 1000 & wait", "timeout = '1h'");
    let place = Place::with_suite(&suite);
    let lifeline = place.lifeline();
    let args = ["--jobs", "1", "--report", "junit=smoke.xml"];
    let child = place.command().stdout(Stdio::piped()).args(args).spawn().unwrap();
    assert_eq!(lifeline.recv_timeout(PATIENCE), Ok("started"));
    kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGTERM).unwrap();
    assert_eq!(lifeline.recv_timeout(PATIENCE), Ok("all gone"));
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.signal(), Some(15));
    let records = records(&output.stdout);
    assert!(matches!(records.last(), Some(Record::End { exit: 143, records: 1, .. })), "{records:?}");
    let event = place.event();
    assert_eq!((event.status, event.error_type), (Status::Cancelled, Some(Reason::Cancelled)));
    let Detail::Smoke { results, .. } = event.detail else { panic!("{event:?}") };
    assert_eq!(results[0], (TestResult::Pass, 1));
    let xml = std::fs::read_to_string(place.path("smoke.xml")).unwrap();
    assert!(xml.contains("<error message=\"stopped by signal 15\"/>"), "{xml}");
}

#[test]
fn sighup_stops_the_run_and_its_commands() {
    let place = Place::with_suite(&shell("long", "exec 3>lifeline; sleep 1000 & wait", "timeout = '1h'"));
    let lifeline = place.lifeline();
    let command = place.command();
    // SIGHUP is ignored if these tests run under nohup.
    let mut env = std::process::Command::new("env");
    env.arg("--default-signal=HUP").arg(command.get_program()).args(command.get_args()).env_clear();
    env.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    env.current_dir(command.get_current_dir().unwrap());
    let child = env.stdout(Stdio::piped()).spawn().unwrap();
    assert_eq!(lifeline.recv_timeout(PATIENCE), Ok("started"));
    kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGHUP).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.signal(), Some(1));
    let records = records(&output.stdout);
    assert!(matches!(records.last(), Some(Record::End { exit: 129, records: 0, .. })), "{records:?}");
    assert_eq!(place.event().status, Status::Cancelled);
    assert_eq!(lifeline.recv_timeout(PATIENCE), Ok("all gone"));
}

#[test]
fn a_killed_run_leaves_no_partial_report() {
    let suite = shell("first", "true", "")
        + &shell("long", "echo $$ > pid; exec 3>lifeline; sleep 1000 & wait", "timeout = '1h'");
    let place = Place::with_suite(&suite);
    let lifeline = place.lifeline();
    let args = ["--jobs", "2", "--report", "junit=smoke.xml"];
    let mut child = place.command().stdout(Stdio::null()).args(args).spawn().unwrap();
    assert_eq!(lifeline.recv_timeout(PATIENCE), Ok("started"));
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!place.path("smoke.xml").exists());
    // A killed tool cannot stop its commands, so the test does.
    let group = std::fs::read_to_string(place.path("pid")).unwrap();
    nix::sys::signal::killpg(Pid::from_raw(group.trim().parse().unwrap()), Signal::SIGKILL).unwrap();
}

#[test]
fn a_closed_stdout_ends_the_run_without_a_message() {
    let (release, released) = mpsc::channel::<()>();
    let released = Mutex::new(released);
    let server = Server::start(move |request| {
        if request.contains("/second") {
            released.lock().unwrap().recv_timeout(PATIENCE).unwrap();
        }
        answer(200, "")
    });
    let place = Place::with_suite(
        &["first", "second", "third"].map(|name| http(name, &format!("/{name}"), "")).concat(),
    );
    let mut child = place
        .command()
        .args(["--jobs", "1", "--base-url", &server.url])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.next().unwrap().unwrap().contains("\"start\""));
    assert!(lines.next().unwrap().unwrap().contains("\"first\""));
    drop(lines);
    release.send(()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert_eq!(output.status.signal(), Some(13));
    assert_eq!(server.requests().len(), 2, "the third test did not start");
    let event = place.event();
    assert_eq!(event.status, Status::Cancelled);
    let Detail::Smoke { results, .. } = event.detail else { panic!("{event:?}") };
    assert_eq!(results[0], (TestResult::Pass, 2));
}
