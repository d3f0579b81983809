//! Stories of failures of the probing machine. They say nothing about the service: the exit code is 3, not 1.
#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

#[expect(dead_code, reason = "these stories use only a part of it")]
mod server;

use std::process::{Command, Stdio};
use std::time::Duration;

use assert_cmd::assert::Assert;
use predicates::prelude::*;
use predicates::str::contains;
use serde_json::Value;
use server::{Reply, Server};

/// Runs dm-health through the program and the arguments in `by`.
fn assert(by: &[&str], args: &[String]) -> Assert {
    let state = tempfile::tempdir().unwrap();
    let mut command = Command::new(by[0]);
    command.args(&by[1..]).arg(env!("CARGO_BIN_EXE_dm-health")).args(args);
    command.args(["--interval", "20ms", "--max-fail", "3", "--timeout", "1m"]);
    command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    command.env("DM_STATE_DIR", state.path()).env("PUSHGATEWAY_URL", "disabled");
    assert_cmd::Command::from_std(command).timeout(Duration::from_mins(2)).assert()
}

fn url(url: &str) -> Vec<String> {
    vec!["--url".to_owned(), url.to_owned()]
}

/// The probe records on stdout.
fn probes(assert: &Assert) -> Vec<Value> {
    let stdout = String::from_utf8_lossy(&assert.get_output().stdout).into_owned();
    let records = stdout.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    records.filter(|record| record["type"] == "probe").collect()
}

#[test]
fn without_a_network_the_result_is_inconclusive() {
    let apart = ["unshare", "--map-root-user", "--net"];
    let may = Command::new(apart[0]).args(&apart[1..]).arg("true").stderr(Stdio::null()).status();
    if !may.is_ok_and(|status| status.success()) {
        eprintln!("skipped: this machine does not allow its users to create network namespaces");
        return;
    }
    for (target, message) in [
        ("http://192.0.2.1/", "no connection to 192.0.2.1:80: Network is unreachable"),
        ("https://name.example/", "the name did not resolve"),
        ("grpc://192.0.2.1:1", "Network is unreachable"),
    ] {
        let assert = assert(&apart, &url(target)).code(3);
        let says = contains("could not be probed, which says nothing about it").and(contains(message));
        let assert = assert.stderr(says);
        let probes = probes(&assert);
        assert_eq!(probes.len(), 3);
        assert!(probes.iter().all(|probe| probe["ok"] == false && probe["local"] == true), "{probes:?}");
    }
}

#[test]
fn without_descriptors_the_result_is_inconclusive() {
    let hanging = Server::start(&[Reply::Hang]);
    let args: Vec<String> = (0..60).flat_map(|n| url(&format!("t{n}={}", hanging.url("/")))).collect();
    let assert = assert(&["sh", "-c", "ulimit -n 40; exec \"$0\" \"$@\""], &args);
    let assert = assert.code(3).stderr(contains("Too many open files"));
    assert!(probes(&assert).iter().all(|probe| probe["local"] == true));
}

#[test]
fn a_missing_program_says_nothing_about_the_service() {
    let assert = assert(&["env"], &url("exec:/no/such/program")).code(3);
    let assert = assert.stderr(contains("cannot run /no/such/program: directory /no does not exist"));
    assert_eq!(probes(&assert)[2]["reason"], "not_found");
}

#[test]
fn without_threads_the_result_is_inconclusive() {
    // As a user who has as many processes already as he may have. Root has no limit.
    let script = "exec setpriv --reuid=65534 --regid=65534 --clear-groups \
        bash -c 'ulimit -u 1; exec \"$0\" \"$@\"' \"$0\" \"$@\"";
    let as_nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
    let tool = env!("CARGO_BIN_EXE_dm-health");
    let may = Command::new(as_nobody[0]).args(&as_nobody[1..]).args(["test", "-x", tool]).status();
    if !may.is_ok_and(|status| status.success()) {
        eprintln!("skipped: only root can run it as a user without processes");
        return;
    }
    let assert = assert(&["sh", "-c", script], &url("http://localhost:1/")).code(3);
    assert
        .stderr(contains("cannot start a thread to look up the name").and(contains("internal error").not()));
}
