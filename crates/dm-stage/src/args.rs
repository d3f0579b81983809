//! What was typed.

use std::ffi::OsString;
use std::time::Duration;

use crate::runner::ErrorPattern;
use crate::runner::LimitArgs;
use clap::Parser;
use common::args::{DeploymentArgs, EmptyAsNone};
use common::duration;
use common::event::Status;
use common::github_actions::GitHubArgs;
use common::label::{Label, Stage};
use telemetry::args::ExportArgs;

const EXAMPLES: &str = "\
Examples:
  dm-stage build -- cargo build --release
  dm-stage deploy --timeout 10m -- ./deploy.sh
  dm-stage deployment -- ./scripts/deploy-all.sh   the outermost stage: the deployment as a whole
  dm-stage test --retries 2 -- ./test.sh           up to three attempts
  dm-stage docs --skip \"$UNCHANGED\" -- ./docs.sh   recorded as skipped, unless UNCHANGED is empty
  dm-stage --timeline                              what the last deployment did, from the journal
  dm-stage --flush                                 send what an outage of the gateway left behind

A deployment whose stages run on several machines is started on one and finished on another:
  dm-stage deployment --start >> \"$GITHUB_ENV\"
  dm-stage deployment --finish success

The command finds DM_DEPLOYMENT_ID, DM_SERVICE, DM_ENVIRONMENT, DM_VERSION, DM_PARENT_STAGE and TRACEPARENT in its
environment, and from the second attempt on DM_ATTEMPT.

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

    /// Try the command again so often where it fails; --timeout is for each attempt. Not where it cannot be started
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub retries: u32,

    /// How long before it is tried again
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = duration::parse, requires = "retries")]
    pub retry_delay: Duration,

    /// Keep so many of the last lines of its stderr in the journal, without secrets; its stderr is then a pipe
    #[arg(long, value_name = "LINES", default_value_t = 0, value_parser = clap::value_parser!(u16).range(..=1000))]
    pub tail: u16,

    /// The class of the error where a line of stderr matches, such as 'could not obtain lock=lock_timeout'; its stderr
    /// is then a pipe; may be given again, the first that matches counts
    #[arg(long, value_name = "REGEX=CLASS")]
    pub error_pattern: Vec<ErrorPattern>,

    /// Run nothing, and record the stage as skipped for this reason; an empty reason skips nothing
    #[arg(long, value_name = "REASON", conflicts_with_all = ["start", "finish", "timeline", "flush"])]
    pub skip: Option<EmptyAsNone<Label>>,

    /// On a terminal, show one live line at its foot: the stage, for how long it runs, and how long it took last time
    #[arg(long)]
    pub status: bool,

    #[command(flatten)]
    pub github: GitHubArgs,

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
