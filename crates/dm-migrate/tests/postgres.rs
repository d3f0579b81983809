//! dm-migrate before a real PostgreSQL: what it sees, tells, records, and leaves behind.
#![expect(clippy::unwrap_used, reason = "a panic is a failed test")]

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tempfile::TempDir;
use testkit::postgres::{PASSWORD, Postgres, program};
use testkit::pushgateway::Pushgateway;
use testkit::server::eventually;

const ALTER: &str = "alter table orders add note text default 'a secret value'";

/// A server with a table, the role `migrator` that owns it, and the role `web` that reads it.
fn shop() -> Postgres {
    let server = Postgres::start();
    server.role("migrator", "in role pg_monitor");
    server.role("web", "");
    server.sql(
        "create table orders (id int); alter table orders owner to migrator; grant all on orders to web",
    );
    server.sql("grant create on schema public to migrator");
    server
}

/// A run of dm-migrate with `psql -c STATEMENT`, as `role`.
struct Run {
    state: TempDir,
    command: Command,
}

impl Run {
    fn of(server: &Postgres, role: &str, flags: &[&str], statement: &str) -> Self {
        let script = r#"exec "$PSQL" "$DATABASE_URL" -Xq -v ON_ERROR_STOP=1 -c "$0""#;
        let mut run = Self::unwatched(flags, &["sh", "-c", script, statement]);
        run.command.env("DATABASE_URL", server.url(role));
        run
    }

    fn unwatched(flags: &[&str], argv: &[&str]) -> Self {
        let state = tempfile::tempdir().unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_dm-migrate"));
        command.env_clear().env("PATH", "/usr/local/bin:/usr/bin:/bin").env("PSQL", program("psql"));
        command.env("DM_STATE_DIR", state.path()).env("DM_TEXTFILE", state.path().join("dm.prom"));
        command.env("DM_SERVICE", "shop").env("DM_ENVIRONMENT", "production");
        command.args(flags).arg("--").args(argv);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        Self { state, command }
    }

    fn start(mut self) -> Running {
        let mut child = self.command.spawn().unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap());
        Running { child, lines, told: String::new(), state: self.state }
    }

    fn end(self) -> Ended {
        self.start().end()
    }
}

struct Running {
    child: Child,
    lines: BufReader<ChildStderr>,
    told: String,
    state: TempDir,
}

impl Running {
    /// Waits until it tells a line with this in it, and gives that.
    fn until(&mut self, text: &str) -> String {
        loop {
            let mut line = String::new();
            assert!(self.lines.read_line(&mut line).unwrap() > 0, "no {text:?} in:\n{}", self.told);
            self.told.push_str(&line);
            if line.contains(text) {
                return line;
            }
        }
    }

    fn send(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().cast_signed()), signal).unwrap();
    }

    fn end(mut self) -> Ended {
        self.lines.read_to_string(&mut self.told).unwrap();
        let status = self.child.wait().unwrap();
        Ended { status, told: self.told, state: self.state }
    }
}

struct Ended {
    status: ExitStatus,
    told: String,
    state: TempDir,
}

impl Ended {
    fn event(&self) -> Value {
        serde_json::from_str(self.journal().trim()).unwrap()
    }

    fn journal(&self) -> String {
        std::fs::read_to_string(self.state.path().join("journal.jsonl")).unwrap()
    }

    fn metrics(&self) -> String {
        std::fs::read_to_string(self.state.path().join("dm.prom")).unwrap()
    }
}

/// Waits until so many sessions of migrations are in the database.
fn sessions(server: &Postgres, condition: &str, count: &str) {
    let sql = format!(
        "select count(*) from pg_stat_activity where application_name like 'dm-migrate:%' and {condition}"
    );
    eventually(&sql, || match server.sql(&sql) {
        found if found == count => Ok(()),
        found => Err(found),
    });
}

