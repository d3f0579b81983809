//! Stages that the tests of pushing run.

use std::process::{Command, Stdio};

use testkit::bin::Machine;

/// `dm-stage` with these arguments.
pub(crate) fn stage(machine: &Machine, words: &[&str]) -> Command {
    let mut command = machine.tool("dm-stage");
    command.args(words).stdin(Stdio::null());
    command
}

/// A stage that succeeds at once.
pub(crate) fn build(machine: &Machine) -> Command {
    stage(machine, &["build", "--", "true"])
}
