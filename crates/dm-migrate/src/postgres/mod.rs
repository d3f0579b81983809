//! PostgreSQL. The monitor identifies the migration's sessions by their `application_name`, which dm-migrate sets.
//!
//! The monitor never waits for a lock: each statement is its own transaction with a short time limit.

pub(crate) mod address;
mod advisory;
pub(crate) mod child_env;
mod preflight;
mod sessions;
mod terminate;
mod tls;

use std::time::Duration;

use anyhow::{Context, Result};
use common::env;
use tokio::time::timeout;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Row, SimpleQueryMessage};

use crate::lock_held::LockHeld;
use crate::server::{Blocker, Dialect, LockRequest, Preflight, Server, Session, TerminateRules, Waiters};
use address::Address;

/// The time limit of a statement of the monitor, including the network.
const STATEMENT_LIMIT: Duration = Duration::from_secs(3);

/// The settings of the monitor's session. `CREATE INDEX CONCURRENTLY` would wait for a long statement of the monitor.
const SESSION_SETTINGS: &str = "set application_name = 'dm-migrate monitor'; set statement_timeout = '2s'; \
    set lock_timeout = '500ms'; set jit = off";

/// A connection to a PostgreSQL server.
#[derive(Debug)]
pub(crate) struct Postgres {
    client: Client,
    /// The `application_name` of the migration's sessions.
    name: String,
}

impl Server for Postgres {
    type Address = Address;

    const DIALECT: Dialect = Dialect {
        columns: "select table_schema, table_name, column_name from information_schema.columns \
                  where lower(table_name) in ({tables})",
        quote: '"',
    };

    const NO_SESSION_REASON: Option<&'static str> =
        Some("its tool does not read PGAPPNAME, or has not connected yet");

    const ENFORCES_LOCK_TIMEOUT: bool = true;

    async fn connect(address: &Address, name: &str) -> Result<Self> {
        let tls = tls::connector(&address.trust)?;
        let limit = address.config.get_connect_timeout().copied().unwrap_or_default() + STATEMENT_LIMIT;
        let connected =
            timeout(limit, address.config.connect(tls)).await.context("the server did not answer in time")?;
        let (client, connection) = connected?;
        // The pending statement returns the error of the connection.
        tokio::spawn(connection);
        timeout(STATEMENT_LIMIT, client.batch_execute(SESSION_SETTINGS))
            .await
            .context("the server did not answer in time")??;
        Ok(Self { client, name: name.to_owned() })
    }

    fn is_lost(&self) -> bool {
        self.client.is_closed()
    }

    async fn try_lock(&self) -> Result<Option<LockHeld>> {
        advisory::try_take(self).await
    }

    async fn preflight(&self, lock_timeout: Option<Duration>) -> Result<Preflight> {
        let findings = preflight::Findings::read(self).await?;
        let mut env = vec![("PGAPPNAME", self.name.clone())];
        let options = child_env::options(findings.server_version, lock_timeout, &env::system);
        env.extend(options.map(|options| ("PGOPTIONS", options)));
        Ok(Preflight { warnings: findings.warnings(), env })
    }

    async fn text_rows(&self, sql: &str) -> Result<Vec<Vec<Option<String>>>> {
        let messages = timeout(STATEMENT_LIMIT, self.client.simple_query(sql))
            .await
            .context("the server did not answer in time")??;
        let rows = messages.iter().filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some(row),
            _ => None,
        });
        Ok(rows.map(|row| (0..row.len()).map(|at| row.get(at).map(str::to_owned)).collect()).collect())
    }

    async fn sessions(&self) -> Result<Vec<Session>> {
        sessions::find(self).await
    }

    async fn lock_requests(&self) -> Result<Vec<LockRequest>> {
        sessions::lock_requests(self).await
    }

    async fn blockers(&self) -> Result<Vec<Blocker>> {
        sessions::blockers(self).await
    }

    async fn waiters(&self) -> Result<Waiters> {
        sessions::waiters(self).await
    }

    async fn progress(&self) -> Result<Vec<String>> {
        sessions::progress(self).await
    }

    async fn cancel(&self, session: &Session) -> Result<()> {
        self.signal("pg_cancel_backend", session).await
    }

    async fn end_session(&self, session: &Session) -> Result<()> {
        self.signal("pg_terminate_backend", session).await
    }

    async fn terminate(&self, blocker: &Blocker, rules: &TerminateRules) -> Result<bool> {
        terminate::terminate(self, blocker, rules).await
    }
}

impl Postgres {
    /// Runs one statement. It is not prepared, because a connection pooler may not support prepared statements.
    async fn rows(&self, sql: &str, values: &[(&(dyn ToSql + Sync), Type)]) -> Result<Vec<Row>> {
        let rows = self.client.query_typed(sql, values);
        Ok(timeout(STATEMENT_LIMIT, rows).await.context("the server did not answer in time")??)
    }

    /// Runs one statement whose `$1` is the migration's `application_name`.
    async fn rows_for_migration(&self, sql: &str) -> Result<Vec<Row>> {
        self.rows(sql, &[(&self.name, Type::TEXT)]).await
    }

    /// Signals a session of the migration. Name and start are compared because the server may have reused the pid.
    async fn signal(&self, function: &str, session: &Session) -> Result<()> {
        let sql = format!(
            "select {function}(pid) from pg_stat_activity \
             where application_name = $1 and pid = $2::int8 and backend_start = $3::text::timestamptz"
        );
        let values: [(&(dyn ToSql + Sync), Type); 3] =
            [(&self.name, Type::TEXT), (&session.pid, Type::INT8), (&session.backend_start, Type::TEXT)];
        self.rows(&sql, &values).await.map(drop)
    }
}
