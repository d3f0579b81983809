//! The check for obstacles before a migration starts.

use std::time::Duration;

use anyhow::{Context, Result};
use common::duration::format_duration;

use super::connection::Connection;
use crate::redact::one_line;
use crate::server::seconds;

/// The age from which a transaction is reported: DDL waits for it, and other sessions wait behind the DDL.
const LONG_TRANSACTION: &str = "30 seconds";
/// The time from which a session that is idle in a transaction is reported: it is longer than a pause between two
/// statements.
const LONG_IDLE: &str = "5 seconds";

/// The maximum number of reported obstacles of each kind.
const MAX_REPORTED: usize = 5;

/// The obstacles, and what the role can see.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Findings {
    /// The role of the monitor.
    pub(super) role: String,
    /// Whether the role can see the sessions of other roles.
    pub(super) can_see_others: bool,
    /// Sessions with a transaction that has been open for long.
    pub(super) transactions: Vec<Transaction>,
    /// Indexes that a failed `CREATE INDEX CONCURRENTLY` left behind, or that a running one builds.
    pub(super) invalid_indexes: Vec<String>,
}

/// A transaction that has been open for long.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Transaction {
    /// The pid of the server process.
    pub(super) pid: i32,
    /// The role.
    pub(super) user: String,
    /// The `application_name`; may be empty.
    pub(super) application: String,
    /// `active`, `idle in transaction`.
    pub(super) state: String,
    /// The time since the start of the transaction.
    pub(super) age: Duration,
}

impl Findings {
    /// Queries the database.
    pub(super) async fn read(database: &Connection) -> Result<Self> {
        let role = "select current_user::text, pg_has_role(current_user, 'pg_read_all_stats', 'usage')";
        let rows = database.rows(role, &[]).await?;
        let row = rows.first().context("the server did not report the current role")?;
        let open = format!(
            "select pid, coalesce(usename::text, ''), coalesce(application_name, ''), coalesce(state, ''), \
                 extract(epoch from clock_timestamp() - xact_start)::float8 \
             from pg_stat_activity \
             where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend' \
             and (xact_start < clock_timestamp() - interval '{LONG_TRANSACTION}' or (state like 'idle in transaction%' \
                 and state_change < clock_timestamp() - interval '{LONG_IDLE}')) \
             order by xact_start limit {MAX_REPORTED}"
        );
        let transactions = database.rows(&open, &[]).await?;
        let invalid = format!(
            "select indexrelid::regclass::text from pg_index where not indisvalid order by 1 limit {MAX_REPORTED}"
        );
        let indexes = database.rows(&invalid, &[]).await?;
        Ok(Self {
            role: row.try_get(0)?,
            can_see_others: row.try_get(1)?,
            transactions: transactions
                .iter()
                .map(|row| {
                    Ok(Transaction {
                        pid: row.try_get(0)?,
                        user: row.try_get(1)?,
                        application: row.try_get(2)?,
                        state: row.try_get(3)?,
                        age: seconds(row.try_get(4)?),
                    })
                })
                .collect::<Result<_>>()?,
            invalid_indexes: indexes.iter().map(|row| Ok(row.try_get(0)?)).collect::<Result<_>>()?,
        })
    }

    /// The warnings, one per line; empty if there are no obstacles.
    pub(super) fn warnings(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if !self.can_see_others {
            lines.push(format!(
                "other roles' transactions are unknown to {role}: grant pg_monitor to {role}",
                role = self.role
            ));
        }
        lines.extend(self.transactions.iter().map(|open| {
            format!(
                "a transaction is open for {}: pid {}, user {}, app \"{}\", {}",
                format_duration(open.age),
                open.pid,
                open.user,
                one_line(&open.application),
                open.state
            )
        }));
        lines.extend(self.invalid_indexes.iter().map(|index| {
            format!("the index {index} is invalid: its CREATE INDEX CONCURRENTLY failed, or still runs")
        }));
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_obstacles_there_are_no_warnings() {
        let findings = Findings { can_see_others: true, ..Findings::default() };
        assert!(findings.warnings().is_empty());
    }

    #[test]
    fn transactions_that_cannot_be_seen_are_unknown() {
        let findings = Findings { role: "web".to_owned(), ..Findings::default() };
        assert_eq!(
            findings.warnings(),
            ["other roles' transactions are unknown to web: grant pg_monitor to web"]
        );
    }

    #[test]
    fn a_line_break_in_a_name_does_not_break_the_line() {
        let open = Transaction {
            pid: 7,
            user: "web".to_owned(),
            application: "a\nb".to_owned(),
            state: "idle in transaction".to_owned(),
            age: Duration::from_secs(190),
        };
        let findings = Findings { can_see_others: true, transactions: vec![open], ..Findings::default() };
        let line = "a transaction is open for 3m10s: pid 7, user web, app \"a_b\", idle in transaction";
        assert_eq!(findings.warnings(), [line]);
    }
}
