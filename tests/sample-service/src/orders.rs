//! Where the orders are: in an SQLite file, or in PostgreSQL.

use std::convert::Infallible;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

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

/// The orders of a running service.
#[derive(Debug)]
pub(crate) enum Orders {
    /// SQLite: the file is opened for each request.
    Sqlite(PathBuf),
    /// PostgreSQL: one connection for all requests.
    Postgres {
        /// The URL.
        url: String,
        /// The connection, which is replaced when it is lost.
        client: Mutex<Arc<Client>>,
    },
}

impl Orders {
    /// Connects to the database.
    pub(crate) async fn open(source: Source) -> Result<Self> {
        Ok(match source {
            Source::Sqlite(path) => Self::Sqlite(path),
            Source::Postgres(url) => {
                let client = Mutex::new(connect(&url).await?);
                Self::Postgres { url, client }
            }
        })
    }

    /// All orders.
    pub(crate) async fn all(&self) -> Result<Vec<Order>> {
        match self {
            Self::Sqlite(path) => database::orders(path),
            Self::Postgres { url, client } => query(&*current(url, client).await?).await,
        }
    }
}

async fn connect(url: &str) -> Result<Arc<Client>> {
    let (client, connection) =
        tokio_postgres::connect(url, NoTls).await.context("cannot connect to the database")?;
    tokio::spawn(connection);
    Ok(Arc::new(client))
}

/// The connection, or a new one. A request that its client gives up does not end it.
async fn current(url: &str, client: &Mutex<Arc<Client>>) -> Result<Arc<Client>> {
    let mut client = client.lock().await;
    if client.is_closed() {
        *client = connect(url).await?;
    }
    Ok(Arc::clone(&client))
}

async fn query(client: &Client) -> Result<Vec<Order>> {
    let select = "SELECT id::bigint, item::text, cents::bigint FROM orders ORDER BY id";
    let rows = client.query(select, &[]).await.context("cannot read the orders")?;
    Ok(rows.iter().map(|row| Order { id: row.get(0), item: row.get(1), cents: row.get(2) }).collect())
}
