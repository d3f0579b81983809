//! `scripts/stack.sh`, which starts a monitoring stack to try out.

use std::path::PathBuf;
use std::process::{Command, Output};

use testkit::bin::Machine;
use testkit::server::eventually;

use crate::repository::path;

/// A stack in its own folder. It is taken down at the end, whether the test passes or fails.
struct Stack(PathBuf);

impl Stack {
    fn run(&self, verb: &str) -> Output {
        let build = testkit::bin::path("dm-stage");
        let mut command = Command::new(path("scripts/stack.sh"));
        command.arg(verb).env("DM_STACK_DIR", &self.0);
        command.env("CARGO_TARGET_DIR", build.ancestors().nth(2).unwrap()).output().unwrap()
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        self.run("down");
    }
}

#[test]
fn the_stack_comes_up_shows_an_alert_and_goes_down() {
    let machine = Machine::new();
    let stack = Stack(machine.folder().join("stack"));
    let up = stack.run("up");
    let stdout = String::from_utf8_lossy(&up.stdout);
    assert!(up.status.success(), "{up:?}");
    let url = stdout.lines().find_map(|line| line.strip_prefix("export PUSHGATEWAY_URL=")).unwrap();

    let mut deployment = machine.tool("dm-stage");
    deployment.args(["deployment", "--", "false"]).env("PUSHGATEWAY_URL", url);
    assert_eq!(deployment.output().unwrap().status.code(), Some(1));
    eventually("DeploymentFailed is pending", || {
        let status = stack.run("status");
        let text = String::from_utf8_lossy(&status.stdout).into_owned();
        if text.contains("DeploymentFailed") && text.contains("pending") { Ok(()) } else { Err(text) }
    });

    assert!(!stack.run("up").status.success(), "it is already running");
    assert!(stack.run("down").status.success());
    assert!(!stack.0.exists());
    assert_eq!(stack.run("status").status.code(), Some(1));
}
