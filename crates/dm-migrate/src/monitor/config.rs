//! What the monitor watches, and how.

use std::time::Duration;

use super::live_status::LiveStatus;
use crate::server::TerminateRules;

/// What to watch.
#[derive(Debug)]
pub(crate) struct MonitorConfig {
    /// The tool, for what is told on stderr.
    pub(crate) tool: &'static str,
    /// The `application_name` of the migration's sessions.
    pub(crate) name: String,
    /// Whether only one migration at a time may be watched there.
    pub(crate) alone: bool,
    /// The lock timeout of these sessions; no look may miss a wait that long.
    pub(crate) lock_timeout: Option<Duration>,
    /// Which other sessions may be ended.
    pub(crate) terminate: Option<TerminateRules>,
    /// Where the live line is told what goes on, if there is one.
    pub(crate) live: Option<LiveStatus>,
}
