//! What the polls have shown about the sessions of the migration.

use std::collections::BTreeSet;

use anyhow::Result;
use tokio_postgres::Row;

/// The maximum number of sessions, and of transactions, that are remembered.
const MAX_KNOWN: usize = 1000;

/// What is known about the sessions of the migration.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// The pids at the last poll.
    pub(super) pids: Vec<i32>,
    /// All sessions so far, as pid and start: they stay those of the migration if their client exits.
    pub(super) sessions: BTreeSet<String>,
    /// The transactions that were seen between two statements, as pid and start.
    pub(super) transactions: BTreeSet<String>,
}

impl Known {
    /// Adds a row of the query for the sessions.
    pub(super) fn add(&mut self, row: &Row) -> Result<()> {
        let (pid, state): (i32, Option<&str>) = (row.try_get(0)?, row.try_get(2)?);
        if let Some(start) = row.try_get::<_, Option<&str>>(1)?.filter(|_| self.sessions.len() < MAX_KNOWN) {
            self.sessions.insert(format!("{pid} {start}"));
        }
        if let Some(transaction) =
            row.try_get::<_, Option<&str>>(6)?.filter(|_| state == Some("idle in transaction"))
        {
            if self.transactions.len() >= MAX_KNOWN {
                self.transactions.clear();
            }
            self.transactions.insert(format!("{pid} {transaction}"));
        }
        Ok(())
    }
}
