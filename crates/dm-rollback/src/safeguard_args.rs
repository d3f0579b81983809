//! The flags of the safeguards, and what they mean.

use std::time::Duration;

use common::duration;
use common::label::Label;

use crate::safeguards::Limits;

/// What was typed.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Safeguards")]
pub struct SafeguardArgs {
    /// The version to go back to [default: the one that was kept last]
    #[arg(long, value_name = "VERSION")]
    pub target: Option<Label>,

    /// Do nothing (11) where no version is known to be good; else, the first time, the command has to know one
    #[arg(long)]
    pub require_target: bool,

    /// So many rollbacks of a service are done in 24 hours; then a person has to look (11)
    #[arg(long, value_name = "NUMBER", default_value_t = 2)]
    pub max_rollbacks_per_day: u32,

    /// The time between two rollbacks of a service (75)
    #[arg(long, value_name = "DURATION", default_value = "15m", value_parser = duration::parse)]
    pub cool_down: Duration,

    /// Allow a --target, or with --check-version a version, that was rolled back from
    #[arg(long)]
    pub allow_refused: bool,

    /// The version that is gone back to works with the schema as it is now, whatever was migrated
    #[arg(long)]
    pub schema_compatible: bool,

    /// More looks at this deployment follow: a keep does not make its version a known good one yet
    #[arg(long)]
    pub provisional: bool,

    /// What the platform calls what is deployed, such as a revision; $DM_ROLLBACK_RELEASE when it is gone back to
    #[arg(long, env = "DM_RELEASE", value_name = "ID")]
    pub release: Option<common::args::EmptyAsNone<Label>>,

    /// Judge nothing: remember that the deployment's version is good
    #[arg(long, group = "question")]
    pub mark_good: bool,

    /// Judge nothing: end with 1 if the deployment's version was rolled back from, and did not prove good since
    #[arg(long, group = "question")]
    pub check_version: bool,
}

/// What it means.
#[derive(Debug, Clone)]
pub struct Guard {
    /// What the operator allows.
    pub limits: Limits,
    /// The version to go back to, where it was named.
    pub target: Option<Label>,
    /// What the platform calls what is deployed.
    pub release: Option<Label>,
    /// Whether a keep is not yet to be remembered.
    pub provisional: bool,
}

impl From<&SafeguardArgs> for Guard {
    fn from(args: &SafeguardArgs) -> Self {
        Self {
            limits: Limits {
                max_a_day: args.max_rollbacks_per_day,
                cool_down: args.cool_down,
                allow_refused: args.allow_refused,
                schema_compatible: args.schema_compatible,
                require_target: args.require_target,
            },
            target: args.target.clone(),
            release: common::args::non_empty(args.release.as_ref()),
            provisional: args.provisional,
        }
    }
}
