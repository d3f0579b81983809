//! What the monitor asks a database server, whichever it is, and the nouns of the answers.
//!
//! What a server does not tell, or does not tell us, is `None`, and never nothing.

use std::time::Duration;

use anyhow::{Result, bail};

use crate::lock_held::LockHeld;

/// How a server's SQL is written, as far as it matters for version tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Dialect {
    /// Asks for the schema, the table and the name of each column of `{tables}`.
    pub(crate) columns: &'static str,
    /// The character that encloses a name.
    pub(crate) quote: char,
}

/// A connection to a server, that looks at the sessions of one migration. It never waits, and has no transaction.
pub(crate) trait Server: Sized {
    /// Where it is.
    type Address;

    /// How its SQL is written.
    const DIALECT: Dialect;

    /// Why no session of the migration is seen, if none is; `None` for a server that has no sessions.
    const NO_SESSION_REASON: Option<&'static str>;

    /// Whether the migration's sessions keep to the lock timeout by themselves. Else the monitor cancels what waits
    /// longer.
    const ENFORCES_LOCK_TIMEOUT: bool;

    /// Connects; `name` is what the migration's sessions call themselves, where they can be told to. Inside a tokio
    /// runtime only.
    async fn connect(address: &Self::Address, name: &str) -> Result<Self>;

    /// Whether the connection has ended.
    fn is_lost(&self) -> bool {
        false
    }

    /// Takes the lock that only one dm-migrate can have, until the connection ends; does not wait. Returns who holds it if
    /// another one does.
    async fn try_lock(&self) -> Result<Option<LockHeld>>;

    /// What is to be known before the command starts.
    async fn preflight(&self, lock_timeout: Option<Duration>) -> Result<Preflight>;

    /// The rows of one statement, as text.
    async fn text_rows(&self, sql: &str) -> Result<Vec<Vec<Option<String>>>>;

    /// Whether we see what others' sessions do.
    fn can_see_others(&self) -> bool {
        true
    }

    /// The sessions of the migration.
    async fn sessions(&self) -> Result<Vec<Session>> {
        Ok(Vec::new())
    }

    /// What they wait for; the longest wait first.
    async fn lock_requests(&self) -> Result<Vec<LockRequest>> {
        Ok(Vec::new())
    }

    /// Whom they wait for, and whom those wait for; the roots of it first.
    async fn blockers(&self) -> Result<Vec<Blocker>> {
        Ok(Vec::new())
    }

    /// Who waits behind them.
    async fn waiters(&self) -> Result<Waiters> {
        Ok(Waiters::default())
    }

    /// How far their statements are, for those of which the server tells it.
    async fn progress(&self) -> Result<Vec<String>> {
        Ok(Vec::new())
    }

    /// Cancels the statement of a session of the migration, if it still is that session.
    async fn cancel(&self, _session: &Session) -> Result<()> {
        Ok(())
    }

    /// Ends a session of the migration, if it still is that session.
    async fn end_session(&self, _session: &Session) -> Result<()> {
        Ok(())
    }

    /// Ends a session that blocks the migration, if it still does, and is still as these rules want it; whether it did.
    async fn terminate(&self, _blocker: &Blocker, _rules: &TerminateRules) -> Result<bool> {
        bail!("only PostgreSQL's can be")
    }
}

/// What is known before the command starts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Preflight {
    /// What stands in its way, and what cannot be seen: for people, one a line.
    pub(crate) warnings: Vec<String>,
    /// What the command has to be told, so that its sessions are known, and bounded.
    pub(crate) env: Vec<(&'static str, String)>,
}

/// A session of the migration.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Session {
    /// It, on the server.
    pub(crate) pid: i64,
    /// With the pid, it names the session for ever; empty where the pid alone does.
    pub(crate) backend_start: String,
    /// `active`, `idle`, `idle in transaction`.
    pub(crate) state: Option<String>,
    /// The statement, masked.
    pub(crate) query: Option<String>,
    /// How long the statement has run.
    pub(crate) running_for: Option<Duration>,
    /// Whether it waits for a lock.
    pub(crate) is_waiting: bool,
}

impl Session {
    /// Whether it is seen in a statement, or in a transaction that can still succeed.
    pub(crate) fn is_at_work(&self) -> bool {
        matches!(self.state.as_deref(), Some("active" | "idle in transaction"))
    }
}

/// What a session of ours waits for.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct LockRequest {
    /// Who waits.
    pub(crate) pid: i64,
    /// The lock: `AccessExclusiveLock on orders`.
    pub(crate) lock: String,
    /// For how long, where the server tells.
    pub(crate) waiting_for: Option<Duration>,
}

/// A session that ours waits for.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Blocker {
    /// It, on the server; 0 for a prepared transaction, which has none.
    pub(crate) pid: i64,
    /// Whether the server says so. Else it is one that may be.
    pub(crate) is_certain: bool,
    /// With the pid, it names the session for ever.
    pub(crate) backend_start: Option<String>,
    /// Its role.
    pub(crate) user: Option<String>,
    /// What it calls itself, where the server has such a name.
    pub(crate) application: Option<String>,
    /// Where it comes from; `None` for a unix socket too.
    pub(crate) client: Option<String>,
    /// `active`, `idle in transaction`.
    pub(crate) state: Option<String>,
    /// For how long.
    pub(crate) in_state_for: Option<Duration>,
    /// How long its transaction has been open.
    pub(crate) transaction_age: Option<Duration>,
    /// `client backend`, `autovacuum worker`.
    pub(crate) kind: Option<String>,
    /// Its last statement, masked.
    pub(crate) query: Option<String>,
    /// The locks that it holds on what we want.
    pub(crate) holds: Option<String>,
    /// Whether it waits for nobody itself.
    pub(crate) is_root: bool,
    /// The statement that would end it.
    pub(crate) end_statement: Option<String>,
}

/// Those that wait for us, or for somebody who does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Waiters {
    /// How many; `None` where that cannot be seen.
    pub(crate) count: Option<u64>,
    /// The longest wait, where the server tells.
    pub(crate) longest: Option<Duration>,
}

/// Whose session may be ended for blocking the migration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TerminateRules {
    /// Its state, such as `idle in transaction`.
    pub(crate) state: String,
    /// For how long it has been in it.
    pub(crate) min_age: Duration,
}

/// A database's seconds; a clock that was set back makes no time negative.
pub(crate) fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}
