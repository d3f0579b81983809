//! Before a real MariaDB: with `performance_schema`, which tells who has a lock, and without, as it is by default.

use testkit::mariadb::{Mariadb, client_program};
use testkit::tls::Certificates;

use super::*;

const MARIADB_ALTER: &str = "alter table orders add note varchar(40) default 'a secret value'";

/// A server with a table, the account `migrator` that may change it, and `web` that may read it.
fn shop(flags: &[&str]) -> Mariadb {
    let server = Mariadb::with(flags);
    server.account("migrator", &["all on shop.*", "process on *.*", "select on performance_schema.*"]);
    server.account("blind", &["all on shop.*"]);
    server.account("web", &["select on shop.*"]);
    server.sql("create table orders (id int)");
    server
}

/// A run of dm-migrate with the client and this statement, as `account`.
fn run(server: &Mariadb, account: &str, flags: &[&str], statement: &str) -> Run {
    let script = r#"MYSQL_PWD=$0 exec "$CLIENT" --no-defaults -h 127.0.0.1 -P "$1" -u "$2" shop -e "$3""#;
    let port = server.port().to_string();
    let mut run = Run::unwatched(flags, &["sh", "-c", script, PASSWORD, &port, account, statement]);
    run.command.env("DATABASE_URL", server.url(account)).env("CLIENT", client_program());
    run
}

/// Waits until nobody who migrates waits for a lock.
fn nobody_waits(server: &Mariadb) {
    let sql = "select count(*) from information_schema.processlist where user <> 'web' and state like 'Waiting for%lock'";
    eventually("nobody waits", || match server.sql(sql).as_str() {
        "0" => Ok(()),
        found => Err(found.to_owned()),
    });
}

#[test]
fn a_person_learns_who_blocks_the_migration_and_whom_it_blocks() {
    let server =
        shop(&["--performance-schema", "--performance-schema-instrument=wait/lock/metadata/sql/mdl=ON"]);
    let blocker = server.session("web", "begin; select * from orders where id = 4711");
    let mut running = run(&server, "migrator", &[], MARIADB_ALTER).start();
    let line = running.until("waiting");
    assert!(line.contains("EXCLUSIVE lock on shop.orders") && line.contains("default ?"), "{line}");
    let line = running.until("blocked by");
    for part in
        ["  blocked by pid ", "user web at 127.0.0.1:", "idle in transaction for", "holds SHARED_READ"]
    {
        assert!(line.contains(part), "{part}: {line}");
    }
    let _victim = server.background("web", "select * from orders");
    running.until("1 session waits behind it");
    running.until("if that may be: kill ");
    blocker.end();
    let ended = running.end();
    assert!(ended.status.success(), "{}", ended.told);
    let event = ended.event();
    assert!(event["lock_wait_s"].as_f64().unwrap() > 0.5, "{event}");
    assert_eq!(event["blocked_max"], 1);
    for text in [&ended.told, &ended.journal(), &ended.metrics()] {
        assert!(!text.contains(PASSWORD) && !text.contains("4711") && !text.contains("secret"), "{text}");
    }
}

