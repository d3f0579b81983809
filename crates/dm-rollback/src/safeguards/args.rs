//! The flags of the safeguards, and the settings that they give.

use std::time::Duration;

use clap::builder::FalseyValueParser;
use common::args::{EmptyAsNone, non_empty};
use common::duration;
use common::label::Label;
use common::version;

use crate::safeguards::refusal::Limits;

/// Four hours in which every deployment is bad, at one every twelve minutes.
const MAX_PER_DAY: u32 = 20;

const COOL_DOWN: Duration = Duration::from_mins(15);

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

    /// Refuse (11) after this number of rollbacks of a service in 24 hours, until a person has found the cause [default: 20]
    #[arg(long, env = "DM_MAX_ROLLBACKS_PER_DAY", value_name = "NUMBER")]
    pub max_rollbacks_per_day: Option<EmptyAsNone<u32>>,

    /// For this time after a rollback, do not roll back the same version again, nor a deployment that began before the
    /// rollback ended (75) [default: 15m]
    #[arg(long, env = "DM_COOL_DOWN", value_name = "DURATION", value_parser = parse_cool_down)]
    pub cool_down: Option<EmptyAsNone<Duration>>,

    /// Allow a version that was rolled back before: as the --target, or with --check-version or --mark-good. With
    /// --mark-good also one that was kept only because it is no worse than before
    #[arg(long)]
    pub allow_refused: bool,

    /// Roll back even if a migration has changed the schema: the target works with the current one
    #[arg(long, env = "DM_SCHEMA_COMPATIBLE", value_parser = FalseyValueParser::new())]
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

    /// Name of the release that was live before the deployment. If --release is the same, nothing went live, and nothing
    /// is rolled back (1)
    #[arg(long, value_name = "ID")]
    pub release_before: Option<EmptyAsNone<Label>>,

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
    /// The name of the release that was live before the deployment.
    pub release_before: Option<Label>,
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
                max_per_day: non_empty(args.max_rollbacks_per_day.as_ref()).unwrap_or(MAX_PER_DAY),
                cool_down: non_empty(args.cool_down.as_ref()).unwrap_or(COOL_DOWN),
                allow_refused: args.allow_refused,
                schema_compatible: args.schema_compatible,
                require_target: args.require_target,
                act_without_state: args.act_without_state,
            },
            target: args.target.clone(),
            release: non_empty(args.release.as_ref()),
            release_before: non_empty(args.release_before.as_ref()),
            provisional: args.provisional,
            is_triggered: false,
            is_service_given: true,
            derived_service: None,
        }
    }
}

fn parse_cool_down(text: &str) -> Result<EmptyAsNone<Duration>, String> {
    EmptyAsNone::parse_with(text, duration::parse)
}
