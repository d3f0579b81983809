//! Polls a service until it is healthy, or until it is proven unhealthy; then keeps watching it.
//!
//! It owns probes over HTTP, TCP, gRPC and programs, the policy that turns probe results into a verdict, and the report.
//! It does not judge a deployment: `dm-rollback` reads the records and decides. What an HTTP response should look like is
//! described by `http-expect`, and a file of targets is read by `dm-smoke`. `dm-rollback` uses [`observe`].
//!
//! ```text
//! poll_loop: at every turn of the interval, each target
//!   probe ─► ProbeOutcome ─► policy ─► Step ─► report     a line on stdout
//!                                        └───► RunOutcome ─► exit code, event, sentence
//! ```

mod address;
mod args;
mod clock_difference;
mod expectations;
mod failure;
mod observe;
mod plan;
mod policy;
mod poll_loop;
mod probe;
mod report;
mod request_header;
mod run;
mod run_outcome;
mod stats;
mod stdout_closed;
mod target_file;
mod target_flags;
mod target_spec;
mod version;

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::Command;

use anyhow::{Context as _, Result};
use common::exit::Exit;
use common::output;

pub use args::{Args, TOOL};
pub use observe::{Observation, Observed, observe};
pub use plan::{Plan, plan};
pub use version::VersionLocation;

/// Carries out the plan.
///
/// # Errors
/// The targets cannot be probed at all.
#[expect(clippy::needless_pass_by_value, reason = "the signature that `main` expects")]
pub fn run(plan: Plan) -> Result<Exit> {
    if plan.only_check {
        let targets = plan.targets.len();
        output::print(&format!("{targets} target{}\n", if targets == 1 { "" } else { "s" }))
            .context("cannot write to stdout")?;
        return Ok(Exit::Success);
    }
    match run::run(&plan)? {
        Exit::Success if !plan.command.is_empty() => Ok(replace_with(&plan.command)),
        exit => Ok(exit),
    }
}

/// Replaces this process with the command. Returns only if the command cannot be started.
fn replace_with(command: &[OsString]) -> Exit {
    let Some((program, arguments)) = command.split_first() else { return Exit::Success };
    let error = Command::new(program).args(arguments).exec();
    let error = child_process::explain(program, &error);
    common::cli::warn(TOOL.name, &[error.message]);
    error.exit
}