/// For how long the longest of them has waited, as the server knows it.
fn waited(server: &Postgres) -> f64 {
    let sql = "select coalesce(max(extract(epoch from clock_timestamp() - waitstart)), 0) from pg_locks l \
        join pg_stat_activity a using (pid) where not granted and application_name like 'dm-migrate:%'";
    server.sql(sql).parse().unwrap()
}

#[test]
fn a_person_learns_who_blocks_the_migration_and_whom_it_blocks() {
    let server = shop();
    let gateway = Pushgateway::start();
    let blocker = server.session("web", "shop-web", "begin; select * from orders where id = 4711");
    let mut run = Run::of(&server, "migrator", &["--lock-timeout", "0s"], ALTER);
    run.command.env("PUSHGATEWAY_URL", gateway.url());
    let mut run = run.start();
    let line = run.until("waiting");
    assert!(
        line.contains("AccessExclusiveLock on orders (pid ") && line.contains("add note text default ?"),
        "{line}"
    );
    assert!(waited(&server) < 2.0, "told too late: {line}");
    let line = run.until("blocked by");
    for part in [
        "user web",
        "app \"shop-web\"",
        "idle in transaction for",
        "holds AccessShareLock on orders",
        "id = ?",
    ] {
        assert!(line.contains(part), "{part}: {line}");
    }
    let victims = [1, 2].map(|_| server.background("web", "shop-web", "select * from orders"));
    run.until("wait behind it");
    // While it runs, it is to be seen that it does.
    eventually("in progress", || match gateway.series("database_migration_in_progress", &[]).as_slice() {
        [line] if line.ends_with(" 1") => Ok(()),
        other => Err(format!("{other:?}")),
    });
    assert!(gateway.value("database_migration_start_timestamp_seconds", &["job=\"dm_run\""]) > 1e9);
    let total = eventually("a wait", || Some(waited(&server)).filter(|s| *s > 2.0).ok_or_else(String::new));
    blocker.end();
    let ended = run.end();
    assert!(ended.status.success(), "{}", ended.told);
    let event = ended.event();
    let found = event["lock_wait_s"].as_f64().unwrap();
    assert!((found - total).abs() < 1.0, "{found}, not {total}");
    assert!(matches!(event["blocked_max"].as_u64(), Some(1 | 2)), "{event}");
    assert_eq!(gateway.series("database_migration_in_progress", &[]), [""; 0]);
    let pushed = gateway.value("database_migration_lock_wait_seconds", &["job=\"dm\""]);
    assert!((pushed - found).abs() < 0.001, "{pushed}");
    assert!(gateway.value("database_migration_blocked_sessions", &["job=\"dm\""]) >= 1.0);
    assert!(gateway.value("database_migration_lag_seconds", &["status=\"success\""]) > total);
    assert!(!ended.told.contains("4711") && !ended.told.contains("secret"), "{}", ended.told);
    drop(victims);
}

#[test]
fn what_a_role_cannot_see_is_unknown() {
    let server = shop();
    server.role("stranger", "");
    let _blocker = server.session("web", "shop-web", "begin; select * from orders where id = 4711");
    // Watched by one role, migrated by another.
    let script = r#"exec "$PSQL" "$MIGRATE_URL" -Xq -v ON_ERROR_STOP=1 -c "$0""#;
    let mut blind = Run::unwatched(&["--lock-timeout", "3s"], &["sh", "-c", script, ALTER]);
    blind.command.env("DATABASE_URL", server.url("stranger")).env("MIGRATE_URL", server.url("migrator"));
    let mut blind = blind.start();
    blind.until("other roles' transactions are unknown to stranger");
    let line = blind.until("waiting");
    assert!(line.contains("statement unknown"), "{line}");
    let line = blind.until("blocked by");
    assert!(line.contains("user web") && line.contains("state unknown"), "{line}");
    assert!(line.contains("its statement: unknown"), "{line}");
    let ended = blind.end();
    assert!(ended.event()["lock_wait_s"].as_f64().unwrap() > 2.0, "{}", ended.journal());
}

