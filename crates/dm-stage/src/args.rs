//! What was typed.

use std::ffi::OsString;

use clap::Parser;
use common::event::Status;
use common::flags::{DeploymentArgs, ExportArgs, LimitArgs};
use common::label::{Label, Stage};

const EXAMPLES: &str = "\
Examples:
  dm-stage build -- cargo build --release
  dm-stage deploy --timeout 10m -- ./deploy.sh
  dm-stage deployment -- ./scripts/deploy-all.sh   the outermost stage: the deployment as a whole
  dm-stage --timeline                              what the last deployment did, from the journal
  dm-stage --flush                                 send what an outage of the gateway left behind

A deployment whose stages run on several machines is started on one and finished on another:
  dm-stage deployment --start >> \"$GITHUB_ENV\"
  dm-stage deployment --finish success

In GitHub Actions write `run: exec dm-stage …`: a cancellation is sent to the step's first process
only.

Exit code: the command's own; killed by a signal, dm-stage dies by the same one. 124: --timeout;
125: wrong usage, or a fault of dm-stage; 126: not executable; 127: not found. No trouble with
recording changes it.";

/// Runs a command as a stage of a deployment: times it, passes everything through, records it
#[derive(Debug, Parser)]
#[command(name = "dm-stage", version, after_help = EXAMPLES)]
pub struct Args {
    /// The stage: build, deploy, health_check, migration, smoke_test, rollback, or deployment for the whole
    pub stage: Option<Stage>,

    /// The command and its arguments, after `--`
    #[arg(last = true, value_name = "COMMAND")]
    pub command: Vec<OsString>,

    #[command(flatten)]
    pub limit: LimitArgs,

    /// Exit codes of the command that are recorded as a success, beside 0: 1,3. The code is passed on all the same
    #[arg(long, value_name = "CODES", value_delimiter = ',', conflicts_with_all = ["start", "finish", "timeline", "flush"])]
    pub allow_exit: Vec<u8>,

    /// Only record that the stage starts; prints the variables for the tools and machines that go on
    #[arg(long, conflicts_with_all = ["command", "finish", "timeout"])]
    pub start: bool,

    /// Only record that a stage begun with --start ended: success, failure, error, timeout, cancelled, skipped
    #[arg(long, value_name = "STATUS", conflicts_with_all = ["command", "timeout"])]
    pub finish: Option<Status>,

    /// Print what a deployment did, from the journal: the one named, else the last
    #[arg(long, value_name = "ID", num_args = 0..=1, conflicts_with_all = ["stage", "command", "start", "finish", "timeout"])]
    pub timeline: Option<Option<Label>>,

    /// Send what could not be sent before, and make sure of what was
    #[arg(long, conflicts_with_all = ["stage", "command", "start", "finish", "timeline", "timeout"])]
    pub flush: bool,

    #[command(flatten)]
    pub deployment: DeploymentArgs,

    #[command(flatten)]
    pub export: ExportArgs,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_flags_are_consistent() {
        super::Args::command().debug_assert();
    }
}
