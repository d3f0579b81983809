//! What the monitor observed of one run of the command.

use std::time::Duration;

use crate::schema::SchemaVersions;

/// What was seen of a run of the command.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Observation {
    /// All lock waits so far, together; `None` where nobody could see.
    pub(crate) lock_wait: Option<Duration>,
    /// The most sessions that waited behind the migration at once.
    pub(crate) blocked_max: Option<u64>,
    /// How long the last wait can have been, if nothing was seen to come of it.
    pub(crate) last_wait: Option<Duration>,
    /// Other sessions that were ended so far.
    pub(crate) terminated: Vec<String>,
    /// The schema's version now.
    pub(crate) versions: SchemaVersions,
}
