//! A connection to the database that never waits: each statement is its own transaction, and has little time.

use std::time::Duration;

use anyhow::{Context, Result};
use tokio::time::timeout;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Row};

use crate::address::Address;
use crate::tls::connector;

/// What a statement of ours may take, on the server and on the way.
const PATIENCE: Duration = Duration::from_secs(3);

/// A transaction of the monitor's would keep `CREATE INDEX CONCURRENTLY` waiting; so would a statement that hangs.
const SETTINGS: &str = "set application_name = 'dm-migrate monitor'; set statement_timeout = '2s'; \
    set lock_timeout = '500ms'; set jit = off";

/// A connection.
#[derive(Debug)]
pub struct Database {
    client: Client,
}

impl Database {
    /// Connects; inside a tokio runtime only.
    pub async fn connect(address: &Address) -> Result<Self> {
        let tls = connector(&address.trust)?;
        let limit = address.config.get_connect_timeout().copied().unwrap_or_default() + PATIENCE;
        let connected = timeout(limit, address.config.connect(tls)).await.context("no answer in time")?;
        let (client, connection) = connected?;
        // Its error is told to the statement that is waiting.
        tokio::spawn(connection);
        timeout(PATIENCE, client.batch_execute(SETTINGS)).await.context("no answer in time")??;
        Ok(Self { client })
    }

    /// Whether the connection has ended.
    pub fn is_lost(&self) -> bool {
        self.client.is_closed()
    }

    /// The rows of one statement. It is not prepared, which a pooler between us and the server may not like.
    pub async fn rows(&self, sql: &str, values: &[(&(dyn ToSql + Sync), Type)]) -> Result<Vec<Row>> {
        let rows = self.client.query_typed(sql, values);
        Ok(timeout(PATIENCE, rows).await.context("no answer in time")??)
    }
}
