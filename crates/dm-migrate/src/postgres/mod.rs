//! PostgreSQL. The monitor identifies the migration's sessions by their `application_name`, which dm-migrate sets, or by
//! the ports of its processes.
//!
//! The monitor watches from the database `postgres`, because nobody can drop, rename or copy a database to which it is
//! connected. What only the database itself knows, it reads through a connection that it closes again.

pub(crate) mod address;
mod advisory;
mod catalogue;
pub(crate) mod child_env;
mod connection;
mod knowledge;
mod known;
pub(crate) mod parameters;
mod passfile;
mod pooler;
mod preflight;
mod progress;
mod relation_names;
mod sessions;
mod spare;
mod terminate;
mod tls;
mod waits;

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use common::env;
use tokio::sync::OnceCell;
use tokio_postgres::Row;
use tokio_postgres::config::Host;
use tokio_postgres::types::Type;

use crate::leftover::Leftover;
use crate::lock_held::LockHeld;
use crate::server::{
    Blocker, Dialect, LockRequest, Preflight, Progress, Server, Session, TerminateRules, WaitFacts, Waiters,
};
use address::Address;
use connection::{Connection, OpenError, Values};
pub(crate) use knowledge::knowledge;
use known::Known;
use pooler::Pooler;

/// The database from which the monitor watches.
const WATCH_DATABASE: &str = "postgres";

/// The port of a URL without one.
const DEFAULT_PORT: u16 = 5432;

/// The connections to a PostgreSQL server.
#[derive(Debug)]
pub(crate) struct Postgres {
    /// Sees all sessions of the server.
    watch: Connection,
    /// Whether `watch` is connected to the database of the migration, because the role cannot connect to another one.
    is_in_database: bool,
    /// A connection to the database of the migration, until [`Server::release`].
    local: tokio::sync::Mutex<Option<Connection>>,
    /// Holds the advisory lock.
    lock: tokio::sync::Mutex<Option<Connection>>,
    address: Address,
    /// The name of the migration's database.
    database: String,
    pooler: Option<Pooler>,
    /// The `application_name` of the migration's sessions.
    name: String,
    ports: Vec<u16>,
    known: Mutex<Known>,
    /// The names of relations by id; `None` for one that is not visible, such as one that is not committed.
    relations: Mutex<BTreeMap<u32, Option<String>>>,
    /// The tables of migration tools, as ids, once they are needed.
    version_tables: OnceCell<Vec<u32>>,
}

impl Server for Postgres {
    type Address = Address;

    const DIALECT: Dialect = Dialect {
        columns: "select table_schema, table_name, column_name from information_schema.columns \
                  where lower(table_name) in ({tables})",
        quote: '"',
    };

    const HAS_SESSIONS: bool = true;

    async fn connect(address: &Address, name: &str) -> Result<Self> {
        let config = &address.config;
        let database = config.get_dbname().or(config.get_user()).unwrap_or(WATCH_DATABASE).to_owned();
        let (mut local, mut pooler) = match pooler::open(address).await {
            Ok((local, pooler)) => (Some(local), pooler),
            // The migration may create it.
            Err(OpenError::NoDatabase) => (None, None),
            Err(error) => return Err(error.into()),
        };
        if let Some(local) = &local {
            spare::check(local, &database).await?;
            if pooler.is_none() {
                pooler = pooler::compare(address, local).await?;
            }
        }
        let elsewhere = Self::connect_elsewhere(address, &database).await;
        let (watch, is_in_database) = match (elsewhere, local.take()) {
            (Ok(watch), taken) => {
                local = taken;
                (watch, false)
            }
            (Err(_), Some(taken)) => (taken, true),
            (Err(error), None) => {
                return Err(error.context("the database does not exist, and neither can postgres be used"));
            }
        };
        let tcp = config.get_hosts().iter().any(|host| matches!(host, Host::Tcp(_)));
        let ports = match config.get_ports() {
            _ if !tcp => Vec::new(),
            [] => vec![DEFAULT_PORT],
            ports => ports.to_vec(),
        };
        Ok(Self {
            watch,
            is_in_database,
            local: tokio::sync::Mutex::new(local),
            lock: tokio::sync::Mutex::default(),
            address: address.clone(),
            database,
            pooler,
            name: name.to_owned(),
            ports,
            known: Mutex::default(),
            relations: Mutex::default(),
            version_tables: OnceCell::new(),
        })
    }

    fn is_lost(&self) -> bool {
        let lock_is_lost =
            self.lock.try_lock().is_ok_and(|lock| lock.as_ref().is_some_and(Connection::is_lost));
        self.watch.is_lost() || lock_is_lost
    }

    /// In a pool, the two share sessions. A driver that sends a statement in two parts, as lib/pq does, loses the first part
    /// if the monitor's statement gets in between.
    fn can_poll(&self) -> bool {
        self.pooler.is_none()
    }

