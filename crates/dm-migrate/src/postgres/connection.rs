//! One connection of the monitor. It never waits for a lock: each statement is its own transaction with a time limit.

use std::time::Duration;

use anyhow::{Context, Result};
use tokio::time::timeout;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Config, Row, SimpleQueryMessage};

use super::address::Tls;
use super::tls;

/// The time limit of a statement, including the network.
const STATEMENT_LIMIT: Duration = Duration::from_secs(3);

/// The settings of the monitor's sessions. They are part of the startup, because a pooler would keep what a statement
/// sets, and give it to others. `CREATE INDEX CONCURRENTLY` would wait for a long statement of the monitor.
const SETTINGS: &str = "-c statement_timeout=2s -c lock_timeout=500ms -c jit=off";

/// The `application_name` of the monitor's sessions.
pub(super) const NAME: &str = "dm-migrate monitor";

/// A connection to a database.
#[derive(Debug)]
pub(super) struct Connection {
    client: Client,
}

/// Why a connection could not be opened.
#[derive(Debug, thiserror::Error)]
pub(super) enum OpenError {
    /// The database does not exist.
    #[error("the database does not exist")]
    NoDatabase,
    /// The server, or a pooler before it, accepts no settings at startup.
    #[error("it accepts no startup options")]
    OptionsRefused,
    /// Any other reason; it does not contain the password.
    #[error(transparent)]
    Other(#[from] anyhow::Error),
}

/// The values of a statement, with their types.
pub(super) type Values<'a> = [(&'a (dyn ToSql + Sync), Type)];

impl Connection {
    /// Opens a connection, with the monitor's settings if `with_settings`.
    pub(super) async fn open(config: &Config, tls: &Tls, with_settings: bool) -> Result<Self, OpenError> {
        let tls = tls::connector(tls)?;
        let mut config = config.clone();
        config.application_name(NAME);
        if with_settings {
            // The last one of two settings counts.
            let options = [config.get_options().unwrap_or_default(), SETTINGS].join(" ");
            config.options(options.trim());
        }
        let limit = config.get_connect_timeout().copied().unwrap_or_default() + STATEMENT_LIMIT;
        let connected =
            timeout(limit, config.connect(tls)).await.context("the server did not answer in time")?;
        let (client, connection) = connected.map_err(|error| classify(error, with_settings))?;
        // The pending statement returns the error of the connection.
        tokio::spawn(connection);
        Ok(Self { client })
    }

    /// Whether the connection has ended.
    pub(super) fn is_lost(&self) -> bool {
        self.client.is_closed()
    }

    /// Runs one statement. It is not prepared, because a connection pooler may not support prepared statements.
    pub(super) async fn rows(&self, sql: &str, values: &Values<'_>) -> Result<Vec<Row>> {
        let rows = self.client.query_typed(sql, values);
        Ok(timeout(STATEMENT_LIMIT, rows).await.context("the server did not answer in time")??)
    }

    /// Runs one statement and returns its rows as text.
    pub(super) async fn text_rows(&self, sql: &str) -> Result<Vec<Vec<Option<String>>>> {
        let messages = timeout(STATEMENT_LIMIT, self.client.simple_query(sql))
            .await
            .context("the server did not answer in time")??;
        let rows = messages.iter().filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some(row),
            _ => None,
        });
        Ok(rows.map(|row| (0..row.len()).map(|at| row.get(at).map(str::to_owned)).collect()).collect())
    }
}

fn classify(error: tokio_postgres::Error, with_settings: bool) -> OpenError {
    match error.as_db_error() {
        Some(refusal) if *refusal.code() == SqlState::INVALID_CATALOG_NAME => OpenError::NoDatabase,
        // PgBouncer, Neon and others have messages of their own, which all name the parameter.
        Some(refusal) if with_settings && refusal.message().contains("startup parameter") => {
            OpenError::OptionsRefused
        }
        _ => OpenError::Other(error.into()),
    }
}
