//! The error if another dm-migrate holds the advisory lock.

use crate::redact::one_line;

/// Another dm-migrate holds the advisory lock.
#[derive(Debug, thiserror::Error)]
#[error("another dm-migrate is changing this database: {}; try again when it has ended", describe(.holder.as_deref()))]
pub(crate) struct LockHeld {
    /// The session that holds the lock; `None` if the server does not report it.
    pub(crate) holder: Option<String>,
}

fn describe(holder: Option<&str>) -> String {
    holder.map_or_else(|| "its session is unknown".to_owned(), one_line)
}
