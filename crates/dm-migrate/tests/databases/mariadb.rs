//! Real MariaDB servers: with `performance_schema`, which reports who holds a lock, and without it, the default.

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
    let mut run = Run::new(flags, &["sh", "-c", script, PASSWORD, &port, account, statement]);
    run.command.env("DATABASE_URL", server.url(account)).env("CLIENT", client_program());
    run
}

/// Waits until no migration waits for a lock.
fn wait_until_no_migration_waits(server: &Mariadb) {
    let sql = "select count(*) from information_schema.processlist where user <> 'web' and state like 'Waiting for%lock'";
    eventually("no migration waits", || match server.sql(sql).as_str() {
        "0" => Ok(()),
        other => Err(other.to_owned()),
    });
}

#[test]
fn blockers_and_waiting_sessions_are_reported() {
    let server =
        shop(&["--performance-schema", "--performance-schema-instrument=wait/lock/metadata/sql/mdl=ON"]);
    let blocker = server.session("web", "begin; select * from orders where id = 4711");
    let mut running = run(&server, "migrator", &[], MARIADB_ALTER).start();
    let line = running.wait_for("waiting");
    assert!(line.contains("EXCLUSIVE lock on shop.orders") && line.contains("default ?"), "{line}");
    let line = running.wait_for("blocked by");
    for part in
        ["  blocked by pid ", "user web at 127.0.0.1:", "idle in transaction for", "holds SHARED_READ"]
    {
        assert!(line.contains(part), "{part}: {line}");
    }
    let _victim = server.background("web", "select * from orders");
    running.wait_for("1 session waits behind it");
    running.wait_for("if it is safe to end that session: kill ");
    blocker.end();
    let finished = running.end();
    assert!(finished.status.success(), "{}", finished.stderr);
    let event = finished.event();
    assert!(event["lock_wait_s"].as_f64().unwrap() > 0.5, "{event}");
    assert_eq!(event["blocked_max"], 1);
    for text in [&finished.stderr, &finished.journal(), &finished.metrics()] {
        assert!(!text.contains(PASSWORD) && !text.contains("4711") && !text.contains("secret"), "{text}");
    }
}

#[test]
fn unreported_details_are_shown_as_possible_or_unknown() {
    let server = shop(&[]);
    let _blocker = server.session("web", "begin; select * from orders");
    let limit = ["--lock-timeout", "1500ms", "--lock-retries", "0"];
    let finished = run(&server, "migrator", &limit, MARIADB_ALTER).end();
    assert!(finished.stderr.contains("table metadata lock"), "{}", finished.stderr);
    assert!(finished.stderr.contains("  possibly blocked by pid "), "{}", finished.stderr);
    assert!(!finished.stderr.contains("if it is safe"), "{}", finished.stderr);
    // The monitor enforces the limit, because MariaDB sessions cannot get one from the environment.
    assert!(
        finished.stderr.contains("cancelled the statement of the migration's session"),
        "{}",
        finished.stderr
    );
    assert!(finished.stderr.contains("gave up after waiting"), "{}", finished.stderr);
    assert_eq!(finished.event()["error_type"], "lock_timeout");
    assert_eq!(finished.event()["blocked_max"], 0);
    wait_until_no_migration_waits(&server);

    server.sql("insert into orders values (1)");
    let _row = server.session("migrator", "begin; update orders set id = 2");
    let finished = run(&server, "migrator", &limit, "update orders set id = 3").end();
    assert!(finished.stderr.contains("a row lock (pid "), "{}", finished.stderr);
    assert!(
        finished.stderr.contains("  blocked by pid ") && finished.stderr.contains("holds a row"),
        "{}",
        finished.stderr
    );
    assert_eq!(finished.event()["error_type"], "lock_timeout");

    let finished = run(&server, "blind", &limit, MARIADB_ALTER).end();
    assert!(finished.stderr.contains("unknown to blind@127.0.0.1: grant process"), "{}", finished.stderr);
    assert!(finished.stderr.contains("  who holds it is unknown"), "{}", finished.stderr);
    assert!(finished.stderr.contains("  who waits behind it is unknown"), "{}", finished.stderr);
    assert_eq!(finished.event()["blocked_max"], Value::Null);
}

