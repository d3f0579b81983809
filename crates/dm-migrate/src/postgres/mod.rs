//! PostgreSQL. The migration's sessions are known by the `application_name` that they are given.
//!
//! A connection never waits: each statement is its own transaction, and has little time.

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

/// What a statement of ours may take, on the server and on the way.
const PATIENCE: Duration = Duration::from_secs(3);

/// A transaction of the monitor's would keep `CREATE INDEX CONCURRENTLY` waiting; so would a statement that hangs.
const SETTINGS: &str = "set application_name = 'dm-migrate monitor'; set statement_timeout = '2s'; \
    set lock_timeout = '500ms'; set jit = off";

/// A connection.
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

    const NO_SESSION_REASON: Option<&'static str> = Some("its tool does not read PGAPPNAME");

    const ENFORCES_LOCK_TIMEOUT: bool = true;

    async fn connect(address: &Address, name: &str) -> Result<Self> {
        let tls = tls::connector(&address.trust)?;
        let limit = address.config.get_connect_timeout().copied().unwrap_or_default() + PATIENCE;
        let connected = timeout(limit, address.config.connect(tls)).await.context("no answer in time")?;
        let (client, connection) = connected?;
        // Its error is told to the statement that is waiting.
        tokio::spawn(connection);
        timeout(PATIENCE, client.batch_execute(SETTINGS)).await.context("no answer in time")??;
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
        let messages =
            timeout(PATIENCE, self.client.simple_query(sql)).await.context("no answer in time")??;
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
    /// The rows of one statement. It is not prepared, which a pooler between us and the server may not like.
    async fn rows(&self, sql: &str, values: &[(&(dyn ToSql + Sync), Type)]) -> Result<Vec<Row>> {
        let rows = self.client.query_typed(sql, values);
        Ok(timeout(PATIENCE, rows).await.context("no answer in time")??)
    }

    /// The rows of one statement whose `$1` is the migration's `application_name`.
    async fn rows_for_migration(&self, sql: &str) -> Result<Vec<Row>> {
        self.rows(sql, &[(&self.name, Type::TEXT)]).await
    }

    /// Signals a session of the migration: the pid alone could by now be somebody else's.
    async fn signal(&self, how: &str, session: &Session) -> Result<()> {
        let sql = format!(
            "select {how}(pid) from pg_stat_activity \
             where application_name = $1 and pid = $2::int8 and backend_start = $3::text::timestamptz"
        );
        let values: [(&(dyn ToSql + Sync), Type); 3] =
            [(&self.name, Type::TEXT), (&session.pid, Type::INT8), (&session.backend_start, Type::TEXT)];
        self.rows(&sql, &values).await.map(drop)
    }
}