#[test]
fn what_the_server_does_not_tell_is_perhaps_or_unknown() {
    let server = shop(&[]);
    let _blocker = server.session("web", "begin; select * from orders");
    let limit = ["--lock-timeout", "1500ms", "--lock-retries", "0"];
    let ended = run(&server, "migrator", &limit, MARIADB_ALTER).end();
    assert!(ended.told.contains("table metadata lock"), "{}", ended.told);
    assert!(ended.told.contains("  perhaps blocked by pid "), "{}", ended.told);
    assert!(!ended.told.contains("if that may be"), "{}", ended.told);
    // The limit is the monitor's to keep, for the session cannot be told it.
    assert!(ended.told.contains("cancelled the statement of the migration's session"), "{}", ended.told);
    assert!(ended.told.contains("gave up after waiting 1.5s for a lock"), "{}", ended.told);
    assert_eq!(ended.event()["error_type"], "lock_timeout");
    assert_eq!(ended.event()["blocked_max"], 0);
    nobody_waits(&server);

    server.sql("insert into orders values (1)");
    let _row = server.session("migrator", "begin; update orders set id = 2");
    let ended = run(&server, "migrator", &limit, "update orders set id = 3").end();
    assert!(ended.told.contains("a row lock (pid "), "{}", ended.told);
    assert!(ended.told.contains("  blocked by pid ") && ended.told.contains("holds a row"), "{}", ended.told);
    assert_eq!(ended.event()["error_type"], "lock_timeout");

    let ended = run(&server, "blind", &limit, MARIADB_ALTER).end();
    assert!(ended.told.contains("unknown to blind@127.0.0.1: grant process"), "{}", ended.told);
    assert!(ended.told.contains("  who holds it is unknown"), "{}", ended.told);
    assert!(ended.told.contains("  who waits behind it is unknown"), "{}", ended.told);
    assert_eq!(ended.event()["blocked_max"], Value::Null);
}

#[test]
fn nothing_of_the_migration_is_left_and_nobody_else_is_touched() {
    let server = shop(&[]);
    let _blocker = server.session("web", "begin; select * from orders");
    // Of the same account, on the same machine, for the same lock; and none of the migration's.
    let _other = server.background("migrator", "alter table orders add other int");
    let waiting = "select count(*) from information_schema.processlist where state like 'Waiting for%lock'";
    eventually("the other one", || match server.sql(waiting).as_str() {
        "1" => Ok(()),
        found => Err(found.to_owned()),
    });
    let ended = run(&server, "migrator", &["--timeout", "3s"], MARIADB_ALTER).end();
    assert_eq!(ended.status.code(), Some(124), "{}", ended.told);
    assert!(ended.told.contains("cancelled the statement of the migration's session"), "{}", ended.told);
    assert_eq!(ended.event()["status"], "timeout");
    assert_eq!(server.sql(waiting), "1");

    let mut killed = run(&server, "migrator", &[], MARIADB_ALTER).start();
    killed.until("waiting");
    killed.send(Signal::SIGKILL);
    eventually("the server's notice", || match server.sql(waiting).as_str() {
        "1" => Ok(()),
        found => Err(found.to_owned()),
    });
}

#[test]
fn the_version_is_read_before_and_after() {
    let server = shop(&[]);
    for (tool, tables, second, after, dirty) in [
        (
            "sqlx",
            "create table _sqlx_migrations (version bigint primary key, success boolean not null); \
             insert into _sqlx_migrations values (9, true)",
            "insert into _sqlx_migrations values (10, false)",
            "10",
            Value::Bool(true),
        ),
        (
            "golang-migrate",
            "create table schema_migrations (version bigint primary key, dirty boolean not null); \
             insert into schema_migrations values (9, false)",
            "update schema_migrations set version = 10",
            "10",
            Value::Bool(false),
        ),
        (
            "dbmate",
            "create table schema_migrations (version varchar(128) primary key); insert into schema_migrations values ('9')",
            "insert into schema_migrations values ('10')",
            "10",
            Value::Null,
        ),
        (
            "liquibase",
            "create table DATABASECHANGELOG (ID varchar(255), ORDEREXECUTED int); \
             insert into DATABASECHANGELOG values ('one', 1); \
             create table DATABASECHANGELOGLOCK (ID int, LOCKED bit(1)); \
             insert into DATABASECHANGELOGLOCK values (1, b'0')",
            "insert into DATABASECHANGELOG values ('two', 2)",
            "two",
            Value::Bool(false),
        ),
        (
            "django",
            "create table django_migrations (id bigint primary key, app varchar(255), name varchar(255), applied datetime(6)); \
             insert into django_migrations values (1, 'shop', '0001_initial', now())",
            "insert into django_migrations values (2, 'auth', '0001_initial', now())",
            "auth.0001_initial",
            Value::Null,
        ),
    ] {
        server.sql(tables);
        let ended = run(&server, "migrator", &["--expect-version", after, "--expect-change"], second).end();
        assert!(ended.status.success(), "{tool}: {}", ended.told);
        let event = ended.event();
        assert_eq!((&event["after"], &event["dirty"]), (&after.into(), &dirty), "{tool}: {event}");
        assert!(ended.told.contains(&format!("({tool})")), "{}", ended.told);
        server.sql("drop database shop; create database shop");
    }
}

