//! The command line, as typed.

use std::ffi::OsString;
use std::time::Duration;

use clap::Parser;
use common::args::{DeploymentArgs, EmptyAsNone};
use common::duration;
use common::event::Status;
use common::github_actions::GitHubArgs;
use common::label::{Label, Stage};
use notify::NotifyArgs;
use telemetry::ExportArgs;

use crate::query::QueryArgs;
use crate::report::ReportArgs;
use crate::retire::RetireArgs;
use crate::runner::{ErrorPattern, LimitArgs, OutputArgs, RetryArgs, StdinMode};

const EXAMPLES: &str = "\
Examples:
  dm-stage build -- cargo build --release
  dm-stage deploy --timeout 10m -- ./deploy.sh
  dm-stage deployment -- ./scripts/deploy-all.sh  # the whole deployment
  dm-stage test --retries 2 -- ./test.sh          # up to three attempts
  dm-stage fetch --retries 5 --retry-exit 56 --retry-delay 1s..1m -- ./get.sh
  dm-stage build --output on-failure -- make      # one line if it succeeds
  dm-stage docs --skip \"$UNCHANGED\" -- ./docs.sh  # runs if it is empty
  dm-stage deployment --exclusive='wait 10m' -- ./scripts/deploy-all.sh
  dm-stage --timeline                             # the last deployment
  dm-stage --history --since 7d                   # a line per deployment
  dm-stage --report out.html --last 30d           # a page to share
  dm-stage --follow                               # the one that is running
  dm-stage --flush                                # after an outage
  dm-stage --retire shop --dry-run                # what dashboards still show of it

If the stages of a deployment run on several machines, start it on one and
finish it on another:
  dm-stage deployment --start >> \"$GITHUB_ENV\"
  dm-stage deployment --finish success

The command gets DM_DEPLOYMENT_ID, DM_SERVICE, DM_ENVIRONMENT, DM_VERSION,
DM_PARENT_STAGE and TRACEPARENT in its environment; from the second attempt
on, also DM_ATTEMPT.

With --output on-failure, the command's stdout and stderr are a pipe, and
stdin is empty if it is a terminal: do not use it for a command that asks
questions, whose stdout another command reads, or that leaves a service
running which writes to the same stdout. It is for one stage; for the stage
deployment, whose stages report themselves, DM_OUTPUT has no effect.

In GitHub Actions, write `run: exec dm-stage …`, because a cancellation is
sent only to the first process of a step.

Exit code: that of the command. If a signal kills the command, dm-stage dies
by the same signal. 124: the time limit expired; 125: wrong usage, or a fault
of dm-stage; 126: not executable; 127: not found. Recording problems do not
change the exit code.";

/// Runs a command as a stage of a deployment: times it, passes everything through, records it
#[derive(Debug, Parser)]
#[command(name = "dm-stage", version, after_help = EXAMPLES)]
pub struct Args {
    /// The stage: build, deploy, health_check, migration, smoke_test, rollback, or deployment for the whole deployment
    pub stage: Option<Stage>,

    /// The command and its arguments, after `--`
    #[arg(last = true, value_name = "COMMAND")]
    pub command: Vec<OsString>,

    #[command(flatten)]
    pub limit: LimitArgs,

    /// Exit codes that count as success in addition to 0, such as 1,3; dm-stage still exits with that code
    #[arg(long, value_name = "CODES", value_delimiter = ',', conflicts_with_all = ["start", "finish", "query", "flush"])]
    pub allow_exit: Vec<u8>,

    #[command(flatten)]
    pub retry: RetryArgs,

    /// What the command gets as stdin. A command that may have read a pipe is not retried, unless its stdin is replayed
    #[arg(long, value_enum, default_value_t, conflicts_with_all = ["start", "finish", "query", "flush"])]
    pub stdin: StdinMode,

    #[command(flatten)]
    pub output: OutputArgs,

    /// Keep the last LINES lines of stderr in the journal, with secrets masked; the stderr of the command is then a pipe
    /// [default: the last 20 of a failed command whose output is a pipe for another reason, such as --output on-failure]
    #[arg(long, value_name = "LINES", value_parser = clap::value_parser!(u16).range(..=1000))]
    pub tail: Option<u16>,

    /// Classify a failure if a line of stderr matches, such as 'could not obtain lock=lock_timeout'; can be repeated, the
    /// first match counts; the stderr of the command is then a pipe
    #[arg(long, value_name = "REGEX=CLASS")]
    pub error_pattern: Vec<ErrorPattern>,

    /// Do not run the command; record the stage as skipped for this reason. An empty reason skips nothing
    #[arg(long, value_name = "REASON", conflicts_with_all = ["start", "finish", "query", "flush"])]
    pub skip: Option<EmptyAsNone<Label>>,

    /// With --skip of a stage that would have deployed: the release that stays live, as the platform names it, for the
    /// record and the line at the end
    #[arg(long, value_name = "ID", requires = "skip")]
    pub live_release: Option<EmptyAsNone<Label>>,

    /// On a terminal, show a live status line: the stage, its elapsed time, and its duration last time
    #[arg(long)]
    pub status: bool,

    #[command(flatten)]
    pub(crate) report: ReportArgs,

    #[command(flatten)]
    pub github: GitHubArgs,

    /// Only record that the stage starts; print the variables for the tools and machines that continue it
    #[arg(long, conflicts_with_all = ["command", "finish", "timeout"])]
    pub start: bool,

    /// Only record that a stage begun with --start has ended: success, failure, error, timeout, cancelled or skipped
    #[arg(long, value_name = "STATUS", conflicts_with_all = ["command", "timeout"])]
    pub finish: Option<Status>,

    #[command(flatten)]
    pub(crate) query: QueryArgs,

    /// Push pending events to the Pushgateway, and verify that all arrived
    #[arg(long, conflicts_with_all = ["stage", "command", "start", "finish", "query", "timeout"])]
    pub flush: bool,

    #[command(flatten)]
    pub(crate) retire: RetireArgs,

    /// Run only one deployment of the service in the environment at a time; a second one waits for this long, such as
    /// --exclusive='wait 10m', or exits with 75. Only for the stage deployment
    #[arg(long, value_name = "wait DURATION", num_args = 0..=1, require_equals = true, default_missing_value = "", value_parser = duration::parse_wait, conflicts_with_all = ["skip", "query", "flush"])]
    pub exclusive: Option<Duration>,

    #[command(flatten)]
    pub deployment: DeploymentArgs,

    #[command(flatten)]
    pub export: ExportArgs,

    #[command(flatten)]
    pub notify: NotifyArgs,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_flags_are_consistent() {
        super::Args::command().debug_assert();
    }
}
