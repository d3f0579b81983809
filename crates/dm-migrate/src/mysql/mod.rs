//! MySQL and MariaDB. Their sessions cannot be told a name or a limit from outside: they are migration_ids by the ports that
//! they come from, and the monitor keeps the lock timeout.

pub(crate) mod address;
mod connections;
mod locks;
mod sessions;

use std::collections::BTreeSet;
use std::fs::File;
use std::sync::PoisonError;
use std::time::Duration;

use anyhow::{Context, Result};
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, DriverError, Error, Opts, OptsBuilder, Row, Value};
use tokio::time::timeout;
use tokio_rustls::rustls::crypto::aws_lc_rs;

use crate::lock_held::LockHeld;
use crate::server::{Blocker, Dialect, LockRequest, Preflight, Server, Session, Waiters};
use address::Address;

/// What a statement of ours may take, on the server and on the way.
const PATIENCE: Duration = Duration::from_secs(3);

/// The lock's name, the same for all; those of the server's databases differ. Longer ones are refused.
const LOCK: &str = "concat('dm-migrate ', sha1(coalesce(database(), '')))";

/// A connection.
#[derive(Debug)]
pub(crate) struct MySql {
    connection: tokio::sync::Mutex<Conn>,
    /// The port of the server.
    port: u16,
    /// Where the server sees us.
    client_host: String,
    /// Who we are there.
    account: String,
    /// Whether we see what other accounts' sessions do.
    can_see_others: bool,
    /// Whether the server tells who has a metadata lock.
    reports_lock_holders: bool,
    /// The sessions that were found to be the migration's: their clients may be gone. A number is given once.
    migration_ids: std::sync::Mutex<BTreeSet<i64>>,
}

impl Server for MySql {
    type Address = Address;

    const DIALECT: Dialect = Dialect {
        columns: "select table_schema, table_name, column_name from information_schema.columns \
                  where table_schema in (database(), 'atlas_schema_revisions') and lower(table_name) in ({tables})",
        quote: '`',
    };

    const NO_SESSION_REASON: Option<&'static str> =
        Some("it has no connection of its own to the server, or one by a socket or a proxy");

    const ENFORCES_LOCK_TIMEOUT: bool = false;

    async fn connect(address: &Address, _name: &str) -> Result<Self> {
        // The driver takes the one that is installed; a second time does no harm.
        let _ = aws_lc_rs::default_provider().install_default();
        if let Some(file) = &address.authority {
            // The driver's own error does not name it.
            File::open(file)
                .with_context(|| format!("cannot read the certificates in {}", file.display()))?;
        }
        let mut connected = open(&address.opts).await?;
        if address.or_plain && matches!(connected, Err(Error::Driver(DriverError::NoClientSslFlagFromServer)))
        {
            connected = open(&OptsBuilder::from_opts(address.opts.clone()).ssl_opts(None).into()).await?;
        }
        // It tells its cause itself.
        let connection = connected.map_err(|error| anyhow::Error::msg(error.to_string()))?;
        let database = Self {
            connection: tokio::sync::Mutex::new(connection),
            port: address.opts.tcp_port(),
            client_host: String::new(),
            account: String::new(),
            can_see_others: false,
            reports_lock_holders: false,
            migration_ids: std::sync::Mutex::default(),
        };
        database.text_rows("set session lock_wait_timeout = 1, autocommit = 1").await?;
        let can_see_others =
            database.text_rows("select count(*) from information_schema.innodb_trx").await.is_ok();
        let instrument = "select 1 from performance_schema.setup_instruments \
             where name = 'wait/lock/metadata/sql/mdl' and enabled = 'YES'";
        let reports_lock_holders = database.text_rows(instrument).await.is_ok_and(|rows| !rows.is_empty());
        let me = "select host, current_user() from information_schema.processlist where id = connection_id()";
        let [client_host, account] = first(&database.text_rows(me).await?);
        Ok(Self {
            client_host: sessions::place(&client_host).0.to_owned(),
            account,
            can_see_others,
            reports_lock_holders: reports_lock_holders && can_see_others,
            ..database
        })
    }

    /// A statement that fails finds out.
    fn is_lost(&self) -> bool {
        self.connection.try_lock().is_ok_and(|connection| connection.is_disconnected())
    }

    async fn try_lock(&self) -> Result<Option<LockHeld>> {
        let sql = format!("select get_lock({LOCK}, 0), is_used_lock({LOCK})");
        let [got, by] = first(&self.text_rows(&sql).await?);
        if got == "1" {
            return Ok(None);
        }
        Ok(Some(LockHeld { holder: (!by.is_empty()).then(|| format!("session {by}")) }))
    }

    async fn preflight(&self, _lock_timeout: Option<Duration>) -> Result<Preflight> {
        Ok(Preflight { warnings: sessions::long_transactions(self).await?, env: Vec::new() })
    }

    async fn text_rows(&self, sql: &str) -> Result<Vec<Vec<Option<String>>>> {
        let mut connection = self.connection.lock().await;
        let rows: Vec<Row> =
            timeout(PATIENCE, connection.query(sql)).await.context("no answer in time")??;
        Ok(rows.into_iter().map(|row| row.unwrap().into_iter().map(text).collect()).collect())
    }

    fn can_see_others(&self) -> bool {
        self.can_see_others
    }

    async fn sessions(&self) -> Result<Vec<Session>> {
        sessions::find(self).await
    }

    async fn lock_requests(&self) -> Result<Vec<LockRequest>> {
        locks::lock_requests(self).await
    }

    async fn blockers(&self) -> Result<Vec<Blocker>> {
        locks::blockers(self).await
    }

    async fn waiters(&self) -> Result<Waiters> {
        locks::waiters(self).await
    }

    async fn cancel(&self, session: &Session) -> Result<()> {
        self.kill("kill query", session).await
    }

    async fn end_session(&self, session: &Session) -> Result<()> {
        self.kill("kill connection", session).await
    }
}

impl MySql {
    /// The sessions that are migration_ids to be the migration's, for an `in (…)`, which must not be empty.
    fn migration_id_list(&self) -> String {
        let migration_ids = self.migration_ids.lock().unwrap_or_else(PoisonError::into_inner);
        migration_ids.iter().fold("0".to_owned(), |all, id| format!("{all}, {id}"))
    }

    async fn kill(&self, how: &str, session: &Session) -> Result<()> {
        match self.text_rows(&format!("{how} {}", session.pid)).await {
            // It has ended by itself: no such thread.
            Err(error) if matches!(error.downcast_ref(), Some(Error::Server(it)) if it.code == 1094) => {
                Ok(())
            }
            done => done.map(drop),
        }
    }
}

async fn open(opts: &Opts) -> Result<Result<Conn, Error>> {
    timeout(PATIENCE, Conn::new(opts.clone())).await.context("no answer in time")
}

/// The first columns of the first row; empty where there is nothing.
fn first<const N: usize>(rows: &[Vec<Option<String>>]) -> [String; N] {
    std::array::from_fn(|at| rows.first().and_then(|row| row.get(at).cloned().flatten()).unwrap_or_default())
}

fn text(value: Value) -> Option<String> {
    match value {
        Value::NULL => None,
        Value::Bytes(bytes) => Some(String::from_utf8_lossy(&bytes).into_owned()),
        // Only prepared statements give others.
        other => Some(other.as_sql(true)),
    }
}
