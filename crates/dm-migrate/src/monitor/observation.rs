//! The monitor's observation of one run of the command.

use std::time::Duration;

use crate::retry::Cancelled;
use crate::schema::SchemaState;

/// The observation of a run of the command.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Observation {
    /// The sum of all lock waits so far; `None` if they could not be observed.
    pub(crate) lock_wait: Option<Duration>,
    /// The largest number of sessions that waited behind the migration at once; `None` if unknown.
    pub(crate) blocked_max: Option<u64>,
    /// The statement that was cancelled because of the lock timeout.
    pub(crate) cancelled: Option<Cancelled>,
    /// Who blocked the last lock wait of this attempt, in short, if that is known.
    pub(crate) blocked_by: Option<String>,
    /// The time since the monitor began.
    pub(crate) elapsed: Duration,
    /// A description of each blocker that was terminated so far.
    pub(crate) terminated: Vec<String>,
    /// The last progress of a statement that ran for long, if the server reported any.
    pub(crate) progress: Option<String>,
    /// The current state of the schema.
    pub(crate) schema: SchemaState,
}