#[test]
fn two_deployments_never_migrate_at_once() {
    let server = shop(&[]);
    let mut first = Run::unwatched(&["--advisory-lock"], &["sh", "-c", "echo started >&2; read -r line"]);
    first.command.env("DATABASE_URL", server.url("migrator")).stdin(Stdio::piped());
    let mut first = first.start();
    first.until("started");
    let second = run(&server, "migrator", &["--advisory-lock"], "create table twice (id int)").end();
    assert_eq!(second.status.code(), Some(75), "{}", second.told);
    assert!(second.told.contains("another dm-migrate changes this database: session "), "{}", second.told);
    drop(first.child.stdin.take());
    assert!(!first.end().status.success());
    let third = run(&server, "migrator", &["--advisory-lock"], "create table twice (id int)").end();
    assert!(third.status.success(), "{}", third.told);
}

#[test]
fn a_server_is_trusted_as_far_as_ssl_mode_says() {
    let certificates = Certificates::new();
    let server = Mariadb::with_tls(&certificates);
    server.account("migrator", &["process on *.*", "all on shop.*"]);
    let ca = certificates.authority().display().to_string();
    let stranger = Certificates::new();
    let other = stranger.authority().display().to_string();
    let run = |host: &str, query: &str| {
        let mut run = Run::unwatched(&["--require-monitor"], &["true"]);
        let url = server.url("migrator").replace("127.0.0.1", host);
        run.command.env("DATABASE_URL", format!("{url}?{query}"));
        run.end()
    };
    for query in [
        "ssl-mode=REQUIRED".to_owned(),
        format!("ssl-mode=VERIFY_CA&ssl-ca={ca}"),
        format!("ssl-mode=VERIFY_IDENTITY&ssl-ca={ca}"),
    ] {
        let ended = run("127.0.0.1", &query);
        assert!(ended.status.success(), "{query}: {}", ended.told);
    }
    // Another authority, the machine's own, another host.
    for (host, query) in [
        ("127.0.0.1", format!("ssl-mode=VERIFY_CA&ssl-ca={other}")),
        ("127.0.0.1", "ssl-mode=VERIFY_IDENTITY".to_owned()),
        ("127.0.0.2", format!("ssl-mode=VERIFY_IDENTITY&ssl-ca={ca}")),
        // Stricter than the server's own client: the driver cannot leave the host out.
        ("127.0.0.2", format!("ssl-mode=VERIFY_CA&ssl-ca={ca}")),
    ] {
        let ended = run(host, &query);
        assert_eq!(ended.status.code(), Some(125), "{query}: {}", ended.told);
        assert!(ended.told.contains("invalid peer certificate"), "{query}: {}", ended.told);
        assert!(!ended.told.contains(PASSWORD), "{}", ended.told);
    }
    let ended = run("127.0.0.1", "ssl-mode=VERIFY_CA&ssl-ca=/no/such/file");
    assert!(ended.told.contains("cannot read the certificates in /no/such/file"), "{}", ended.told);
    server.sql("alter user migrator@'127.0.0.1' require ssl");
    let ended = run("127.0.0.1", "ssl-mode=DISABLED");
    assert!(ended.told.contains("Access denied"), "{}", ended.told);
    assert!(run("127.0.0.1", "").status.success());
}
