//! The errors if the monitor cannot start.

use crate::lock_held::LockHeld;

/// The monitor could not start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BeginError {
    /// Another dm-migrate holds the lock: the command must not run.
    #[error(transparent)]
    LockHeld(#[from] LockHeld),
    /// The database cannot be monitored. The message does not show the URL.
    #[error(transparent)]
    Unreachable(#[from] anyhow::Error),
}
