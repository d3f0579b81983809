//! Work that has begun: what recording has to know before it can know how the work ends.

use chrono::{DateTime, Utc};

use common::identity::Identity;
use common::label::Stage;

/// The kinds of work, as far as they have counters of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WorkKind {
    /// A command as a stage.
    Stage,
    /// A migration command.
    Migration,
    /// Polling.
    Health,
    /// Smoke tests.
    Smoke,
    /// Judging and rolling back.
    Rollback,
}

/// A piece of work, from its beginning on.
#[derive(Debug, Clone)]
pub struct WorkItem {
    /// Which deployment.
    pub identity: Identity,
    /// Which stage of it.
    pub stage: Stage,
    /// The stage around it.
    pub parent: Option<Stage>,
    /// What kind of work.
    pub work: WorkKind,
    /// Whether it keeps alive a run that was begun with `--start`, on whatever machine that was.
    pub beats_for_run: bool,
    /// When it began.
    pub started_at: DateTime<Utc>,
}

impl WorkItem {
    /// When it began, in seconds since the epoch.
    pub fn started_s(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "milliseconds since the epoch fit 53 bits")]
        let milliseconds = self.started_at.timestamp_millis() as f64;
        milliseconds / 1000.0
    }
}
