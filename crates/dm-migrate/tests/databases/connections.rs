//! The connections of the monitor are in nobody's way.

use super::*;

/// A run of these statements by the superuser, monitored in the database `shop`, and executed in another one.
fn elsewhere(server: &Postgres, flags: &[&str], database: &str, sql: &str) -> Finished {
    let script = r#"exec "$PSQL" "$OTHER_URL" -Xq -v ON_ERROR_STOP=1 -c "$0""#;
    let mut run = Run::new(flags, &["sh", "-c", script, sql]);
    run.command.env("DATABASE_URL", server.url_of("postgres", "shop"));
    run.command.env("OTHER_URL", server.url_of("postgres", database));
    run.end()
}

#[test]
fn the_database_can_be_dropped_copied_and_renamed() {
    let server = Postgres::start();
    for flags in [&[][..], &["--advisory-lock"]] {
        for (sql, after) in [
            ("create database clone template shop", &["clone", "shop"][..]),
            ("alter database shop rename to store", &["store"]),
            ("drop database shop", &[]),
        ] {
            server.sql("create database shop");
            let finished = elsewhere(&server, flags, "template1", sql);
            assert!(finished.status.success(), "{sql}: {}", finished.stderr);
            assert!(!finished.stderr.contains("interrupted"), "{sql}: {}", finished.stderr);
            let databases = "select datname from pg_database where oid >= 16384 order by 1";
            assert_eq!(server.sql(databases).lines().collect::<Vec<_>>(), after, "{sql}");
            for database in after {
                server.sql(&format!("drop database {database}"));
            }
        }
    }
}

#[test]
fn a_role_that_reaches_no_other_database_is_not_in_the_way_either() {
    let server = Postgres::start();
    server.sql("create database shop");
    server.role("owner", "createdb");
    server.sql("alter database shop owner to owner; revoke connect on database postgres from public");
    let script = r#"exec "$PSQL" "$OTHER_URL" -Xq -v ON_ERROR_STOP=1 -c "$0""#;
    let mut run = Run::new(&["--require-monitor"], &["sh", "-c", script, "drop database shop"]);
    run.command.env("DATABASE_URL", server.url_of("owner", "shop"));
    run.command.env("OTHER_URL", server.url_of("owner", "template1"));
    let finished = run.end();
    assert!(finished.status.success(), "{}", finished.stderr);
    assert!(!finished.stderr.contains("interrupted"), "{}", finished.stderr);
}

#[test]
fn the_monitor_leaves_the_last_connections_to_the_migration() {
    let server = shop();
    server.role("lim", "connection limit 1");
    let finished = Run::psql(&server, "lim", &[], "select 1").end();
    assert!(finished.status.success(), "{}", finished.stderr);
    assert!(
        finished
            .stderr
            .contains("not monitored: cannot connect to the database: only 0 more connections can be"),
        "{}",
        finished.stderr
    );
    let finished = Run::psql(&server, "lim", &["--require-monitor"], "select 1").end();
    assert_eq!(finished.status.code(), Some(125), "{}", finished.stderr);

    server.sql("alter role migrator connection limit 4");
    let finished = Run::psql(&server, "migrator", &["--require-monitor"], "select 1").end();
    assert!(finished.status.success(), "{}", finished.stderr);
}

#[test]
fn names_of_another_database_are_known_to_the_monitor() {
    let server = Postgres::start();
    server.sql("create database shop");
    server.role("migrator", "superuser");
    let url = server.url_of("migrator", "shop");
    let finished = Run::script(
        &url,
        &[],
        "create table orders (id int); create table alembic_version (version_num text)",
    )
    .end();
    assert!(finished.status.success(), "{}", finished.stderr);
    assert!(finished.stderr.contains("the schema went from nothing to nothing"), "{}", finished.stderr);
    let blocker = server.session_in("shop", "postgres", "shop-web", "begin; select * from orders");
    let mut run = Run::script(&url, &["--lock-timeout", "0s"], ALTER).start();
    let line = run.wait_for("waiting");
    assert!(line.contains("AccessExclusiveLock on orders (pid "), "{line}");
    let line = run.wait_for("blocked by");
    assert!(line.contains("holds AccessShareLock on orders"), "{line}");
    blocker.end();
    let finished = run.end();
    assert!(finished.status.success(), "{}", finished.stderr);
}

#[test]
fn the_first_deployment_can_expect_a_version() {
    let server = Postgres::start();
    server.role("migrator", "createdb");
    let script =
        r#""$PSQL" "$OTHER_URL" -Xqc "create database shop" && exec "$PSQL" "$DATABASE_URL" -Xqc "$0""#;
    let first = "create table alembic_version (version_num text); insert into alembic_version values ('a1')";
    let mut run = Run::new(&["--expect-version", "a1", "--expect-change"], &["sh", "-c", script, first]);
    run.command.env("DATABASE_URL", server.url_of("migrator", "shop"));
    run.command.env("OTHER_URL", server.url_of("migrator", "template1"));
    let finished = run.end();
    assert!(finished.status.success(), "{}", finished.stderr);
    assert_eq!(finished.event()["after"], "a1");
}
