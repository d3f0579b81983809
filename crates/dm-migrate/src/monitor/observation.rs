//! The monitor's observation of one run of the command.

use std::time::Duration;

use crate::schema::SchemaVersions;

/// The observation of a run of the command.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Observation {
    /// The sum of all lock waits so far; `None` if they could not be observed.
    pub(crate) lock_wait: Option<Duration>,
    /// The largest number of sessions that waited behind the migration at once; `None` if unknown.
    pub(crate) blocked_max: Option<u64>,
    /// The longest possible length of the last wait, if no work was observed after it.
    pub(crate) last_wait: Option<Duration>,
    /// A description of each blocker that was terminated so far.
    pub(crate) terminated: Vec<String>,
    /// The current version of the schema.
    pub(crate) versions: SchemaVersions,
}
