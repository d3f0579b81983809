//! Stories of targets without HTTP: a TCP connection, the gRPC health service, a program.
#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod grpc;
#[expect(dead_code, reason = "these stories use only a part of it")]
mod server;

use std::fs;
use std::net::TcpListener;
use std::time::Duration;

use assert_cmd::Command;
use predicates::prelude::*;
use predicates::str::contains;
use serde_json::Value;
use server::{Reply, Server};
use tempfile::TempDir;
use tonic_health::ServingStatus;

/// Polls until the first failure or success. Returns the exit code, the first probe and stderr.
fn probe(url: &str, flags: &[&str]) -> (i32, Value, String) {
    let state = tempfile::tempdir().unwrap();
    let assert = command(&state, url).args(["--max-fail", "1"]).args(flags).assert();
    let output = assert.get_output();
    let stdout = String::from_utf8_lossy(&output.stdout);
    let probe = stdout.lines().nth(1).map(|line| serde_json::from_str(line).unwrap());
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code().unwrap(), probe.unwrap_or_default(), stderr)
}

fn command(state: &TempDir, url: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dm-health"));
    command.env_clear().env("PATH", "/usr/bin:/bin").env("DM_STATE_DIR", state.path());
    command.env("PUSHGATEWAY_URL", "disabled").timeout(Duration::from_mins(2));
    command.args(["--interval", "20ms", "--url", url]);
    command
}

#[test]
fn a_tcp_target_is_healthy_if_it_accepts_a_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("tcp://{}", listener.local_addr().unwrap());
    let (code, good, _) = probe(&url, &[]);
    assert_eq!((code, &good["ok"], &good["target"]), (0, &true.into(), &url.as_str().into()));
    assert!(good["latency_ms"].is_number() && good["phase_ms"]["connect"].is_number());
    assert!(good["phase_ms"]["wait"].is_null() && good["status"].is_null());
    let (code, bad, stderr) = probe(&Server::refusing().replace("http:", "tcp:"), &[]);
    assert_eq!((code, &bad["reason"]), (1, &"refused".into()));
    assert!(stderr.contains("connection refused by 127.0.0.1"), "{stderr}");
}

#[test]
fn a_grpc_target_is_healthy_if_it_is_serving() {
    let serving = format!("grpc://{}", grpc::start(ServingStatus::Serving));
    for path in ["", "/", "/shop.Cart"] {
        let (code, probe, _) = probe(&format!("{serving}{path}"), &[]);
        assert_eq!((code, &probe["ok"], &probe["name"]), (0, &true.into(), &"127.0.0.1".into()), "{path}");
        assert!(probe["phase_ms"]["wait"].is_number() && probe["latency_ms"].is_number());
    }
    let not_serving = format!("grpc://{}/shop.Cart", grpc::start(ServingStatus::NotServing));
    let http = Server::start(&[Reply::Status(200)]).url("/").replace("http:", "grpc:");
    for (url, reason, message) in [
        (not_serving, "bad_status", "NOT_SERVING, expected SERVING"),
        (format!("{serving}/shop.Basket"), "bad_status", "does not know the service"),
        (Server::refusing().replace("http:", "grpc:"), "refused", "connection refused"),
        (http, "other", ""),
    ] {
        let (code, probe, stderr) = probe(&url, &[]);
        assert_eq!((code, &probe["reason"]), (1, &reason.into()), "{url}: {stderr}");
        assert!(stderr.contains(message), "{stderr}");
    }
}

#[test]
fn a_header_is_metadata_for_grpc() {
    let url = format!("grpc://{}", grpc::start_for(ServingStatus::Serving, Some("Bearer hush-hush")));
    let (code, found, _) = probe(&url, &["--header", "Authorization: Bearer hush-hush"]);
    assert_eq!((code, &found["ok"]), (0, &true.into()));
    let (code, found, stderr) = probe(&url, &["--header", "Authorization: Bearer wrong-one"]);
    assert_eq!((code, &found["reason"]), (1, &"bad_status".into()));
    assert!(stderr.contains("Unauthenticated") && !stderr.contains("wrong-one"), "{stderr}");
}

#[test]
fn a_program_is_healthy_if_it_exits_with_0() {
    let (code, good, _) = probe("exec:test 'a b' = 'a b'", &[]);
    assert_eq!((code, &good["ok"], &good["name"]), (0, &true.into(), &"test".into()));
    assert!(good["latency_ms"].is_number() && good["phase_ms"]["wait"].is_number());
    for (url, reason, message) in [
        ("exec:sh -c 'echo replica lags >&2; exit 3'", "exit_code", "exit code 3: replica lags"),
        ("exec:sh -c 'kill -9 $$'", "signal", "killed by signal 9"),
        ("exec:sh -c 'head -c 1000000 /dev/zero >&2; exit 4'", "exit_code", "exit code 4"),
    ] {
        let (code, probe, stderr) = probe(url, &[]);
        assert_eq!((code, &probe["reason"]), (1, &reason.into()), "{url}: {stderr}");
        assert!(stderr.contains(message), "{stderr}");
    }
}

#[test]
fn a_slow_program_is_killed_with_its_descendants() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
    // The grandchild keeps the pipe open while it lives: in the same group, in a session of its own, and without a parent.
    for grandchild in [
        "sleep 1000 > PIPE & wait",
        "setsid sleep 1000 > PIPE & wait",
        "(setsid sleep 1000 > PIPE &); sleep 1000",
    ] {
        let url = format!("exec:sh -c '{}'", grandchild.replace("PIPE", &pipe.display().to_string()));
        let reader = std::thread::spawn({
            let pipe = pipe.clone();
            move || fs::read(pipe).unwrap()
        });
        let (code, probe, stderr) = probe(&url, &["--timeout", "2s"]);
        assert_eq!((code, &probe["reason"]), (1, &"timeout".into()));
        assert!(stderr.contains("it was killed because it had not ended after 2.0s"), "{stderr}");
        assert_eq!(reader.join().unwrap(), b"");
    }
}

#[test]
fn the_arguments_of_a_program_are_not_printed() {
    let state = tempfile::tempdir().unwrap();
    let assert = command(&state, "exec:false --password hunter2").args(["--max-fail", "1"]).assert().code(1);
    let journal = fs::read_to_string(state.path().join("journal.jsonl")).unwrap();
    let output = assert.get_output();
    for text in
        [&journal, &*String::from_utf8_lossy(&output.stdout), &String::from_utf8_lossy(&output.stderr)]
    {
        assert!(!text.contains("hunter2") && text.contains("false"), "{text}");
    }
}

#[test]
fn a_target_is_not_its_own_control_group() {
    let state = tempfile::tempdir().unwrap();
    let same = command(&state, "http://h:1/x").args(["--control-url", "old=http://h:1/x"]).assert();
    same.code(2).stderr(contains("--control-url and --url are the same"));
}

#[test]
fn http_expectations_need_an_http_target() {
    let state = tempfile::tempdir().unwrap();
    let one_line = predicate::function(|text: &str| text.lines().count() == 1);
    let http_only = command(&state, "tcp://h:1").args(["--expect-body", "ok"]).assert();
    http_only.code(2).stderr(contains("from http:// and https://").and(one_line));
}
