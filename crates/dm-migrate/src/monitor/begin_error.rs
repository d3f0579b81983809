//! Why a migration cannot be watched.

use crate::lock_held::LockHeld;

/// Why the monitor could not begin.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BeginError {
    /// Another dm-migrate holds the lock: the command must not run.
    #[error(transparent)]
    LockHeld(#[from] LockHeld),
    /// The database cannot be watched. The message does not show the URL.
    #[error(transparent)]
    Unreachable(#[from] anyhow::Error),
}
