//! The configuration of the monitor.

use std::time::Duration;

use super::live_status::LiveStatus;
use crate::retry::LockTimeout;
use crate::schema::VersionTable;
use crate::server::TerminateRules;

/// The sessions to monitor, and the limits and permissions of the monitor.
#[derive(Debug)]
pub(crate) struct MonitorConfig {
    /// The name of the tool, for messages on stderr.
    pub(crate) tool: &'static str,
    /// The `application_name` of the migration's sessions.
    pub(crate) name: String,
    /// Whether to take the advisory lock, so that only one migration runs at a time, and how long to wait for it.
    pub(crate) advisory_lock: Option<Duration>,
    /// The version table, if it is not one that is known.
    pub(crate) version_table: Option<VersionTable>,
    /// Whether the monitor cancels no statement.
    pub(crate) watch_only: bool,
    /// The lock timeout of these sessions; the polls are frequent enough to see a wait of this length.
    pub(crate) lock_timeout: Option<LockTimeout>,
    /// The rules for sessions that the monitor may terminate; `None` if it must not.
    pub(crate) terminate: Option<TerminateRules>,
    /// The live line to update, if there is one.
    pub(crate) live: Option<LiveStatus>,
}
