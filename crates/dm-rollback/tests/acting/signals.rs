//! A rollback that has begun runs to its end, whatever happens to dm-rollback.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use predicates::str::contains;
use testkit::server::eventually;

use crate::team::{TRACE, Team, unhealthy, unhealthy_at};

/// Says that it runs, waits for the pipe `go`, and then leaves a trace.
const SLOW: &str = "echo started >&2; read -r go < go; echo done >> trace";

/// Starts a rollback, and returns when its command runs.
fn begin(team: &Team, deployment: &str) -> Child {
    assert_cmd::Command::new("mkfifo").arg(team.path().join("go")).assert().success();
    let mut tool = team.std_tool(deployment, "2.0");
    tool.args(["--if-health-fails", "--", "sh", "-c", SLOW]);
    let mut child = tool.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(unhealthy().as_bytes()).unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while line != "started\n" {
        line.clear();
        assert!(stderr.read_line(&mut line).unwrap() > 0, "the command did not start");
    }
    child.stderr = Some(stderr.into_inner());
    child
}

/// Lets the command continue. Waits until it has opened the pipe.
fn go(team: &Team) {
    let mut pipe = std::fs::OpenOptions::new().write(true).open(team.path().join("go")).unwrap();
    pipe.write_all(b"go\n").unwrap();
}

fn pid(child: &Child) -> Pid {
    Pid::from_raw(child.id().cast_signed())
}

/// Signals that end a process by default.
const ENDING: [Signal; 10] = [
    Signal::SIGTERM,
    Signal::SIGINT,
    Signal::SIGHUP,
    Signal::SIGQUIT,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
    Signal::SIGALRM,
    Signal::SIGVTALRM,
    Signal::SIGXCPU,
    Signal::SIGPIPE,
];

#[test]
fn a_signal_ends_neither_the_command_nor_its_record() {
    for signal in ENDING {
        let team = Team::new();
        team.keeps("d-1", "1.0");
        let mut child = begin(&team, "d-2");
        for _ in 0..2 {
            kill(pid(&child), signal).unwrap();
            // The handler has run when the pending signal is gone.
            eventually("the signal is received", || {
                let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
                let pending =
                    status.lines().filter(|line| line.starts_with("ShdPnd") || line.starts_with("SigPnd"));
                if pending.clone().all(|line| line.ends_with("0000000000000000")) {
                    Ok(())
                } else {
                    Err(status)
                }
            });
        }
        go(&team);
        assert_eq!(child.wait().unwrap().code(), Some(12), "{signal}");
        assert_eq!(team.trace(), ["done"], "{signal}");
        assert_eq!(team.ledger()[2]["result"], "unverified", "{signal}");
    }
}

#[test]
fn no_signal_ends_the_verification() {
    let team = Team::new();
    team.keeps("d-1", "1.0");
    let mut tool = team.std_tool("d-2", "2.0");
    tool.args(["--if-health-fails", "--bucket", "1s", "--verify-deadline", "2s", "--", "true"]);
    let mut child = tool.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let stream = unhealthy_at(&format!("{}/", testkit::fault::refused()));
    child.stdin.take().unwrap().write_all(stream.as_bytes()).unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("its target is probed again") {
        line.clear();
        assert!(stderr.read_line(&mut line).unwrap() > 0, "nothing was verified");
    }
    for signal in ENDING {
        kill(pid(&child), signal).unwrap();
    }
    assert_eq!(child.wait().unwrap().code(), Some(12));
    assert_eq!(team.ledger()[2]["result"], "unverified");
}

#[test]
fn the_command_of_a_killed_rollback_keeps_the_lock() {
    let team = Team::new();
    team.keeps("d-1", "1.0");
    let mut child = begin(&team, "d-2");
    child.kill().unwrap();
    child.wait().unwrap();
    let next = || team.fails("d-3", "3.0", &["--cool-down", "0s"], TRACE);
    next().code(75).stderr(contains("is running, or its command is"));
    go(&team);
    let code = eventually("the command has ended", || match next().get_output().status.code() {
        Some(75) => Err("locked".to_owned()),
        code => Ok(code),
    });
    assert_eq!(code, Some(12));
    assert_eq!(team.trace(), ["done", "d-3 from 3.0 to 1.0"]);
}

#[test]
fn a_server_that_the_command_starts_does_not_keep_the_lock() {
    let team = Team::new();
    team.keeps("d-1", "1.0");
    let leaves_a_server = "sleep 60 < /dev/null > /dev/null 2>&1 & echo $! > server";
    team.fails("d-2", "2.0", &[], leaves_a_server).code(12);
    team.fails("d-3", "3.0", &["--cool-down", "0s"], TRACE).code(12);
    let server = std::fs::read_to_string(team.path().join("server")).unwrap();
    kill(Pid::from_raw(server.trim().parse().unwrap()), Signal::SIGKILL).unwrap();
    assert_eq!(team.trace().len(), 1);
}

#[test]
fn nothing_that_the_command_started_outlives_its_time_limit() {
    let team = Team::new();
    let runs_on = "setsid sleep 60 < /dev/null > /dev/null 2>&1 & echo $! > child; wait";
    team.fails("d-2", "2.0", &["--rollback-timeout", "1s"], runs_on)
        .code(12)
        .stderr(contains("did not end within"));
    let child = std::fs::read_to_string(team.path().join("child")).unwrap();
    // Whoever adopts it when dm-rollback ends may not have reaped it yet.
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", child.trim())).unwrap_or_default();
    assert!(stat.is_empty() || stat.contains(") Z "), "{stat}");
}
