//! MySQL and MariaDB. Their sessions cannot get a name or a limit from the environment: the monitor identifies them by
//! their client ports, and enforces the lock timeout itself.

pub(crate) mod address;
mod catalogue;
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
use crate::server::{Blocker, Dialect, LockRequest, Preflight, Server, Session, WaitFacts, Waiters};
use address::Address;

/// The time limit of a statement of the monitor, including the network.
const STATEMENT_LIMIT: Duration = Duration::from_secs(3);

/// The name of the lock, one per database. It is hashed because the server refuses long names.
const LOCK: &str = "concat('dm-migrate ', sha1(coalesce(database(), '')))";

/// The state of a session that waits for a lock of its application.
const USER_LOCK: &str = "User lock";

/// `ER_NO_SUCH_THREAD`: the session of a `kill` statement has already ended.
const NO_SUCH_THREAD: u16 = 1094;

/// A statement of the monitor failed.
#[derive(Debug, thiserror::Error)]
enum QueryError {
    #[error("the server did not answer in time")]
    Timeout,
    #[error(transparent)]
    Driver(#[from] Error),
}

/// A connection to a MySQL or MariaDB server.
#[derive(Debug)]
pub(crate) struct MySql {
    connection: tokio::sync::Mutex<Conn>,
    /// The TCP port of the server.
    port: u16,
    /// The host of the monitor, as the server reports it.
    client_host: String,
    /// The account of the monitor on the server.
    account: String,
    /// Whether the account can see the sessions of other accounts.
    can_see_others: bool,
    /// Whether the server reports who holds a metadata lock.
    reports_lock_holders: bool,
    /// The ids of the migration's sessions so far. They stay valid if the client exits: the server does not reuse an id.
    migration_ids: std::sync::Mutex<BTreeSet<i64>>,
}

impl Server for MySql {
    type Address = Address;

    const DIALECT: Dialect = Dialect {
        columns: "select table_schema, table_name, column_name from information_schema.columns \
                  where table_schema in (database(), 'atlas_schema_revisions') and lower(table_name) in ({tables})",
        quote: '`',
    };

    const HAS_SESSIONS: bool = true;

    async fn connect(address: &Address, _name: &str) -> Result<Self> {
        // The driver uses the installed provider; a second installation is ignored.
        let _ = aws_lc_rs::default_provider().install_default();
        if let Some(file) = &address.authority {
            // The driver's error does not name the file.
            File::open(file)
                .with_context(|| format!("cannot read the certificates in {}", file.display()))?;
        }
        let mut connected = open(&address.opts).await?;
        if address.allow_plaintext
            && matches!(connected, Err(Error::Driver(DriverError::NoClientSslFlagFromServer)))
        {
            connected = open(&OptsBuilder::from_opts(address.opts.clone()).ssl_opts(None).into()).await?;
        }
        // The message of the error already contains its cause.
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
        let own_session =
            "select host, current_user() from information_schema.processlist where id = connection_id()";
        let [client_host, account] = first_row(&database.text_rows(own_session).await?);
        Ok(Self {
            client_host: sessions::split_host(&client_host).0.to_owned(),
            account,
            can_see_others,
            reports_lock_holders: reports_lock_holders && can_see_others,
            ..database
        })
    }

    /// Known only after a statement has failed.
    fn is_lost(&self) -> bool {
        self.connection.try_lock().is_ok_and(|connection| connection.is_disconnected())
    }

    async fn try_lock(&self) -> Result<Option<LockHeld>> {
        let sql = format!("select get_lock({LOCK}, 0), is_used_lock({LOCK})");
        let [acquired, holder] = first_row(&self.text_rows(&sql).await?);
        if acquired == "1" {
            return Ok(None);
        }
        Ok(Some(LockHeld { holder: (!holder.is_empty()).then(|| format!("session {holder}")) }))
    }

    async fn preflight(&self) -> Result<Preflight> {
        Ok(Preflight { warnings: sessions::long_transactions(self).await?, env: Vec::new() })
    }

    async fn text_rows(&self, sql: &str) -> Result<Vec<Vec<Option<String>>>> {
        Ok(self.query(sql).await?)
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

    async fn wait_facts(&self, request: &LockRequest) -> Result<Option<WaitFacts>> {
        let exemption = (request.lock == USER_LOCK).then_some("nobody waits behind a wait of this kind");
        Ok(Some(WaitFacts { exemption, in_transaction: true }))
    }

    async fn cancel_wait(
        &self,
        request: &LockRequest,
        _limit: Duration,
        _must_be_in_transaction: bool,
    ) -> Result<bool> {
        self.kill("kill query", request.pid).await.map(|()| true)
    }

    async fn catalogue(&self) -> Result<Option<String>> {
        catalogue::fingerprint(self).await.map(Some)
    }

    async fn cancel(&self, session: &Session) -> Result<()> {
        self.kill("kill query", session.pid).await
    }

    async fn end_session(&self, session: &Session) -> Result<()> {
        self.kill("kill connection", session.pid).await
    }
}

impl MySql {
    /// The ids of the migration's sessions for an `in (…)`; it starts with 0, because the list must not be empty.
    fn migration_id_list(&self) -> String {
        let migration_ids = self.migration_ids.lock().unwrap_or_else(PoisonError::into_inner);
        migration_ids.iter().fold("0".to_owned(), |list, id| format!("{list}, {id}"))
    }

    /// Runs a `kill` statement for a session. Succeeds if the session has already ended.
    async fn kill(&self, statement: &str, pid: i64) -> Result<()> {
        match self.query(&format!("{statement} {pid}")).await {
            Err(QueryError::Driver(Error::Server(error))) if error.code == NO_SUCH_THREAD => Ok(()),
            result => Ok(result.map(drop)?),
        }
    }

    async fn query(&self, sql: &str) -> Result<Vec<Vec<Option<String>>>, QueryError> {
        let mut connection = self.connection.lock().await;
        let rows = timeout(STATEMENT_LIMIT, connection.query(sql)).await;
        let rows: Vec<Row> = rows.map_err(|_| QueryError::Timeout)??;
        Ok(rows.into_iter().map(|row| row.unwrap().into_iter().map(text).collect()).collect())
    }
}

async fn open(opts: &Opts) -> Result<Result<Conn, Error>> {
    timeout(STATEMENT_LIMIT, Conn::new(opts.clone())).await.context("the server did not answer in time")
}

/// The first columns of the first row; empty strings for missing rows, columns and NULL.
fn first_row<const N: usize>(rows: &[Vec<Option<String>>]) -> [String; N] {
    std::array::from_fn(|at| rows.first().and_then(|row| row.get(at).cloned().flatten()).unwrap_or_default())
}

fn text(value: Value) -> Option<String> {
    match value {
        Value::NULL => None,
        Value::Bytes(bytes) => Some(String::from_utf8_lossy(&bytes).into_owned()),
        // Only prepared statements return other types.
        other => Some(other.as_sql(true)),
    }
}