    async fn try_lock(&self) -> Result<Option<LockHeld>> {
        if let Some(pooler) = self.pooler {
            bail!(
                "--advisory-lock needs a session, and the address is that of a pooler ({pooler}): give the server's own \
                 address with --monitor-url"
            );
        }
        let connection = Connection::open(&self.address.config, &self.address.tls, true).await?;
        let held = advisory::try_take(&connection).await?;
        if held.is_none() {
            *self.lock.lock().await = Some(connection);
        }
        Ok(held)
    }

    async fn preflight(&self) -> Result<Preflight> {
        let mut warnings = Vec::new();
        let mut env = vec![("PGAPPNAME", self.name.clone())];
        if let Some(pooler) = self.pooler {
            warnings.push(format!(
                "the address is that of a connection pooler ({pooler}): the command gets no session settings, and its lock \
                 waits are not watched, because that can disturb it; for complete monitoring, give the server's own \
                 address with --monitor-url"
            ));
        }
        let found = self.in_database(async |local| {
            let findings = preflight::Findings::read(local).await?;
            let can_check = self.pooler.is_none() && child_env::can_check_client(local).await;
            Ok((findings, can_check))
        });
        if let Some((findings, can_check_client)) = found.await? {
            warnings.extend(findings.warnings());
            let options = child_env::options(can_check_client, &env::system);
            env.extend(options.map(|options| ("PGOPTIONS", options)));
        }
        Ok(Preflight { warnings, env })
    }

    async fn text_rows(&self, sql: &str) -> Result<Vec<Vec<Option<String>>>> {
        Ok(self.in_database(async |local| local.text_rows(sql).await).await?.unwrap_or_default())
    }

    async fn catalogue(&self) -> Result<Option<String>> {
        self.in_database(async |local| catalogue::fingerprint(local).await).await
    }

    async fn leftovers(&self) -> Result<Vec<Leftover>> {
        Ok(self.in_database(async |local| catalogue::leftovers(local).await).await?.unwrap_or_default())
    }

    async fn release(&self) {
        *self.local.lock().await = None;
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

    async fn progress(&self) -> Result<Vec<Progress>> {
        progress::progress(self).await
    }

    async fn wait_facts(&self, request: &LockRequest) -> Result<Option<WaitFacts>> {
        waits::facts(self, request).await
    }

    async fn cancel_wait(
        &self,
        request: &LockRequest,
        limit: Duration,
        must_be_in_transaction: bool,
    ) -> Result<bool> {
        waits::cancel(self, request, limit, must_be_in_transaction).await
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
    /// Connects to another database than that of the migration.
    async fn connect_elsewhere(address: &Address, database: &str) -> Result<Connection> {
        if database == WATCH_DATABASE {
            bail!("the database is {WATCH_DATABASE} itself");
        }
        let mut config = address.config.clone();
        config.dbname(WATCH_DATABASE);
        Ok(Connection::open(&config, &address.tls, true).await?)
    }

    /// Runs `work` in the database of the migration; `None` if that does not exist.
    async fn in_database<T>(&self, work: impl AsyncFnOnce(&Connection) -> Result<T>) -> Result<Option<T>> {
        if self.is_in_database {
            return work(&self.watch).await.map(Some);
        }
        let mut local = self.local.lock().await;
        if local.as_ref().is_none_or(Connection::is_lost) {
            spare::check(&self.watch, &self.database).await?;
            *local = match Connection::open(&self.address.config, &self.address.tls, self.pooler.is_none())
                .await
            {
                Err(OpenError::NoDatabase) => return Ok(None),
                opened => Some(opened?),
            };
        }
        let connection = local.as_ref().context("no connection")?;
        work(connection).await.map(Some)
    }

    /// Whether a connection of the monitor is in the database of the migration.
    async fn holds_connections(&self) -> bool {
        self.is_in_database || self.lock.lock().await.is_some()
    }

    /// Runs one statement whose `$1` are the pids of the migration's sessions.
    async fn rows_for_migration(&self, sql: &str) -> Result<Vec<Row>> {
        let pids = self.pids();
        self.watch.rows(sql, &[(&pids, Type::INT4_ARRAY)]).await
    }

    fn pids(&self) -> Vec<i32> {
        lock(&self.known).pids.clone()
    }

    /// The tables of migration tools.
    async fn version_tables(&self) -> Result<&Vec<u32>> {
        let read = async || {
            let tables = self.in_database(async |local| catalogue::version_tables(local).await).await?;
            anyhow::Ok(tables.unwrap_or_default())
        };
        self.version_tables.get_or_try_init(read).await
    }

    /// The transactions of the migration that were seen between two statements.
    fn transactions(&self) -> Vec<String> {
        lock(&self.known).transactions.iter().cloned().collect()
    }

    /// Signals a session of the migration. The start is compared because the server may have reused the pid.
    async fn signal(&self, function: &str, session: &Session) -> Result<()> {
        let sql = format!(
            "select {function}(pid) from pg_stat_activity where pid = $1::int8 and backend_start = $2::text::timestamptz"
        );
        let values: &Values<'_> = &[(&session.pid, Type::INT8), (&session.backend_start, Type::TEXT)];
        self.watch.rows(&sql, values).await.map(drop)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
