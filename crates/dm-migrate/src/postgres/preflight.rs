//! What stands in the way of a migration before it starts.

use std::time::Duration;

use anyhow::{Context, Result};
use common::duration::format_duration;

use super::Postgres;
use crate::redact::one_line;
use crate::server::seconds;

/// Above this, a transaction is long: PostgreSQL's own DDL waits for it, and everybody else behind the DDL.
const LONG: &str = "30 seconds";
/// Above this, a session that is idle in its transaction is no longer between two statements.
const IDLE: &str = "5 seconds";

/// So many of each kind are told.
const MAX_REPORTED: usize = 5;

/// What was found.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Findings {
    /// Who we are there.
    pub(super) role: String,
    /// `server_version_num`, such as 150018.
    pub(super) server_version: i32,
    /// Whether we see what other roles' sessions do.
    pub(super) can_see_others: bool,
    /// Sessions with a transaction that has been open for long.
    pub(super) transactions: Vec<Transaction>,
    /// Indexes that a failed `CREATE INDEX CONCURRENTLY` left behind, or one that runs.
    pub(super) invalid_indexes: Vec<String>,
}

/// A transaction that has been open for long.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Transaction {
    /// The process on the server.
    pub(super) pid: i32,
    /// Its role.
    pub(super) user: String,
    /// What it calls itself; may be empty.
    pub(super) application: String,
    /// `active`, `idle in transaction`.
    pub(super) state: String,
    /// Since its start.
    pub(super) age: Duration,
}

impl Findings {
    /// Asks the database.
    pub(super) async fn read(database: &Postgres) -> Result<Self> {
        let who = "select current_user::text, current_setting('server_version_num')::int4, \
             pg_has_role(current_user, 'pg_read_all_stats', 'usage')";
        let rows = database.rows(who, &[]).await?;
        let row = rows.first().context("the server did not say who we are")?;
        let open = format!(
            "select pid, coalesce(usename::text, ''), coalesce(application_name, ''), coalesce(state, ''), \
                 extract(epoch from clock_timestamp() - xact_start)::float8 \
             from pg_stat_activity \
             where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend' \
             and (xact_start < clock_timestamp() - interval '{LONG}' or (state like 'idle in transaction%' \
                 and state_change < clock_timestamp() - interval '{IDLE}')) \
             order by xact_start limit {MAX_REPORTED}"
        );
        let transactions = database.rows(&open, &[]).await?;
        let invalid = format!(
            "select indexrelid::regclass::text from pg_index where not indisvalid order by 1 limit {MAX_REPORTED}"
        );
        let indexes = database.rows(&invalid, &[]).await?;
        Ok(Self {
            role: row.try_get(0)?,
            server_version: row.try_get(1)?,
            can_see_others: row.try_get(2)?,
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

    /// For people, one a line; nothing where all is well.
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
    fn what_is_well_is_not_told() {
        let well = Findings { can_see_others: true, ..Findings::default() };
        assert!(well.warnings().is_empty());
    }

    #[test]
    fn what_cannot_be_seen_is_unknown() {
        let blind = Findings { role: "web".to_owned(), ..Findings::default() };
        assert_eq!(
            blind.warnings(),
            ["other roles' transactions are unknown to web: grant pg_monitor to web"]
        );
    }

    #[test]
    fn a_name_cannot_start_a_line_of_its_own() {
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
