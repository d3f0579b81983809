//! The interface of the monitor to a database server of any kind, and the types of the answers.
//!
//! `None` is for values that the server does not report, or not to this role; it never means zero.

use std::time::Duration;

use anyhow::{Result, bail};

use crate::leftover::Leftover;
use crate::lock_held::LockHeld;

/// The SQL dialect of a server, as needed to read version tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Dialect {
    /// The query for schema, table and name of each column of `{tables}`.
    pub(crate) columns: &'static str,
    /// The character that quotes a name.
    pub(crate) quote: char,
}

/// A connection to a server that observes the sessions of one migration. It never waits for a lock, and never keeps a
/// transaction open.
pub(crate) trait Server: Sized {
    /// The address to connect to.
    type Address;

    /// The SQL dialect.
    const DIALECT: Dialect;

    /// Whether the database has sessions that can be monitored.
    const HAS_SESSIONS: bool;

    /// Connects, inside a tokio runtime. `name` is the name of the migration's sessions, if the server supports names.
    async fn connect(address: &Self::Address, name: &str) -> Result<Self>;

    /// Whether the connection has ended.
    fn is_lost(&self) -> bool {
        false
    }

    /// Whether statements of the monitor cannot disturb those of the running command.
    fn can_poll(&self) -> bool {
        true
    }

    /// Tries to take the lock that only one dm-migrate can hold, without waiting. It is held until the connection ends.
    /// Returns the holder if another one has it.
    async fn try_lock(&self) -> Result<Option<LockHeld>>;

    /// Checks the database before the command starts.
    async fn preflight(&self) -> Result<Preflight>;

    /// A fingerprint of the catalogue, which every committed change of the schema changes; `None` if there is no database.
    async fn catalogue(&self) -> Result<Option<String>>;

    /// What failed changes of the schema have left behind.
    async fn leftovers(&self) -> Result<Vec<Leftover>> {
        Ok(Vec::new())
    }

    /// Closes what is not needed until the next poll.
    async fn release(&self) {}

    /// Runs one statement and returns its rows as text.
    async fn text_rows(&self, sql: &str) -> Result<Vec<Vec<Option<String>>>>;

    /// Whether the monitor can see the sessions of other roles.
    fn can_see_others(&self) -> bool {
        true
    }

    /// The sessions of the migration.
    async fn sessions(&self) -> Result<Vec<Session>> {
        Ok(Vec::new())
    }

    /// The locks that these sessions wait for; the longest wait first.
    async fn lock_requests(&self) -> Result<Vec<LockRequest>> {
        Ok(Vec::new())
    }

    /// The sessions that the migration waits for, directly or through others; those that do not wait themselves first.
    async fn blockers(&self) -> Result<Vec<Blocker>> {
        Ok(Vec::new())
    }

    /// The sessions that wait behind the migration.
    async fn waiters(&self) -> Result<Waiters> {
        Ok(Waiters::default())
    }

    /// The progress of the migration's statements, for those for which the server reports it.
    async fn progress(&self) -> Result<Vec<Progress>> {
        Ok(Vec::new())
    }

    /// The facts about a wait that decide on its cancellation; `None` if it is over.
    async fn wait_facts(&self, _request: &LockRequest) -> Result<Option<WaitFacts>> {
        Ok(None)
    }

    /// Cancels a statement if this wait still is there, has lasted for `limit` and may be cancelled. Returns whether it did.
    async fn cancel_wait(
        &self,
        _request: &LockRequest,
        _limit: Duration,
        _must_be_in_transaction: bool,
    ) -> Result<bool> {
        Ok(false)
    }

    /// Cancels the statement of a session of the migration, if it still is that session.
    async fn cancel(&self, _session: &Session) -> Result<()> {
        Ok(())
    }

    /// Ends a session of the migration, if it still is that session.
    async fn end_session(&self, _session: &Session) -> Result<()> {
        Ok(())
    }

    /// Terminates a blocker, if it still blocks the migration and matches the rules. Returns whether it did.
    async fn terminate(&self, _blocker: &Blocker, _rules: &TerminateRules) -> Result<bool> {
        bail!("only PostgreSQL supports it")
    }
}

/// The result of the check before the command starts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Preflight {
    /// Obstacles, and missing privileges; one message each.
    pub(crate) warnings: Vec<String>,
    /// Environment variables for the command, which name its sessions.
    pub(crate) env: Vec<(&'static str, String)>,
}

