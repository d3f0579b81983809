//! The error if another dm-migrate holds the advisory lock.

use crate::redact::one_line;

/// Another dm-migrate holds the advisory lock.
#[derive(Debug, thiserror::Error)]
#[error("{}; try again when it has ended, or wait for it with --advisory-lock='wait 10m'", self.describe())]
pub(crate) struct LockHeld {
    /// The session that holds the lock; `None` if the server does not report it.
    pub(crate) holder: Option<String>,
}

impl LockHeld {
    /// Describes who holds the lock.
    pub(crate) fn describe(&self) -> String {
        let holder = self.holder.as_deref().map_or_else(|| "its session is unknown".to_owned(), one_line);
        format!("another dm-migrate is changing this database: {holder}")
    }
}