#[test]
fn nothing_of_ours_is_left_waiting_however_it_ends() {
    let server = shop();
    let _blocker = server.session("web", "shop-web", "begin; select * from orders");
    let flags = ["--lock-timeout", "0s", "--timeout", "1s"];
    let ended = Run::of(&server, "migrator", &flags, ALTER).end();
    assert_eq!(ended.status.code(), Some(124), "{}", ended.told);
    assert!(ended.told.contains("cancelled the statement of the migration's session"), "{}", ended.told);
    sessions(&server, "true", "0");
    assert_eq!(ended.event()["status"], "timeout");

    let mut run = Run::of(&server, "migrator", &["--lock-timeout", "0s"], ALTER).start();
    run.until("waiting");
    run.send(Signal::SIGTERM);
    let ended = run.end();
    sessions(&server, "true", "0");
    assert_eq!(ended.event()["status"], "cancelled", "{}", ended.told);

    // Killed, it can do nothing any more: the limit that the session was given does.
    let mut run = Run::of(&server, "migrator", &["--lock-timeout", "2s"], ALTER).start();
    run.until("waiting");
    run.send(Signal::SIGKILL);
    sessions(&server, "wait_event_type = 'Lock'", "0");
}

#[test]
fn a_client_that_vanishes_takes_its_statement_along() {
    let server = shop();
    let _blocker = server.session("web", "shop-web", "begin; select * from orders");
    // The client of the statement is killed, and the shell around it says so.
    let script = r#""$PSQL" "$DATABASE_URL" -Xqc "$0" & echo "client $!" >&2; wait $!; exit 3"#;
    let mut run = Run::unwatched(&["--lock-timeout", "0s"], &["sh", "-c", script, ALTER]);
    run.command.env("DATABASE_URL", server.url("migrator"));
    let mut run = run.start();
    let client: i32 = run.until("client").trim().rsplit(' ').next().unwrap().parse().unwrap();
    run.until("waiting");
    kill(Pid::from_raw(client), Signal::SIGKILL).unwrap();
    let ended = run.end();
    assert_eq!(ended.status.code(), Some(3), "{}", ended.told);
    sessions(&server, "true", "0");
}

#[test]
fn a_server_that_restarts_is_seen_again() {
    let mut server = shop();
    let script = r#"echo started >&2; read -r line; exec "$PSQL" "$DATABASE_URL" -Xqc "$0""#;
    let mut run = Run::unwatched(&[], &["sh", "-c", script, ALTER]);
    run.command.env("DATABASE_URL", server.url("migrator")).stdin(Stdio::piped());
    let mut run = run.start();
    run.until("started");
    server.crash_and_restart();
    run.until("the database is seen again");
    drop(run.child.stdin.take());
    let ended = run.end();
    assert!(ended.status.success(), "{}", ended.told);
}

#[test]
fn an_index_is_built_beside_the_monitor() {
    let server = shop();
    let ended = Run::of(&server, "migrator", &[], "create index concurrently orders_id on orders (id)").end();
    assert!(ended.status.success(), "{}", ended.told);
    assert!(!ended.told.contains("waiting"), "{}", ended.told);
}

#[test]
fn what_stands_in_the_way_is_told_before() {
    let server = shop();
    server.sql("create table twice (id int); insert into twice values (1), (1)");
    let index = server.background("postgres", "t", "create unique index concurrently twice_id on twice (id)");
    eventually("the index", || {
        match server.sql("select count(*) from pg_index where not indisvalid").as_str() {
            "1" => Ok(()),
            other => Err(other.to_owned()),
        }
    });
    let ended = Run::of(&server, "migrator", &[], "select 1").end();
    assert!(ended.told.contains("the index twice_id is invalid"), "{}", ended.told);
    drop(index);
}