/// A session of the migration.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Session {
    /// Its id on the server.
    pub(crate) pid: i64,
    /// Its start time. With the pid, it identifies the session permanently; empty if the pid alone does.
    pub(crate) backend_start: String,
    /// Such as `active`, `idle` or `idle in transaction`.
    pub(crate) state: Option<String>,
    /// The statement, with masked values.
    pub(crate) query: Option<String>,
    /// How long the statement has run.
    pub(crate) running_for: Option<Duration>,
    /// Whether it waits for a lock.
    pub(crate) is_waiting: bool,
}

impl Session {
    /// Whether it runs a statement, as far as the monitor can see.
    pub(crate) fn is_active(&self) -> bool {
        self.state.as_deref().is_none_or(|state| state == "active")
    }
}

/// An advisory lock, as [`LockRequest::lock`]: migration tools use it to run one at a time.
pub(crate) const ADVISORY_LOCK: &str = "an advisory lock";

/// A lock that a session of the migration waits for.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct LockRequest {
    /// The id of the waiting session.
    pub(crate) pid: i64,
    /// The lock, such as `AccessExclusiveLock on orders`.
    pub(crate) lock: String,
    /// The length of the wait, if the server reports it.
    pub(crate) waiting_for: Option<Duration>,
    /// Identifies the wait among those of the session; may be empty.
    pub(crate) id: String,
}

/// The facts about a wait that decide on its cancellation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WaitFacts {
    /// Why the wait may not be cancelled.
    pub(crate) exemption: Option<&'static str>,
    /// Whether the statement is known to be in a transaction block, so that nothing before it is committed.
    pub(crate) in_transaction: bool,
}

/// A session that the migration waits for.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Blocker {
    /// Its id on the server; 0 for a prepared transaction, which has no session.
    pub(crate) pid: i64,
    /// Whether the server reports it as a blocker. Otherwise it is a possible one.
    pub(crate) is_certain: bool,
    /// Its start time. With the pid, it identifies the session permanently.
    pub(crate) backend_start: Option<String>,
    /// The role or account.
    pub(crate) user: Option<String>,
    /// The `application_name`, if the server has one.
    pub(crate) application: Option<String>,
    /// The address of the client; also `None` for a Unix socket.
    pub(crate) client: Option<String>,
    /// Such as `active` or `idle in transaction`.
    pub(crate) state: Option<String>,
    /// How long it has been in this state.
    pub(crate) in_state_for: Option<Duration>,
    /// How long its transaction has been open.
    pub(crate) transaction_age: Option<Duration>,
    /// Such as `client backend` or `autovacuum worker`.
    pub(crate) kind: Option<String>,
    /// Its last statement, with masked values.
    pub(crate) query: Option<String>,
    /// Its locks on the objects that the migration needs.
    pub(crate) holds: Option<String>,
    /// Whether it does not wait for another session itself.
    pub(crate) is_root: bool,
    /// The SQL statement that ends the session.
    pub(crate) end_statement: Option<String>,
}

/// The progress of a statement.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Progress {
    pub(crate) pid: i64,
    /// The kind of statement, and its phase.
    pub(crate) what: String,
    /// How much of the phase is done, from 0 to 1, if that is known.
    pub(crate) share: Option<f64>,
    /// The number of rows so far, if the server counts them.
    pub(crate) rows: Option<u64>,
    /// The session that it waits for.
    pub(crate) waits_for: Option<i64>,
}

/// The sessions that wait for the migration, directly or through others.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Waiters {
    /// The number of sessions; `None` if unknown.
    pub(crate) count: Option<u64>,
    /// The longest wait, if the server reports it.
    pub(crate) longest: Option<Duration>,
}

/// The migration works on its database from another one: no connection may be in its way.
#[derive(Debug, thiserror::Error)]
#[error("the migration works on its database from another one")]
pub(crate) struct GiveWay;

/// The conditions under which a blocker may be terminated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TerminateRules {
    /// The required state, such as `idle in transaction`.
    pub(crate) state: String,
    /// The minimum time in this state.
    pub(crate) min_age: Duration,
}

/// Converts seconds from a database. Negative values, from a clock that was set back, become zero.
pub(crate) fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}
