//! The question to the safeguards, and the reasons to refuse a rollback.

use std::time::Duration;

use common::event::RollbackResult;
use common::exit::Exit;
use common::label::Label;

use crate::ledger::Attempt;
use crate::ledger::artifact::Artifact;
use crate::safeguards::caller::Caller;
use crate::safeguards::facts::Facts;

/// The limits that the operator set.
#[derive(Debug, Clone, PartialEq)]
pub struct Limits {
    /// The maximum number of rollbacks of a service in 24 hours.
    pub max_per_day: u32,
    /// The time after a rollback in which the same version is not rolled back again.
    pub cool_down: Duration,
    /// Whether a version that was rolled back may be the target.
    pub allow_refused: bool,
    /// Whether the target works with the current schema.
    pub schema_compatible: bool,
    /// Whether a rollback needs a known-good version, even the first time.
    pub require_target: bool,
    /// Whether to act without the ledger of other machines.
    pub act_without_state: bool,
}

/// The rollback that is requested.
#[derive(Debug)]
pub(crate) struct Request<'a> {
    /// The deployment to undo, and which attempt at it.
    pub attempt: &'a Attempt,
    /// The process that asks.
    pub caller: &'a Caller,
    /// The version of the deployment, if it is known, and its release.
    pub failed: Option<Artifact<'a>>,
    /// The release that is live now, if it is known.
    pub release: Option<&'a Label>,
    /// The release that was live before the deployment, if it is known.
    pub release_before: Option<&'a Label>,
    /// The target, if the operator named one.
    pub target: Option<&'a Label>,
    /// The facts from the journal and the environment.
    pub facts: &'a Facts,
}

/// Why no rollback is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Rejection {
    /// This deployment was rolled back before.
    AlreadyRolledBack {
        /// The recorded result.
        result: RollbackResult,
        /// The same as a sentence.
        message: String,
    },
    /// Nothing of the deployment went live. The reason, as a sentence.
    NothingLive(String),
    /// A safeguard refuses the rollback.
    Refused(Refusal),
}

impl From<Refusal> for Rejection {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// Why a safeguard refuses a rollback.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// The reason, and what to do.
    pub reason: String,
    /// The exit code of the tool.
    pub exit: Exit,
}

impl Refusal {
    /// A rollback is needed and not done.
    pub(crate) fn not_done(reason: String) -> Self {
        Self { reason, exit: Exit::RollbackNotDone }
    }
}