#[test]
fn a_database_that_cannot_be_watched_is_no_reason_not_to_migrate() {
    let run = |url: &str, flags: &[&str]| {
        let mut run = Run::unwatched(flags, &["true"]);
        run.command.env("DATABASE_URL", url);
        run.end()
    };
    for (url, cause) in [
        ("postgres://u:s3cr3t@127.0.0.1:1/d", "the database cannot be reached"),
        ("mysql://u:s3cr3t@h/d", "only PostgreSQL can be watched"),
        ("s3cr3t", "is no URL"),
        ("file:/no/such/file", "cannot read /no/such/file"),
    ] {
        let ended = run(url, &[]);
        assert!(ended.status.success() && ended.told.contains(cause), "{}", ended.told);
        assert!(!ended.told.contains("s3cr3t"), "{}", ended.told);
        assert_eq!(ended.event()["lock_wait_s"], Value::Null);
        let ended = run(url, &["--require-monitor"]);
        assert_eq!(ended.status.code(), Some(125), "{}", ended.told);
        assert_eq!(ended.told.lines().count(), 1, "{}", ended.told);
    }
    let ended = run("", &["--require-monitor"]);
    assert!(ended.told.contains("need a database: set DATABASE_URL"), "{}", ended.told);
}

#[test]
fn the_password_appears_nowhere() {
    let server = shop();
    let _blocker = server.session("web", "shop-web", "begin; select * from orders");
    let mut run = Run::of(&server, "migrator", &["--lock-timeout", "1s"], ALTER).start();
    run.until("waiting");
    let cmdline = std::fs::read_to_string(format!("/proc/{}/cmdline", run.child.id())).unwrap();
    let ended = run.end();
    for text in [&cmdline, &ended.told, &ended.journal(), &ended.metrics()] {
        assert!(!text.contains(PASSWORD), "{text}");
    }
}

#[test]
fn a_lock_that_is_not_got_is_tried_for_again_and_others_get_through_meanwhile() {
    let server = shop();
    server.sql(
        "create table alembic_version (version_num text); alter table alembic_version owner to migrator",
    );
    let up = format!("{ALTER}; insert into alembic_version values ('ae1')");
    let blocker = server.session("web", "shop-web", "begin; select * from orders");
    let mut run = Run::of(&server, "migrator", &["--lock-timeout", "800ms"], &up).start();
    run.until(
        "the migration gave up after waiting 800ms for a lock; it is run again in 800ms; attempts left: 10",
    );
    run.until("attempts left: 9");
    blocker.end();
    let ended = run.end();
    assert!(ended.status.success(), "{}", ended.told);
    let event = ended.event();
    assert_eq!((&event["after"], &event["status"]), (&"ae1".into(), &"success".into()));
    assert!(event["lock_wait_s"].as_f64().unwrap() > 1.0, "{event}");

    let _blocker = server.session("web", "shop-web", "begin; select * from orders");
    let flags = ["--lock-timeout", "800ms", "--lock-retries", "0"];
    let ended = Run::of(&server, "migrator", &flags, "alter table orders add more text").end();
    assert_eq!(ended.status.code(), Some(1), "{}", ended.told);
    assert!(ended.told.contains("the attempts are used up"), "{}", ended.told);
    assert_eq!(ended.event()["error_type"], "lock_timeout");
    assert!(ended.metrics().contains("error_type=\"lock_timeout\",service=\"shop\",stage=\"migration\"} 1"));

    // Told to end in a pause, it does; nothing is left that could go on.
    let mut run = Run::of(&server, "migrator", &["--lock-timeout", "800ms"], ALTER).start();
    run.until("it is run again");
    run.send(Signal::SIGTERM);
    let ended = run.end();
    assert_eq!(ended.event()["status"], "cancelled", "{}", ended.told);
}

