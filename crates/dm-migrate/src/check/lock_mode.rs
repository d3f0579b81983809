//! The lock modes of PostgreSQL for tables: <https://www.postgresql.org/docs/current/explicit-locking.html#LOCKING-TABLES>.

/// A mode, from the weakest to the strongest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum LockMode {
    AccessShare,
    RowShare,
    RowExclusive,
    ShareUpdateExclusive,
    Share,
    ShareRowExclusive,
    Exclusive,
    AccessExclusive,
}

impl LockMode {
    /// The name, as `pg_locks` has it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::AccessShare => "AccessShareLock",
            Self::RowShare => "RowShareLock",
            Self::RowExclusive => "RowExclusiveLock",
            Self::ShareUpdateExclusive => "ShareUpdateExclusiveLock",
            Self::Share => "ShareLock",
            Self::ShareRowExclusive => "ShareRowExclusiveLock",
            Self::Exclusive => "ExclusiveLock",
            Self::AccessExclusive => "AccessExclusiveLock",
        }
    }

    /// What the application cannot do while another session holds the lock, or waits for it.
    pub(crate) fn blocks(self) -> &'static str {
        match self {
            Self::AccessExclusive => "reads and writes",
            mode if mode.blocks_application() => "writes",
            _ => "neither reads nor writes",
        }
    }

    /// Whether the lock conflicts with that of a `SELECT`, `INSERT`, `UPDATE` or `DELETE`.
    pub(crate) fn blocks_application(self) -> bool {
        self >= Self::Share
    }
}
