//! Work in progress: what the recorder has to know before the work has ended.

use chrono::{DateTime, Utc};
use common::clock::epoch_seconds;
use common::event::EventId;
use common::identity::Identity;
use common::label::Stage;

/// The kinds of work that have their own counters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WorkKind {
    /// A command as a stage.
    Stage,
    /// A migration command.
    Migration,
    /// Polling a service.
    Health,
    /// Running smoke tests.
    Smoke,
    /// Judging a version and rolling it back.
    Rollback,
}

/// A piece of work, from its start.
#[derive(Debug, Clone)]
pub struct WorkItem {
    /// The name of the tool.
    pub tool: &'static str,
    /// The deployment.
    pub identity: Identity,
    /// The stage.
    pub stage: Stage,
    /// The enclosing stage.
    pub parent: Option<Stage>,
    /// The kind of work.
    pub kind: WorkKind,
    /// Whether it sends the heartbeat of a deployment that was begun with `dm-stage deployment --start`, perhaps on
    /// another machine.
    pub beats_for_deployment: bool,
    /// The start, by the wall clock.
    pub started_at: DateTime<Utc>,
    /// The id of its event, if that is known before the end: other work may be part of its span.
    pub id: Option<EventId>,
}

impl WorkItem {
    /// The same work, whose event will have this id.
    #[must_use]
    pub fn with_id(self, id: &EventId) -> Self {
        Self { id: Some(id.clone()), ..self }
    }

    /// The start, in seconds since the epoch.
    pub fn started_s(&self) -> f64 {
        epoch_seconds(self.started_at)
    }
}
