//! What a migration leaves behind, and what dm-migrate says about it.

use super::*;

const VERSIONS: &str = "create table alembic_version (version_num text); alter table alembic_version owner to migrator; \
    insert into alembic_version values ('a0')";

/// Asserts that the run failed with `code`, and that this problem and its repair were reported.
fn assert_reported(finished: &Finished, code: i32, problem: &str, repair: &str) {
    assert_eq!(finished.status.code(), Some(code), "{}", finished.stderr);
    let line = format!("the migration left behind: {problem}");
    let line = finished.stderr.lines().find(|other| other.contains(&line));
    assert!(line.is_some_and(|line| line.ends_with(repair)), "{problem}, {repair}: {}", finished.stderr);
    assert_eq!(finished.event()["error_type"], "migration_failed");
}

#[test]
fn an_invalid_index_fails_the_migration() {
    let server = shop();
    server.sql("insert into orders values (1), (1)");
    let index = "create unique index concurrently orders_id on orders (id)";
    // The tool swallows the error.
    let script = r#""$PSQL" "$DATABASE_URL" -Xqc "$0"; exit "$CODE""#;
    let run = |flags: &[&str], sql: &str, code: &str| {
        let mut run = Run::new(flags, &["sh", "-c", script, sql]);
        run.command.env("DATABASE_URL", server.url("migrator")).env("CODE", code);
        run.end()
    };
    let finished = run(&[], index, "0");
    let repair = "reindex index concurrently orders_id;";
    assert_reported(&finished, 1, "the index orders_id of orders is invalid", repair);

    // It was there before: the next run warns, and does not fail for it.
    let finished = run(&[], "select 1", "0");
    assert!(finished.status.success(), "{}", finished.stderr);
    assert!(finished.stderr.contains("the index orders_id of orders is invalid"), "{}", finished.stderr);
    server.sql("drop index orders_id");

    // The command's own code counts.
    assert_reported(&run(&[], index, "7"), 7, "the index orders_id of orders is invalid", repair);
    server.sql("drop index orders_id");

    // A failed reindex leaves the new index.
    server.sql("create index orders_id on orders ((1 / (id - 2)))");
    let broken = "set allow_system_table_mods = on; set session_replication_role = replica";
    server.sql(broken);
    let reindex = "set statement_timeout = '400ms'; reindex index concurrently orders_id";
    let writer = server.session("web", "shop-web", "begin; insert into orders values (5)");
    let finished = {
        let mut run = Run::script(&server.url("migrator"), &[], reindex);
        run.command.env("ON_ERROR", "stop");
        run.end()
    };
    writer.end();
    assert_reported(
        &finished,
        3,
        "the index orders_id_ccnew of orders",
        "drop index concurrently orders_id_ccnew;",
    );
}

#[test]
fn a_constraint_that_is_not_validated_fails_the_migration() {
    let server = shop();
    let check = |name: &str| format!("alter table orders add constraint {name} check (id > 0) not valid");
    let finished = Run::psql(&server, "migrator", &[], &check("positive")).end();
    let repair = "alter table orders validate constraint positive;";
    assert_reported(&finished, 1, "the constraint positive of orders is not validated", repair);
    let finished = Run::psql(&server, "migrator", &["--allow-unvalidated"], &check("intended")).end();
    assert!(finished.status.success(), "{}", finished.stderr);
    assert!(
        finished.stderr.contains("the constraint intended of orders is not validated"),
        "{}",
        finished.stderr
    );
}

#[test]
fn nothing_to_do_is_said_only_if_nothing_was_done() {
    let server = shop();
    server.sql(VERSIONS);
    let said = |sql: &str| Run::psql(&server, "migrator", &[], sql).end().stderr;
    let stays = said("select 1");
    assert!(stays.contains("nothing to do: the schema stays at a0 (alembic)"), "{stays}");
    for sql in [
        "alter table orders add note text",
        "create view v as select 1",
        "create function f() returns int language sql as 'select 1'",
        "create type mood as enum ('sad')",
        "alter type mood add value 'happy'",
        "grant select on orders to web",
        "truncate orders",
        "drop view v",
    ] {
        let changed = said(sql);
        assert!(
            changed.contains("the version stays at a0 (alembic), but the schema has changed"),
            "{sql}: {changed}"
        );
    }
    // A table that only its session can see is no part of the schema, and statistics change nothing.
    for sql in ["create temp table t (id serial primary key, note text)", "analyze orders", "vacuum orders"] {
        let stays = said(sql);
        assert!(stays.contains("nothing to do: the schema stays at a0 (alembic)"), "{sql}: {stays}");
    }
}

#[test]
fn a_late_migration_and_one_of_several_heads_meet_the_expectation() {
    let server = shop();
    server.sql("create table schema_migrations (version varchar primary key); alter table schema_migrations owner to migrator; \
         insert into schema_migrations values ('1'), ('3')");
    let finished = Run::psql(
        &server,
        "migrator",
        &["--expect-version", "2"],
        "insert into schema_migrations values ('2')",
    )
    .end();
    assert!(finished.status.success(), "{}", finished.stderr);
    let message = "an older migration was applied; the newest is still 3 (dbmate)";
    assert!(finished.stderr.contains(message), "{}", finished.stderr);
    let finished = Run::psql(&server, "migrator", &["--expect-version", "1"], "select 1").end();
    assert_eq!(finished.status.code(), Some(1), "{}", finished.stderr);

    server.sql(&format!("drop table schema_migrations; {VERSIONS}"));
    let heads = "insert into alembic_version values ('b2')";
    let finished = Run::psql(&server, "migrator", &["--expect-version", "b2"], heads).end();
    assert!(finished.status.success(), "{}", finished.stderr);
}

#[test]
fn a_session_that_is_found_late_withdraws_the_warning() {
    let server = shop();
    // The tool connects only after dm-migrate has said that it has no session.
    let script = r#"read -r go; exec "$PSQL" "$DATABASE_URL" -Xqc "select pg_sleep(3)""#;
    let mut run = Run::new(&[], &["sh", "-c", script]);
    run.command.env("DATABASE_URL", server.url("migrator")).stdin(Stdio::piped());
    let mut run = run.start();
    let line = run.wait_for("no database session of the command has been found so far");
    assert!(!line.contains("PGAPPNAME"), "{line}");
    drop(run.child.stdin.take());
    run.wait_for("a database session of the command was found");
    run.end();
}
