//! The flags of the safeguards, and the settings that they give.

use std::time::Duration;

use common::args::{EmptyAsNone, non_empty};
use common::duration;
use common::label::Label;
use common::version;

use crate::safeguards::refusal::Limits;

/// The flags of the safeguards.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Safeguards")]
pub struct SafeguardArgs {
    /// Version to roll back to, also one that is on record nowhere [default: the last known-good version]
    #[arg(long, value_name = "VERSION", value_parser = version::parse)]
    pub target: Option<Label>,

    /// Refuse (11) if no version is known to be good. Without this flag, the first rollback runs the command without a
    /// target
    #[arg(long)]
    pub require_target: bool,

    /// Refuse (11) after this number of rollbacks of a service in 24 hours, until a person has found the cause
    #[arg(long, value_name = "NUMBER", default_value_t = 2)]
    pub max_rollbacks_per_day: u32,

    /// Minimum time between two rollbacks of a service (75)
    #[arg(long, value_name = "DURATION", default_value = "15m", value_parser = duration::parse)]
    pub cool_down: Duration,

    /// Allow a version that was rolled back before: as the --target, or with --check-version
    #[arg(long)]
    pub allow_refused: bool,

    /// Roll back even if a migration has changed the schema: the target works with the current one
    #[arg(long)]
    pub schema_compatible: bool,

    /// More checks of this deployment follow: a keep does not make its version known good yet
    #[arg(long)]
    pub provisional: bool,

    /// Roll back although the shared state cannot be used, or this CI job's machine has no ledger: without the safeguards
    /// that depend on it
    #[arg(long)]
    pub act_without_state: bool,

    /// Name of this release on the platform, such as a revision; a later rollback to this version passes it to the
    /// command as $DM_ROLLBACK_RELEASE
    #[arg(long, env = "DM_RELEASE", value_name = "ID")]
    pub release: Option<EmptyAsNone<Label>>,

    /// Only record the version of this deployment as known good
    #[arg(long, group = "ledger_command")]
    pub mark_good: bool,

    /// With --mark-good: nobody saw this version answer, it is only assumed that it served
    #[arg(long, requires = "mark_good")]
    pub assumed: bool,

    /// Only check the version of this deployment: exit with 1 if it was rolled back and has not proved good since
    #[arg(long, group = "ledger_command")]
    pub check_version: bool,
}

/// The settings of the safeguards.
#[derive(Debug, Clone)]
pub struct SafeguardSettings {
    /// The limits that the operator set.
    pub limits: Limits,
    /// The version to roll back to, if the operator named one.
    pub target: Option<Label>,
    /// The name of the deployed release on the platform.
    pub release: Option<Label>,
    /// Whether a keep is not recorded as known good yet.
    pub provisional: bool,
    /// Whether an alert started this run, and not the job that deploys.
    pub is_triggered: bool,
    /// Whether the service was given by a flag or its variable.
    pub is_service_given: bool,
    /// The service as the CI system, the repository or the folder names it.
    pub derived_service: Option<Label>,
}

impl From<&SafeguardArgs> for SafeguardSettings {
    fn from(args: &SafeguardArgs) -> Self {
        Self {
            limits: Limits {
                max_per_day: args.max_rollbacks_per_day,
                cool_down: args.cool_down,
                allow_refused: args.allow_refused,
                schema_compatible: args.schema_compatible,
                require_target: args.require_target,
                act_without_state: args.act_without_state,
            },
            target: args.target.clone(),
            release: non_empty(args.release.as_ref()),
            provisional: args.provisional,
            is_triggered: false,
            is_service_given: true,
            derived_service: None,
        }
    }
}
