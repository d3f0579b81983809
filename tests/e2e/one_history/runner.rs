//! A runner: a process, or a tree of them, on a machine of its own.

use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use testkit::bin::Machine;
use testkit::shared_store::SharedStore;

use super::witness::{WITNESS, now};

/// The exit code of a shell, or a stage, whose command was killed.
const KILLED: i32 = 128 + Signal::SIGKILL as i32;

/// What a runner does.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Role {
    /// An exclusive deployment that proves bad, and rolls itself back.
    Deployment,
    /// A rollback of a deployment, beside it.
    Rollback,
    /// A single stage.
    Stage,
}

/// A machine with what it is to do.
#[derive(Debug)]
pub(super) struct Runner {
    pub(super) machine: Machine,
    pub(super) number: usize,
    pub(super) role: Role,
    pub(super) deployment: String,
}

/// How a runner ended.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) code: Option<i32>,
    /// When it was about to be killed, if that ended it.
    pub(super) killed: Option<u128>,
    pub(super) said: String,
}

/// The verdict and the rollback. The command takes a moment, in which it may be killed.
const ROLL_BACK: &str = r#"
now=$(date -u +%FT%T.%3NZ)
printf '%s\n%s\n' '{"v":1,"type":"start","tool":"dm-health","deployment":"","ts":"'$now'"}' \
    '{"v":1,"type":"end","ts":"'$now'","exit":1,"records":0}' |
dm-rollback --if-health-fails --cool-down 0s --max-rollbacks-per-day 100000 -- bash -c "$TRIAL_COMMAND"
"#;

impl Runner {
    pub(super) fn new(
        store: &SharedStore,
        (service, deployment): (&str, &str),
        (number, role): (usize, Role),
        witness: &Path,
        gateway: &str,
    ) -> Self {
        let version = format!("2.{deployment}");
        // Whoever cannot write to the store for that long loses the lease: a busy machine pushes slowly.
        let ttl = if store.url.starts_with("git") { "60s" } else { "20s" };
        let mut machine = store.machine();
        let number_text = number.to_string();
        let command = format!("{WITNESS}; witness act; sleep 0.05; witness end-act");
        for (name, value) in [
            ("DM_SERVICE", service),
            ("DM_DEPLOYMENT_ID", deployment),
            ("DM_VERSION", &version),
            ("DM_EXPORT_BUDGET", "2m"),
            ("DM_LEASE_TTL", ttl),
            ("PUSHGATEWAY_URL", gateway),
            ("TRIAL_RUNNER", &number_text),
            ("TRIAL_WITNESS", witness.to_str().unwrap()),
            ("TRIAL_COMMAND", &command),
        ] {
            machine = machine.with(name, value);
        }
        Self { machine, number, role, deployment: deployment.to_owned() }
    }

    fn command(&self) -> Command {
        match self.role {
            Role::Deployment => {
                let mut tool = self.machine.tool("dm-stage");
                let script = format!(
                    "{WITNESS}; witness deployment; dm-stage build -- true; {ROLL_BACK}
code=$?; \
                     witness end-deployment; exit $code"
                );
                tool.args(["deployment", "--exclusive=wait 5m", "--", "bash", "-c", &script]);
                tool
            }
            Role::Rollback => self.machine.shell(&format!("set -o pipefail; {ROLL_BACK}")),
            Role::Stage => {
                let mut tool = self.machine.tool("dm-stage");
                tool.args(["build", "--", "true"]);
                tool
            }
        }
    }

    /// Runs it to its end, or kills it after `delay`: the tool alone, or its whole machine.
    pub(super) fn run(&self, delay: Option<Duration>, whole: bool) -> Ended {
        let errors = tempfile::NamedTempFile::new().unwrap();
        let mut command = self.command();
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(errors.reopen().unwrap());
        let mut child = command.process_group(0).spawn().unwrap();
        let killed = delay.map(|delay| {
            wait(delay);
            let at = now();
            if whole || self.role == Role::Rollback {
                self.kill_all();
            }
            let _ = child.kill();
            at
        });
        let status = child.wait().unwrap();
        // A parent may report the death of its child before it dies itself.
        let was_killed = status.signal() == Some(Signal::SIGKILL as i32) || status.code() == Some(KILLED);
        if was_killed && !whole {
            self.wait_for_orphans();
        }
        let said = std::fs::read_to_string(errors.path()).unwrap();
        Ended { code: status.code(), killed: killed.filter(|_| was_killed), said }
    }

    /// Kills every process with this runner's number and folder in its environment: those that this one started, whoever
    /// adopted them.
    fn kill_all(&self) {
        for process in self.processes() {
            let _ = kill(process, Signal::SIGKILL);
        }
    }

    /// What a killed tool leaves behind ends by itself.
    fn wait_for_orphans(&self) {
        testkit::server::eventually("the orphans end", || {
            if self.processes().is_empty() { Ok(()) } else { Err("they run".to_owned()) }
        });
    }

    fn processes(&self) -> Vec<Pid> {
        let mark = format!("DM_STATE_DIR={}", self.machine.folder().join("state").display());
        let ids = std::fs::read_dir("/proc").unwrap().flatten();
        let ids = ids.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
        let has_mark = |id: &i32| {
            let environment = std::fs::read(format!("/proc/{id}/environ")).unwrap_or_default();
            environment.split(|byte| *byte == 0).any(|variable| variable == mark.as_bytes())
        };
        ids.filter(has_mark).map(Pid::from_raw).collect()
    }
}

fn wait(delay: Duration) {
    // Nobody ever ticks: this only waits.
    let (_tick, ticks) = std::sync::mpsc::channel::<()>();
    let _ = ticks.recv_timeout(delay);
}