#[test]
fn a_blocker_is_ended_only_on_demand_and_only_of_the_kind_asked_for() {
    let server = shop();
    server.role("operator", "in role pg_monitor, pg_signal_backend, migrator");
    let alive = |application: &str| {
        let sql = format!("select count(*) from pg_stat_activity where application_name = '{application}'");
        server.sql(&sql)
    };
    let demand =
        ["--terminate-blockers", "--blocker-min-age", "0s", "--lock-timeout", "1s", "--lock-retries", "0"];

    // A superuser's session blocks, too: it stays.
    let super_user = server.session("postgres", "boss", "begin; select * from orders");
    let ended = Run::of(&server, "operator", &demand, ALTER).end();
    assert_eq!(ended.event()["error_type"], "lock_timeout", "{}", ended.told);
    assert_eq!(alive("boss"), "1");
    super_user.end();

    let blocker = server.session("web", "shop-web", "begin; select * from orders");
    // Not on demand, or not for long enough.
    for flags in [&demand[3..], &["--terminate-blockers", "--lock-timeout", "1s", "--lock-retries", "0"]] {
        let ended = Run::of(&server, "operator", flags, ALTER).end();
        assert_eq!(ended.event()["error_type"], "lock_timeout", "{}", ended.told);
        assert_eq!(alive("shop-web"), "1");
    }
    // Without the privilege it is told, and nothing else is different.
    let ended = Run::of(&server, "migrator", &demand, ALTER).end();
    assert!(ended.told.contains("cannot terminate a blocker"), "{}", ended.told);
    assert_eq!(alive("shop-web"), "1");

    let ended = Run::of(&server, "operator", &demand, ALTER).end();
    assert!(ended.status.success(), "{}", ended.told);
    let act = ended.event()["terminated"][0].as_str().unwrap().to_owned();
    assert!(act.contains("user web, app \"shop-web\", idle in transaction for"), "{act}");
    assert!(ended.told.contains(&act), "{}", ended.told);
    assert_eq!(alive("shop-web"), "0");
    drop(blocker);
}

#[test]
fn two_deployments_never_migrate_at_once() {
    let server = shop();
    let script = "echo started >&2; read -r line";
    let mut first = Run::unwatched(&["--advisory-lock"], &["sh", "-c", script]);
    first.command.env("DATABASE_URL", server.url("migrator")).stdin(Stdio::piped());
    let mut first = first.start();
    first.until("started");
    let second = Run::of(&server, "migrator", &["--advisory-lock"], "create table twice ()").end();
    assert_eq!(second.status.code(), Some(75), "{}", second.told);
    assert!(second.told.contains("another dm-migrate changes this database: pid "), "{}", second.told);
    assert_eq!(server.sql("select to_regclass('twice')"), "");
    // The server frees what a killed one held.
    first.send(Signal::SIGKILL);
    drop(first.child.stdin.take());
    drop(first.child.wait());
    let third = eventually("the lock", || {
        let third = Run::of(&server, "migrator", &["--advisory-lock"], "create table twice ()").end();
        if third.status.code() == Some(75) { Err(third.told) } else { Ok(third) }
    });
    assert!(third.status.success(), "{}", third.told);
}

#[test]
fn a_tool_that_takes_its_time_to_end_is_tried_again_too() {
    let server = shop();
    server.sql(
        "create table alembic_version (version_num text); alter table alembic_version owner to migrator",
    );
    let script = r#""$PSQL" "$DATABASE_URL" -Xq -v ON_ERROR_STOP=1 -c "$0" ||
        { PGAPPNAME=other "$PSQL" "$DATABASE_URL" -Xqc 'select pg_sleep(1.5)'; exit 1; }"#;
    let _blocker = server.session("web", "shop-web", "begin; select * from orders");
    let flags = ["--lock-timeout", "800ms", "--lock-retries", "1"];
    let mut run = Run::unwatched(&flags, &["sh", "-c", script, ALTER]);
    run.command.env("DATABASE_URL", server.url("migrator"));
    let mut run = run.start();
    run.until("it is run again in 800ms; attempts left: 1");
    let ended = run.end();
    assert!(ended.told.contains("the attempts are used up"), "{}", ended.told);
    assert_eq!(ended.event()["error_type"], "lock_timeout");
}

#[test]
fn what_failed_by_something_else_is_not_tried_again() {
    let server = shop();
    server.sql(
        "create table alembic_version (version_num text); alter table alembic_version owner to migrator",
    );
    let ended = Run::of(&server, "migrator", &[], "syntax error").end();
    assert_eq!(ended.status.code(), Some(1), "{}", ended.told);
    assert!(!ended.told.contains("again"), "{}", ended.told);
    assert_eq!(ended.event()["error_type"], "migration_failed");
}

