//! The scenarios: what a migration does, what is in its way, and how it gets to its database.

/// One migration.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Step {
    pub(crate) sql: &'static str,
    /// Whether the tool runs it in a transaction.
    pub(crate) in_transaction: bool,
}

/// How the tool gets to its database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Route {
    Plain,
    /// The URL names the application.
    ApplicationName,
    /// The URL has options for the session.
    Options,
    /// Through a PgBouncer that pools transactions.
    Pooler,
    WrongPassword,
    /// The database does not exist.
    NoDatabase,
    /// dm-migrate gets another address for its monitor, at which nothing answers.
    DeadMonitor,
    /// The URL names a replica first, and then the server that accepts writes.
    ReplicaFirst,
    /// dm-migrate watches the database `{db}_other`, on which the tool works from its own one.
    FromElsewhere,
}

/// A session that holds locks until another one has waited for some seconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Blocker {
    pub(crate) role: &'static str,
    pub(crate) sql: &'static str,
    pub(crate) seconds: f64,
    /// What it runs in its transaction after that.
    pub(crate) after: &'static str,
}

/// A scenario.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    /// What the superuser prepares in the database; `{db}` is its name.
    pub(crate) setup: &'static str,
    pub(crate) steps: &'static [Step],
    pub(crate) blocker: Option<Blocker>,
    pub(crate) route: Route,
    /// How often the tool runs, one after the other.
    pub(crate) runs: usize,
    /// Whether two run at the same time.
    pub(crate) is_parallel: bool,
    /// Whether the test suite runs it too, not only the trial.
    pub(crate) is_in_slice: bool,
}

const PLAIN: Scenario = Scenario {
    name: "",
    setup: "select",
    steps: &[ADD],
    blocker: None,
    route: Route::Plain,
    runs: 1,
    is_parallel: false,
    is_in_slice: false,
};

const fn step(sql: &'static str) -> Step {
    Step { sql, in_transaction: true }
}

const fn alone(sql: &'static str) -> Step {
    Step { sql, in_transaction: false }
}

const fn blocker(role: &'static str, sql: &'static str, seconds: f64) -> Blocker {
    Blocker { role, sql, seconds, after: "select" }
}

/// A session that needs what the migration has, and has what the migration needs.
const DEADLOCK: Option<Blocker> =
    Some(Blocker { after: READ, ..blocker("web", "select count(*) from items", 0.0) });

const ADD: Step = step("alter table orders add column extra int");
const BAD: Step = step("alter table orders add column bad int default 1/0");
const BOTH: Step = step("alter table orders add column extra int; alter table items add column extra int");
const INDEX: Step = alone("create index concurrently orders_note on orders (note)");
const READ: &str = "select count(*) from orders";
const SNAPSHOT: &str = "insert into items values (1)";

