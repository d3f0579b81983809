//! Where the orders are: in an SQLite file, or in PostgreSQL.

use std::convert::Infallible;
use std::path::PathBuf;
use std::str::FromStr;

use anyhow::{Context as _, Result};
use serde::Serialize;
use tokio::sync::Mutex;
use tokio_postgres::{Client, NoTls};

use crate::database;

/// A row of the table `orders`.
#[derive(Debug, Serialize)]
pub(crate) struct Order {
    pub(crate) id: i64,
    pub(crate) item: String,
    pub(crate) cents: i64,
}

/// A database, as typed.
#[derive(Debug, Clone)]
pub(crate) enum Source {
    /// The path of an SQLite file.
    Sqlite(PathBuf),
    /// The URL of a PostgreSQL.
    Postgres(String),
}

impl FromStr for Source {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        let is_url = text.starts_with("postgres://") || text.starts_with("postgresql://");
        Ok(if is_url { Self::Postgres(text.to_owned()) } else { Self::Sqlite(text.into()) })
    }
}

/// The orders of a running service. PostgreSQL keeps its connection between requests.
#[derive(Debug)]
pub(crate) struct Orders {
    source: Source,
    client: Mutex<Option<Client>>,
}

impl Orders {
    pub(crate) fn new(source: Source) -> Self {
        Self { source, client: Mutex::default() }
    }

    /// All orders.
    pub(crate) async fn all(&self) -> Result<Vec<Order>> {
        match &self.source {
            Source::Sqlite(path) => database::orders(path),
            Source::Postgres(url) => self.query(url).await,
        }
    }

    async fn query(&self, url: &str) -> Result<Vec<Order>> {
        let mut slot = self.client.lock().await;
        let client = match slot.take() {
            Some(client) if !client.is_closed() => client,
            _ => {
                let (client, connection) =
                    tokio_postgres::connect(url, NoTls).await.context("cannot connect to the database")?;
                tokio::spawn(connection);
                client
            }
        };
        let select = "SELECT id::bigint, item::text, cents::bigint FROM orders ORDER BY id";
        let rows = client.query(select, &[]).await;
        *slot = Some(client);
        let rows = rows.context("cannot read the orders")?;
        Ok(rows.iter().map(|row| Order { id: row.get(0), item: row.get(1), cents: row.get(2) }).collect())
    }
}