/// Version tables as the tools make them, one migration applied; what applies the second; and what is read then.
const TOOLS: &[(&str, &str, &str, &str, Value)] = &[
    (
        "sqlx",
        "create table _sqlx_migrations (version bigint primary key, description text, installed_on timestamptz, \
         success boolean not null, checksum bytea, execution_time bigint); \
         insert into _sqlx_migrations values (9, '', now(), true, '', 1)",
        "insert into _sqlx_migrations values (10, '', now(), true, '', 1)",
        "9 10",
        Value::Bool(false),
    ),
    (
        "golang-migrate",
        "create table schema_migrations (version bigint primary key, dirty boolean not null); \
         insert into schema_migrations values (9, false)",
        "update schema_migrations set version = 10, dirty = true",
        "9 10",
        Value::Bool(true),
    ),
    (
        "dbmate",
        "create table schema_migrations (version varchar primary key); insert into schema_migrations values ('9')",
        "insert into schema_migrations values ('10')",
        "9 10",
        Value::Null,
    ),
    (
        "rails",
        "create table schema_migrations (version varchar primary key); insert into schema_migrations values ('9'); \
         create table ar_internal_metadata (key varchar primary key, value varchar)",
        "insert into schema_migrations values ('10')",
        "9 10",
        Value::Null,
    ),
    (
        "flyway",
        "create table flyway_schema_history (installed_rank int primary key, version varchar(50), \
         description varchar(200), type varchar(20), script varchar(1000), checksum int, installed_by varchar(100), \
         installed_on timestamp default now(), execution_time int, success boolean); \
         insert into flyway_schema_history values (1, '1.1', '', 'SQL', '', 0, '', now(), 1, true)",
        "insert into flyway_schema_history values (2, '1.2', '', 'SQL', '', 0, '', now(), 1, true), \
         (3, null, '', 'SQL', '', 0, '', now(), 1, true)",
        "1.1 1.2",
        Value::Bool(false),
    ),
    (
        "liquibase",
        "create table databasechangelog (id varchar(255), author varchar(255), filename varchar(255), \
         dateexecuted timestamp, orderexecuted int, exectype varchar(10), md5sum varchar(35)); \
         insert into databasechangelog values ('one', '', '', now(), 1, 'EXECUTED', ''); \
         create table databasechangeloglock (id int primary key, locked boolean, lockgranted timestamp, \
         lockedby varchar(255)); insert into databasechangeloglock values (1, false)",
        "insert into databasechangelog values ('two', '', '', now(), 2, 'EXECUTED', ''); \
         update databasechangeloglock set locked = true",
        "one two",
        Value::Bool(true),
    ),
    (
        "alembic",
        "create table alembic_version (version_num varchar(32) primary key); insert into alembic_version values ('ae1')",
        "update alembic_version set version_num = 'f03'",
        "ae1 f03",
        Value::Null,
    ),
    (
        "django",
        "create table django_migrations (id bigint primary key, app varchar(255), name varchar(255), \
         applied timestamptz); insert into django_migrations values (1, 'shop', '0001_initial', now())",
        "insert into django_migrations values (2, 'auth', '0001_initial', now())",
        "shop.0001_initial auth.0001_initial",
        Value::Null,
    ),
    (
        "prisma",
        "create table _prisma_migrations (id varchar(36) primary key, checksum varchar(64), finished_at timestamptz, \
         migration_name varchar(255), logs text, rolled_back_at timestamptz, started_at timestamptz default now(), \
         applied_steps_count int default 0); \
         insert into _prisma_migrations values ('a', '', now(), '1_init', null, null, now(), 1)",
        "insert into _prisma_migrations values ('b', '', null, '2_half', 'error', null, now(), 0)",
        "1_init 1_init",
        Value::Bool(true),
    ),
    (
        "refinery",
        "create table refinery_schema_history (version int4 primary key, name varchar(255), applied_on varchar(255), \
         checksum varchar(255)); insert into refinery_schema_history values (9, '', '', '')",
        "insert into refinery_schema_history values (10, '', '', '')",
        "9 10",
        Value::Null,
    ),
    (
        "diesel",
        "create table __diesel_schema_migrations (version varchar(50) primary key, run_on timestamp default now()); \
         insert into __diesel_schema_migrations values ('00000000000009')",
        "insert into __diesel_schema_migrations values ('00000000000010')",
        "00000000000009 00000000000010",
        Value::Null,
    ),
    (
        "atlas",
        "create schema atlas_schema_revisions; create table atlas_schema_revisions.atlas_schema_revisions (version \
         varchar primary key, description varchar, type bigint, applied bigint, total bigint, executed_at timestamptz, \
         execution_time bigint, error text, error_stmt text, hash varchar, partial_hashes jsonb, \
         operator_version varchar); insert into atlas_schema_revisions.atlas_schema_revisions values \
         ('1', '', 2, 3, 3, now(), 1, '', '', '', null, '')",
        "insert into atlas_schema_revisions.atlas_schema_revisions values \
         ('2', '', 2, 1, 3, now(), 1, 'syntax', '', '', null, '')",
        "1 2",
        Value::Bool(true),
    ),
];

