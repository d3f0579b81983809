//! The entries of a ledger.

use chrono::{DateTime, Utc};
use common::event::RollbackResult;
use common::identity::random_hex;
use common::label::Label;
use serde::{Deserialize, Serialize};

use crate::ledger::artifact::Artifact;
use crate::ledger::attempt::Attempt;

/// The version of the format of an entry.
pub(super) const FORMAT: u32 = 1;

/// One line of the ledger.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// [`FORMAT`].
    pub v: u32,
    /// The unique id: an entry that is written twice counts once. Absent in what older versions of the tools wrote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The time of the entry.
    pub ts: DateTime<Utc>,
    /// The deployment that it belongs to.
    pub deployment: Label,
    /// The attempt at the deployment.
    #[serde(default = "first_attempt", skip_serializing_if = "is_first_attempt")]
    pub attempt: u32,
    /// The id of the CI job that rolled back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<Label>,
    /// The name of that job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job_name: Option<Label>,
    /// What identifies the caller among the jobs of one run, as a hash.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caller: Option<Label>,
    /// The kind, with its data.
    #[serde(flatten)]
    pub kind: EntryKind,
}

impl Entry {
    pub(crate) fn new(ts: DateTime<Utc>, attempt: &Attempt, kind: EntryKind) -> Self {
        let Attempt { deployment, number, job, job_name, caller } = attempt.clone();
        Self {
            v: FORMAT,
            id: Some(random_hex(8)),
            ts,
            deployment,
            attempt: number,
            job,
            job_name,
            caller,
            kind,
        }
    }
}

/// The attempt of an entry without one.
fn first_attempt() -> u32 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_first_attempt(number: &u32) -> bool {
    *number == 1
}

/// What an entry records.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum EntryKind {
    /// A version proved good.
    Good(KnownGood),
    /// A rollback is about to begin. Written before the command is started.
    Intent(Intent),
    /// The rollback of this deployment ended.
    Outcome {
        /// The result.
        result: RollbackResult,
    },
}

/// A version that proved good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownGood {
    /// The version, as deployments name it.
    pub version: Label,
    /// The name of the release on the platform, such as a revision, if it was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<Label>,
    /// The schema version that it proved good with, if it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<Label>,
    /// Whether it is only assumed that this version served the requests that proved it good: no version could be detected.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub assumed: bool,
}

/// A rollback that is about to begin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Intent {
    /// The version that is rolled back, if it is known.
    #[serde(default)]
    pub failed: Option<Label>,
    /// The platform's name for the release of that version, if it was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed_release: Option<Label>,
    /// The version to roll back to, if it is known.
    #[serde(default)]
    pub target: Option<Label>,
    /// The platform's name for the release of that version, if it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_release: Option<Label>,
    /// The fencing number of the lease under which it is done, where state is shared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fence: Option<u64>,
    /// The schema version at that time, if it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<Label>,
    /// The reason for the rollback, in a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// The id of the process that rolls back.
    pub pid: u32,
}

impl KnownGood {
    /// What was deployed.
    pub(crate) fn artifact(&self) -> Artifact<'_> {
        Artifact { version: &self.version, release: self.release.as_ref() }
    }
}

impl Intent {
    /// What is rolled back, if it is known.
    pub(crate) fn failed(&self) -> Option<Artifact<'_>> {
        Some(Artifact { version: self.failed.as_ref()?, release: self.failed_release.as_ref() })
    }

    /// What is restored, if it is known.
    pub(crate) fn target(&self) -> Option<Artifact<'_>> {
        Some(Artifact { version: self.target.as_ref()?, release: self.target_release.as_ref() })
    }
}
