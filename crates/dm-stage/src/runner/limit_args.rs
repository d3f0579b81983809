//! The flags for a wrapped command's time limit.

use std::time::Duration;

use common::duration;

/// How long a wrapped command may take.
#[derive(Debug, Clone, clap::Args)]
pub struct LimitArgs {
    /// End the command after this time: TERM to it and everything it started, then KILL
    #[arg(long, value_name = "DURATION", value_parser = duration::parse_positive)]
    pub timeout: Option<Duration>,
    /// The time between TERM and KILL
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration::parse, requires = "timeout")]
    pub kill_after: Duration,
    /// Let the command continue if this tool is killed by SIGKILL or for lack of memory; otherwise the command gets TERM
    #[arg(long)]
    pub may_outlive: bool,
}