pub(crate) const SCENARIOS: [Scenario; 42] = [
    Scenario { name: "one migration", is_in_slice: true, ..PLAIN },
    Scenario { name: "two migrations", steps: &[ADD, step("create table more (id int)")], ..PLAIN },
    Scenario { name: "nothing to do", runs: 2, is_in_slice: true, ..PLAIN },
    Scenario { name: "no migrations at all", steps: &[], ..PLAIN },
    Scenario { name: "it fails", steps: &[BAD], is_in_slice: true, ..PLAIN },
    Scenario { name: "the second one fails", steps: &[ADD, BAD], is_in_slice: true, ..PLAIN },
    Scenario {
        name: "it fails outside of a transaction",
        steps: &[alone("create table half (id int)"), alone("select 1/0")],
        ..PLAIN
    },
    Scenario { name: "it failed, and runs again", steps: &[ADD, BAD], runs: 2, ..PLAIN },
    Scenario {
        name: "blocked for 1 s",
        blocker: Some(blocker("web", READ, 1.0)),
        is_in_slice: true,
        ..PLAIN
    },
    Scenario { name: "blocked for 7 s", blocker: Some(blocker("web", READ, 7.0)), ..PLAIN },
    Scenario {
        name: "blocked for 7 s, by a writer",
        blocker: Some(blocker("web", "update orders set note = 'x' where id = 1", 7.0)),
        ..PLAIN
    },
    Scenario {
        name: "blocked for 7 s, outside of a transaction",
        steps: &[alone("alter table orders add column extra int")],
        blocker: Some(blocker("web", READ, 7.0)),
        ..PLAIN
    },
    Scenario {
        name: "the second one is blocked for 7 s",
        steps: &[step("create table more (id int)"), ADD],
        blocker: Some(blocker("web", READ, 7.0)),
        ..PLAIN
    },
    Scenario {
        name: "an advisory lock of its own is held for 7 s",
        steps: &[step("select pg_advisory_xact_lock(42)"), ADD],
        blocker: Some(blocker("web", "select pg_advisory_lock(42)", 7.0)),
        ..PLAIN
    },
    Scenario {
        name: "a deadlock that ends the migration",
        setup: "alter role web in database {db} set deadlock_timeout = '1h'; alter table items owner to migrator",
        steps: &[BOTH],
        blocker: DEADLOCK,
        ..PLAIN
    },
    Scenario {
        name: "a deadlock that ends the other session",
        setup: "alter role migrator in database {db} set deadlock_timeout = '1h'; alter table items owner to migrator",
        steps: &[BOTH],
        blocker: DEADLOCK,
        ..PLAIN
    },
    Scenario { name: "a concurrent index", steps: &[INDEX], ..PLAIN },
    Scenario {
        name: "a concurrent index, and a snapshot of 1 s",
        steps: &[INDEX],
        blocker: Some(blocker("web", SNAPSHOT, 1.0)),
        is_in_slice: true,
        ..PLAIN
    },
    Scenario {
        name: "a concurrent index, and a snapshot of 7 s",
        steps: &[INDEX],
        blocker: Some(blocker("web", SNAPSHOT, 7.0)),
        ..PLAIN
    },
    Scenario {
        name: "a concurrent index if not exists, and a snapshot of 7 s",
        steps: &[alone("create index concurrently if not exists orders_note on orders (note)")],
        blocker: Some(blocker("web", SNAPSHOT, 7.0)),
        ..PLAIN
    },
    Scenario {
        name: "a concurrent unique index that fails",
        steps: &[alone("create unique index concurrently orders_one on orders (one)")],
        is_in_slice: true,
        ..PLAIN
    },
    Scenario {
        name: "reindex concurrently, and a snapshot of 7 s",
        steps: &[alone("reindex index concurrently orders_id")],
        blocker: Some(blocker("web", SNAPSHOT, 7.0)),
        ..PLAIN
    },
    Scenario {
        name: "a constraint not valid, validated later",
        steps: &[
            step("alter table orders add constraint c check (id > 0) not valid"),
            step("alter table orders validate constraint c"),
        ],
        ..PLAIN
    },
    Scenario {
        name: "two deployments at the same time",
        steps: &[step("select pg_sleep(0.5); create table more (id int)")],
        is_parallel: true,
        is_in_slice: true,
        ..PLAIN
    },
    Scenario {
        name: "statement_timeout",
        setup: "alter role migrator in database {db} set statement_timeout = '300ms'",
        steps: &[step("select pg_sleep(5)")],
        ..PLAIN
    },
    Scenario {
        name: "lock_timeout of the role, blocked for 2 s",
        setup: "alter role migrator in database {db} set lock_timeout = '300ms'",
        blocker: Some(blocker("web", READ, 2.0)),
        ..PLAIN
    },
    Scenario {
        name: "lock_timeout in the migration, blocked for 2 s",
        steps: &[step("set local lock_timeout = '300ms'; alter table orders add column extra int")],
        blocker: Some(blocker("web", READ, 2.0)),
        ..PLAIN
    },
    Scenario {
        name: "idle_in_transaction_session_timeout",
        setup: "alter role migrator in database {db} set idle_in_transaction_session_timeout = '2s'",
        ..PLAIN
    },
    Scenario { name: "few connections are left", setup: "alter database {db} connection limit 2", ..PLAIN },
    Scenario {
        name: "read-only by default",
        setup: "alter role migrator in database {db} set default_transaction_read_only = on",
        ..PLAIN
    },
    Scenario { name: "no permission", steps: &[step("alter table secret add column extra int")], ..PLAIN },
    Scenario {
        name: "another search path",
        setup: "create schema other authorization migrator; alter role migrator in database {db} set search_path = other, public",
        ..PLAIN
    },
    Scenario {
        name: "application_name in the URL, blocked for 1 s",
        blocker: Some(blocker("web", READ, 1.0)),
        route: Route::ApplicationName,
        ..PLAIN
    },
    Scenario { name: "options in the URL", route: Route::Options, ..PLAIN },
    Scenario { name: "a pooler", route: Route::Pooler, ..PLAIN },
    Scenario {
        name: "a replica first, blocked for 1 s",
        blocker: Some(blocker("web", READ, 1.0)),
        route: Route::ReplicaFirst,
        ..PLAIN
    },
    Scenario {
        name: "the watched database is dropped",
        steps: &[alone("drop database {db}_other")],
        route: Route::FromElsewhere,
        is_in_slice: true,
        ..PLAIN
    },
    Scenario {
        name: "the watched database is renamed",
        steps: &[alone("alter database {db}_other rename to {db}_new")],
        route: Route::FromElsewhere,
        ..PLAIN
    },
    Scenario {
        name: "the watched database is copied",
        steps: &[alone("create database {db}_new template {db}_other")],
        route: Route::FromElsewhere,
        ..PLAIN
    },
    Scenario { name: "a wrong password", route: Route::WrongPassword, ..PLAIN },
    Scenario { name: "no database", route: Route::NoDatabase, ..PLAIN },
    Scenario { name: "the monitor's address is dead", route: Route::DeadMonitor, ..PLAIN },
];