#[test]
fn the_version_is_read_from_every_tool_s_own_table() {
    let server = shop();
    server.role("root", "superuser");
    for (tool, tables, second, versions, dirty) in TOOLS {
        server.sql(tables);
        let ended = Run::of(&server, "root", &[], second).end();
        assert!(ended.status.success(), "{tool}: {}", ended.told);
        let event = ended.event();
        let found = format!("{} {}", event["before"].as_str().unwrap(), event["after"].as_str().unwrap());
        assert_eq!((found.as_str(), &event["dirty"]), (*versions, dirty), "{tool}");
        let (_, after) = versions.split_once(' ').unwrap();
        let told = match dirty {
            Value::Bool(true) => format!("the schema is marked as half migrated ({tool}), at {after}"),
            _ => format!("to {after} ({tool})"),
        };
        assert!(ended.told.contains(&told), "{tool}: {}", ended.told);
        server.sql("drop schema if exists atlas_schema_revisions cascade; drop schema public cascade; create schema public");
    }
}

#[test]
fn an_expectation_is_met_or_the_end_is_not_good() {
    let server = shop();
    server.sql(
        "create table alembic_version (version_num text); alter table alembic_version owner to migrator",
    );
    let up = "insert into alembic_version values ('ae1')";
    let ended = Run::of(&server, "migrator", &["--expect-version", "ae1", "--expect-change"], up).end();
    assert!(ended.status.success(), "{}", ended.told);

    // Nothing to do is a success, and says so.
    let ended = Run::of(&server, "migrator", &[], "select 1").end();
    assert!(ended.status.success(), "{}", ended.told);
    assert!(ended.told.contains("nothing to do: the schema stays at ae1 (alembic)"), "{}", ended.told);

    let ended = Run::of(&server, "migrator", &["--expect-change"], "select 1").end();
    assert_eq!(ended.status.code(), Some(1), "{}", ended.told);
    assert!(ended.told.contains("expected a change of the schema, and it is still at ae1"), "{}", ended.told);
    assert_eq!(ended.event()["error_type"], "migration_failed");

    let ended = Run::of(&server, "migrator", &["--expect-version", "f03"], "select 1").end();
    assert_eq!(ended.status.code(), Some(1), "{}", ended.told);
    assert!(ended.told.contains("expected the schema at f03, and it is at ae1"), "{}", ended.told);

    // The command's own failure comes first.
    let ended = Run::of(&server, "migrator", &["--expect-version", "f03"], "syntax error").end();
    assert!(!ended.told.contains("expected the schema"), "{}", ended.told);
    assert!(ended.told.contains("dm-migrate: the schema stays at ae1"), "{}", ended.told);
}
