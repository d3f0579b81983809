//! A team with a service: its state directory, its deployments, and the trace of its rollback command.

use std::path::Path;

use assert_cmd::Command;
use assert_cmd::assert::Assert;
use serde_json::{Value, json};
use tempfile::TempDir;

/// A rollback command that writes one line per run.
pub(crate) const TRACE: &str =
    "echo \"$DM_DEPLOYMENT_ID from $DM_FAILED_VERSION to ${DM_ROLLBACK_TARGET-unknown}\" >> trace";

/// A machine with a state directory of its own.
pub(crate) struct Team {
    state: TempDir,
    /// The URL of the state that it shares with other machines.
    url: Option<String>,
}

impl Team {
    pub(crate) fn new() -> Self {
        Self { state: tempfile::tempdir().unwrap(), url: None }
    }

    /// A machine that shares its state with others.
    pub(crate) fn sharing(url: &str) -> Self {
        Self { url: Some(url.to_owned()), ..Self::new() }
    }

    /// The tool, for a deployment of a version of the service `api`.
    pub(crate) fn tool(&self, deployment: &str, version: &str) -> Command {
        Command::from_std(self.std_tool(deployment, version))
    }

    pub(crate) fn std_tool(&self, deployment: &str, version: &str) -> std::process::Command {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_dm-rollback"));
        command
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("DM_STATE_DIR", self.state.path());
        command.env("DM_SERVICE", "api").env("DM_ENVIRONMENT", "production");
        command.env("DM_DEPLOYMENT_ID", deployment).env("DM_VERSION", version);
        command.current_dir(self.state.path());
        command.envs(self.url.iter().map(|url| ("DM_STATE_URL", url)));
        command
    }

    /// A deployment that proves good.
    pub(crate) fn keeps(&self, deployment: &str, version: &str) {
        let mut tool = self.tool(deployment, version);
        tool.args(["--if-health-fails", "--", "false"]).write_stdin(healthy()).assert().code(0);
    }

    /// A deployment that proves bad, with these flags and this rollback command.
    pub(crate) fn fails(&self, deployment: &str, version: &str, flags: &[&str], command: &str) -> Assert {
        let mut tool = self.tool(deployment, version);
        tool.arg("--if-health-fails").args(flags).args(["--", "sh", "-c", command]);
        tool.write_stdin(unhealthy()).assert()
    }

    /// One line per run of the command.
    pub(crate) fn trace(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.state.path().join("trace")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// The entries of the ledger.
    pub(crate) fn ledger(&self) -> Vec<Value> {
        let path = self.state.path().join("rollback/production/api.jsonl");
        let text = std::fs::read_to_string(path).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The last event of the journal.
    pub(crate) fn last_event(&self) -> Value {
        let text = std::fs::read_to_string(self.state.path().join("journal.jsonl")).unwrap();
        serde_json::from_str(text.lines().last().unwrap()).unwrap()
    }

    /// Moves every time in the ledger back by this number of minutes.
    pub(crate) fn advance(&self, minutes: i64) {
        let mut entries = self.ledger();
        for entry in &mut entries {
            shift(entry, chrono::TimeDelta::minutes(-minutes));
        }
        self.write_ledger(&entries);
    }

    /// Replaces the ledger.
    pub(crate) fn write_ledger(&self, entries: &[Value]) {
        let path = self.state.path().join("rollback/production/api.jsonl");
        let lines: Vec<String> = entries.iter().map(|entry| format!("{entry}\n")).collect();
        common::fs::atomic::write(&path, lines.concat().as_bytes()).unwrap();
    }

    /// Appends an event of another tool to the journal.
    pub(crate) fn append_event(&self, event: &Value) {
        telemetry::Journal::new(self.state.path()).append(event).unwrap();
    }

    pub(crate) fn path(&self) -> &Path {
        self.state.path()
    }
}

/// Moves the time of an entry.
pub(crate) fn shift(entry: &mut Value, by: chrono::TimeDelta) {
    let ts: chrono::DateTime<chrono::Utc> = serde_json::from_value(entry["ts"].clone()).unwrap();
    entry["ts"] = json!(ts + by);
}

/// An event as `dm-stage` and `dm-migrate` write it. It ends now and has no duration.
pub(crate) fn event(deployment: &str, service: &str, stage: &str, more: &Value) -> Value {
    let clock = common::clock::SystemClock;
    let mut event = json!({"v": 1, "type": "stage", "id": "0123456789abcdef", "ts": common::clock::Clock::now(&clock),
        "tool": "dm-stage", "deployment": deployment, "service": service, "environment": "production", "stage": stage,
        "trace_id": "0123456789abcdef0123456789abcdef", "status": "success", "duration_s": 0.0, "error_type": null,
        "exit_code": 0, "signal": null, "cpu_s": null, "max_rss_bytes": null});
    for (name, value) in more.as_object().unwrap() {
        event[name] = value.clone();
    }
    event
}

/// The stream of a health check that failed. It names no deployment, and contains no probe that could be measured again.
pub(crate) fn unhealthy() -> String {
    with_probes(1, &[])
}

/// The stream of a health check that has proven a version good: a minute in which no probe failed.
pub(crate) fn healthy() -> String {
    let healthy = |at: i64| probe(at, &json!({"target": "http://api/", "ok": true}));
    with_probes(0, &(0..60).rev().map(|at| healthy(1000 * at)).collect::<Vec<_>>())
}

/// The stream of a health check of this URL, which did not answer a single probe in the last ten seconds.
pub(crate) fn unhealthy_at(url: &str) -> String {
    let refused = |at: i64| probe(at, &json!({"target": url, "ok": false, "reason": "refused"}));
    with_probes(1, &(0..50).rev().map(|at| refused(200 * at)).collect::<Vec<_>>())
}

/// A probe this number of milliseconds ago.
fn probe(ago: i64, more: &Value) -> Value {
    let ts = common::clock::Clock::now(&common::clock::SystemClock) - chrono::TimeDelta::milliseconds(ago);
    let mut probe = json!({"v": 1, "type": "probe", "ts": ts, "src": "probe"});
    probe.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    probe
}

fn with_probes(exit: u8, probes: &[Value]) -> String {
    let ts = common::clock::Clock::now(&common::clock::SystemClock);
    let start = json!({"v": 1, "type": "start", "tool": "dm-health", "run": "r", "service": "api",
        "environment": "production", "deployment": "", "ts": ts});
    let end = json!({"v": 1, "type": "end", "ts": ts, "exit": exit, "records": probes.len()});
    let records = [&[start], probes, &[end]].concat();
    records.iter().map(|record| format!("{record}\n")).collect::<Vec<_>>().concat()
}
