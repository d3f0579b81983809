//! Stories of the whole program against a real server.
#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod afterwards;
mod control;
mod expectations;
mod files;
mod outcomes;
mod polling;
mod proxies;
#[path = "../server/mod.rs"]
mod server;
mod targets;
mod versions;
mod watching;

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Stdio};
use std::time::Duration;

use assert_cmd::Command;
use assert_cmd::assert::Assert;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use predicates::prelude::*;
use predicates::str::{contains, is_empty};
use serde_json::Value;
use server::{Reply, Server};
use tempfile::TempDir;

/// A run with its own state directory and nothing from the machine's environment.
struct Run {
    state: TempDir,
    args: Vec<String>,
}

impl Run {
    fn new(url: &str, flags: &str) -> Self {
        let mut args = vec!["--url".to_owned(), url.to_owned(), "--interval".to_owned(), "20ms".to_owned()];
        args.extend(flags.split_whitespace().map(str::to_owned));
        Self { state: tempfile::tempdir().unwrap(), args }
    }

    fn interval(&mut self, interval: &str) {
        interval.clone_into(&mut self.args[3]);
    }

    fn command(&self) -> std::process::Command {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_dm-health"));
        command
            .env_clear()
            .env("DM_STATE_DIR", self.state.path())
            .env("DM_SERVICE", "shop")
            .env("PUSHGATEWAY_URL", "disabled")
            .args(&self.args);
        command
    }

    fn assert(&self) -> Assert {
        Command::from_std(self.command()).timeout(Duration::from_mins(2)).assert()
    }

    fn spawn(&self) -> Child {
        self.command().stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// The only event in the journal.
    fn event(&self) -> Value {
        let journal = fs::read_to_string(self.state.path().join("journal.jsonl")).unwrap();
        let mut events = lines(&journal);
        assert_eq!(events.len(), 1, "{journal}");
        events.remove(0)
    }
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The probes of a stream, after checking that it is complete: `start`, probes, and an `end` that counts them.
fn probes(assert: &Assert) -> Vec<Value> {
    let output = assert.get_output();
    let mut records = lines(std::str::from_utf8(&output.stdout).unwrap());
    let end = records.pop().unwrap();
    let start = records.remove(0);
    assert_eq!(
        (&start["v"], &start["type"], &start["tool"]),
        (&1.into(), &"start".into(), &"dm-health".into())
    );
    assert_eq!(start["service"], "shop");
    assert!([20, 500].map(Value::from).contains(&start["interval_ms"]), "{start}");
    assert_eq!((&end["type"], &end["records"]), (&"end".into(), &records.len().into()));
    assert_eq!(end["exit"].as_i64(), output.status.code().map(i64::from));
    for (index, record) in records.iter().enumerate() {
        assert_eq!((&record["type"], &record["seq"]), (&"probe".into(), &(index + 1).into()));
    }
    records
}

fn oks(probes: &[Value]) -> Vec<bool> {
    probes.iter().map(|probe| probe["ok"].as_bool().unwrap()).collect()
}

const OK: Reply = Reply::Status(200);
const DOWN: Reply = Reply::Status(503);