#[test]
fn only_the_sessions_of_the_migration_are_ended() {
    let server = shop(&[]);
    let _blocker = server.session("web", "begin; select * from orders");
    // The same account, machine and lock, but not a session of the migration.
    let _other = server.background("migrator", "alter table orders add other int");
    let waiting = "select count(*) from information_schema.processlist where state like 'Waiting for%lock'";
    eventually("the other session waits", || match server.sql(waiting).as_str() {
        "1" => Ok(()),
        other => Err(other.to_owned()),
    });
    let finished = run(&server, "migrator", &["--timeout", "3s"], MARIADB_ALTER).end();
    assert_eq!(finished.status.code(), Some(124), "{}", finished.stderr);
    assert!(
        finished.stderr.contains("cancelled the statement of the migration's session"),
        "{}",
        finished.stderr
    );
    assert_eq!(finished.event()["status"], "timeout");
    assert_eq!(server.sql(waiting), "1");

    let mut killed = run(&server, "migrator", &[], MARIADB_ALTER).start();
    killed.wait_for("waiting");
    killed.send(Signal::SIGKILL);
    eventually("the server notices the lost client", || match server.sql(waiting).as_str() {
        "1" => Ok(()),
        other => Err(other.to_owned()),
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
        let finished =
            run(&server, "migrator", &["--expect-version", after, "--expect-change"], second).end();
        assert!(finished.status.success(), "{tool}: {}", finished.stderr);
        let event = finished.event();
        assert_eq!((&event["after"], &event["dirty"]), (&after.into(), &dirty), "{tool}: {event}");
        assert!(finished.stderr.contains(&format!("({tool})")), "{}", finished.stderr);
        server.sql("drop database shop; create database shop");
    }
}

#[test]
fn the_advisory_lock_prevents_concurrent_migrations() {
    let server = shop(&[]);
    let mut first = Run::new(&["--advisory-lock"], &["sh", "-c", "echo started >&2; read -r line"]);
    first.command.env("DATABASE_URL", server.url("migrator")).stdin(Stdio::piped());
    let mut first = first.start();
    first.wait_for("started");
    let second = run(&server, "migrator", &["--advisory-lock"], "create table twice (id int)").end();
    assert_eq!(second.status.code(), Some(75), "{}", second.stderr);
    assert!(
        second.stderr.contains("another dm-migrate is changing this database: session "),
        "{}",
        second.stderr
    );
    drop(first.child.stdin.take());
    assert!(!first.end().status.success());
    let third = run(&server, "migrator", &["--advisory-lock"], "create table twice (id int)").end();
    assert!(third.status.success(), "{}", third.stderr);
}

#[test]
fn ssl_mode_decides_which_servers_are_trusted() {
    let certificates = Certificates::new();
    let server = Mariadb::with_tls(&certificates);
    server.account("migrator", &["process on *.*", "all on shop.*"]);
    let ca = certificates.authority().display().to_string();
    let other_certificates = Certificates::new();
    let other = other_certificates.authority().display().to_string();
    let run = |host: &str, query: &str| {
        let mut run = Run::new(&["--require-monitor"], &["true"]);
        let url = server.url("migrator").replace("127.0.0.1", host);
        run.command.env("DATABASE_URL", format!("{url}?{query}"));
        run.end()
    };
    for query in [
        "ssl-mode=REQUIRED".to_owned(),
        format!("ssl-mode=VERIFY_CA&ssl-ca={ca}"),
        format!("ssl-mode=VERIFY_IDENTITY&ssl-ca={ca}"),
    ] {
        let finished = run("127.0.0.1", &query);
        assert!(finished.status.success(), "{query}: {}", finished.stderr);
    }
    // Another authority, the authorities of the machine, another host.
    for (host, query) in [
        ("127.0.0.1", format!("ssl-mode=VERIFY_CA&ssl-ca={other}")),
        ("127.0.0.1", "ssl-mode=VERIFY_IDENTITY".to_owned()),
        ("127.0.0.2", format!("ssl-mode=VERIFY_IDENTITY&ssl-ca={ca}")),
        // Stricter than MariaDB's own client, because the driver always verifies the host.
        ("127.0.0.2", format!("ssl-mode=VERIFY_CA&ssl-ca={ca}")),
    ] {
        let finished = run(host, &query);
        assert_eq!(finished.status.code(), Some(125), "{query}: {}", finished.stderr);
        assert!(finished.stderr.contains("invalid peer certificate"), "{query}: {}", finished.stderr);
        assert!(!finished.stderr.contains(PASSWORD), "{}", finished.stderr);
    }
    let finished = run("127.0.0.1", "ssl-mode=VERIFY_CA&ssl-ca=/no/such/file");
    assert!(finished.stderr.contains("cannot read the certificates in /no/such/file"), "{}", finished.stderr);
    server.sql("alter user migrator@'127.0.0.1' require ssl");
    let finished = run("127.0.0.1", "ssl-mode=DISABLED");
    assert!(finished.stderr.contains("Access denied"), "{}", finished.stderr);
    assert!(run("127.0.0.1", "").status.success());
}
