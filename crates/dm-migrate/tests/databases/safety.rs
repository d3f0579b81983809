//! With its defaults, dm-migrate ends no wait that the command alone would have survived, and runs nothing again that may
//! have had an effect.

use std::fs::File;

use super::*;

const VERSIONS: &str = "create table alembic_version (version_num text); alter table alembic_version owner to migrator; \
    insert into alembic_version values ('a0')";

/// The reason why a wait is longer than the lock timeout and is not ended.
const NOT_ENDED: &str = "is not ended, because the command could not run again: ";

fn migrating_shop() -> Postgres {
    let server = shop();
    server.sql(VERSIONS);
    server
}

/// Waits until the monitor has said why it does not end the wait, then ends the blocker. The command succeeds.
fn assert_waits(run: Run, reason: &str, blocker: testkit::session::Session) -> Finished {
    let mut run = run.start();
    let line = run.wait_for(NOT_ENDED);
    assert!(line.contains(reason), "{line}");
    blocker.end();
    let finished = run.end();
    assert!(finished.status.success(), "{}", finished.stderr);
    assert!(!finished.stderr.contains("cancelled"), "{}", finished.stderr);
    finished
}

#[test]
fn by_default_a_migration_is_ended_only_if_it_can_run_again() {
    let server = migrating_shop();
    let block = || server.session("web", "shop-web", "begin; select * from orders");

    // It can: in a transaction block, with a version table.
    let blocker = block();
    let up = format!("{ALTER}; update alembic_version set version_num = 'a1'");
    let mut run = Run::in_transaction(&server, "migrator", &[], &up).start();
    run.wait_for("retrying in");
    blocker.end();
    let finished = run.end();
    assert!(finished.status.success(), "{}", finished.stderr);
    assert_eq!(finished.event()["after"], "a1");

    // A statement of its own, after which nothing is known about what came before.
    let alone = Run::script(
        &server.url("migrator"),
        &[],
        "insert into orders values (1); alter table orders add one int",
    );
    assert_waits(alone, "not known to be in a transaction block", block());
    assert_eq!(server.sql("select count(*) from orders"), "1");

    // Another deployment migrates meanwhile.
    let blocker = block();
    let mut run = Run::in_transaction(&server, "migrator", &[], "alter table orders add two int").start();
    run.wait_for("waiting");
    server.sql("update alembic_version set version_num = 'a2'");
    run.wait_for("the version has changed since the command began");
    blocker.end();
    assert!(run.end().status.success());

    // A migration before it is committed, and its tool notes the version only at the end.
    let blocker = block();
    let script =
        format!("create table first (id int); {}", in_transaction("alter table orders add three int"));
    let run = Run::script(&server.url("migrator"), &[], &script);
    assert_waits(run, "the schema has changed since the command began", blocker);

    let blocker = block();
    let run =
        Run::in_transaction(&server, "migrator", &["--lock-retries", "0"], "alter table orders add four int");
    assert_waits(run, "no attempts remain", blocker);

    server.sql("alter table alembic_version rename to custom_versions");
    let run = Run::in_transaction(&server, "migrator", &[], "alter table orders add five int");
    assert_waits(run, "no version table shows", block());
}

#[test]
fn a_migration_on_stdin_is_applied_and_not_lost() {
    let server = migrating_shop();
    let script = r#"exec "$PSQL" "$DATABASE_URL" -Xq -v ON_ERROR_STOP=1"#;
    let run = |stdin: Stdio, flags: &[&str]| {
        let mut run = Run::new(flags, &["sh", "-c", script]);
        run.command.env("DATABASE_URL", server.url("migrator")).stdin(stdin);
        run
    };
    let migration = |column: &str| in_transaction(&format!("alter table orders add {column} int"));
    let has = |column: &str| {
        server.sql(&format!(
            "select count(*) from pg_attribute where attrelid = 'orders'::regclass and attname = '{column}'"
        ))
    };
    let block = || server.session("web", "shop-web", "begin; select * from orders");
    let pipe = |text: &str| {
        let (reader, mut writer) = std::io::pipe().unwrap();
        std::io::Write::write_all(&mut writer, text.as_bytes()).unwrap();
        reader
    };

    // A pipe is read once: the wait is not ended.
    assert_waits(run(pipe(&migration("piped")).into(), &[]), "--stdin replay", block());
    assert_eq!(has("piped"), "1");

    // On request it is kept, and a file is rewound.
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("up.sql");
    common::fs::atomic::write(&file, migration("filed").as_bytes()).unwrap();
    let replayed: (Stdio, &[&str]) = (pipe(&migration("replayed")).into(), &["--stdin", "replay"]);
    for ((stdin, flags), column) in
        [(replayed, "replayed"), ((File::open(&file).unwrap().into(), &[]), "filed")]
    {
        let blocker = block();
        let mut run = run(stdin, flags).start();
        run.wait_for("retrying in");
        blocker.end();
        let finished = run.end();
        assert!(finished.status.success(), "{}", finished.stderr);
        assert_eq!(has(column), "1", "{}", finished.stderr);
    }

    // The user prefers a failure: it is one, not the success of an attempt without input.
    let _blocker = block();
    let finished = run(pipe(&migration("lost")).into(), &["--lock-timeout", "800ms"]).end();
    assert_eq!(finished.status.code(), Some(3), "{}", finished.stderr);
    assert!(finished.stderr.contains("no retry: it may have read its stdin"), "{}", finished.stderr);
    assert_eq!(finished.event()["error_type"], "lock_timeout");
}

#[test]
fn an_explicit_lock_timeout_ends_a_wait_without_a_retry_if_that_is_not_safe() {
    let server = migrating_shop();
    let _blocker = server.session("web", "shop-web", "begin; select * from orders");
    let finished = Run::psql(&server, "migrator", &["--lock-timeout", "800ms"], ALTER).end();
    assert_eq!(finished.status.code(), Some(1), "{}", finished.stderr);
    assert!(
        finished.stderr.contains("cancelled the statement of the migration's session"),
        "{}",
        finished.stderr
    );
    assert!(finished.stderr.contains("no retry: the statement is not known to be in"), "{}", finished.stderr);
    assert_eq!(finished.event()["error_type"], "lock_timeout");
}

#[test]
fn waits_that_block_nobody_are_never_ended() {
    let server = migrating_shop();
    // An old snapshot, on another table.
    server.sql("create table other (id int); grant all on other to web");
    let old = server.session("web", "shop-web", "begin; insert into other values (1)");
    let flags = ["--lock-timeout", "500ms"];
    let index = "create index concurrently if not exists orders_id on orders (id)";
    let writer = server.session("web", "shop-web", "begin; insert into orders values (1)");
    let mut run = Run::psql(&server, "migrator", &flags, index).start();
    run.wait_for("the lock timeout does not end this wait");
    writer.end();
    old.end();
    let finished = run.end();
    assert!(finished.status.success(), "{}", finished.stderr);
    assert_eq!(server.sql("select indisvalid from pg_index where indexrelid = 'orders_id'::regclass"), "t");

    let lock = server.session("web", "shop-web", "select pg_advisory_lock(4242)");
    let mut run = Run::psql(&server, "migrator", &flags, "select pg_advisory_lock(4242)").start();
    run.wait_for("the lock timeout does not end this wait");
    lock.end();
    let finished = run.end();
    assert!(finished.status.success(), "{}", finished.stderr);
    assert!(finished.stderr.contains("waits for another migration"), "{}", finished.stderr);
    assert!(!finished.stderr.contains("pg_terminate_backend"), "{}", finished.stderr);
}

#[test]
fn two_migrations_at_once_wait_for_each_other() {
    let server = migrating_shop();
    // A tool that takes no lock of its own: its second session waits for the first one's version table, or its table.
    // It holds the table until the second one has waited for it long enough.
    let until_blocked = "do $$ begin for i in 1..1200 loop exit when exists (select from pg_locks \
        where relation = 'orders'::regclass and not granted); perform pg_sleep(0.05); end loop; end $$";
    let hold = in_transaction(&format!("lock table orders; {until_blocked}; select pg_sleep(2)"));
    let mut first = Run::script(&server.url("migrator"), &[], &hold).start();
    eventually("a lock", || {
        let sql = "select count(*) from pg_locks where relation = 'orders'::regclass and granted";
        Some(server.sql(sql)).filter(|count| count == "1").ok_or_else(String::new)
    });
    let second =
        Run::in_transaction(&server, "migrator", &["--lock-timeout", "500ms"], "lock table orders").end();
    assert!(second.status.success(), "{}", second.stderr);
    assert!(second.stderr.contains("it waits for another migration"), "{}", second.stderr);
    assert!(!second.stderr.contains("pg_terminate_backend"), "{}", second.stderr);
    first.wait_for("the schema stays at");
    assert!(first.end().status.success());

    // The other tool runs without dm-migrate.
    let other = server.session(
        "migrator",
        "alembic",
        "begin; lock table alembic_version in share row exclusive mode",
    );
    let mut run = Run::in_transaction(
        &server,
        "migrator",
        &["--lock-timeout", "500ms"],
        "insert into alembic_version values ('a1')",
    )
    .start();
    run.wait_for("it waits for another migration");
    other.end();
    let finished = run.end();
    assert!(finished.status.success(), "{}", finished.stderr);
}

#[test]
fn an_error_after_a_long_wait_is_no_lock_timeout() {
    let server = migrating_shop();
    let blocker = server.session("web", "shop-web", "begin; select * from orders");
    let mut run =
        Run::in_transaction(&server, "migrator", &["--lock-timeout", "1m"], &format!("{ALTER}; select 1/0"))
            .start();
    run.wait_for("waiting");
    blocker.end();
    let finished = run.end();
    assert!(finished.stderr.contains("division by zero"), "{}", finished.stderr);
    assert_eq!(finished.event()["error_type"], "migration_failed", "{}", finished.stderr);
}

#[test]
fn a_command_that_is_only_watched_gets_nothing_and_keeps_its_statements() {
    let server = migrating_shop();
    let blocker = server.session("web", "shop-web", "begin; select * from orders");
    let script = format!(
        "env | grep ^PG | grep -v PGAPPNAME=user; {}",
        r#""$PSQL" "$DATABASE_URL" -Xq -v ON_ERROR_STOP=1 -c "$0""#
    );
    let mut run = Run::new(&["--watch-only"], &["sh", "-c", &script, ALTER]);
    run.command.env("DATABASE_URL", server.url("migrator")).stdout(Stdio::piped());
    let mut run = run.start();
    // It is recognized by its connection.
    run.wait_for("blocked by pid");
    blocker.end();
    let mut environment = String::new();
    run.child.stdout.take().unwrap().read_to_string(&mut environment).unwrap();
    assert_eq!(environment, "");
    assert!(run.end().status.success());

    let finished = Run::new(&["--watch-only", "--lock-timeout", "1s"], &["true"]);
    let mut finished = finished;
    finished.command.env("DATABASE_URL", server.url("migrator"));
    let finished = finished.end();
    assert_eq!(finished.status.code(), Some(125), "{}", finished.stderr);
}

#[test]
fn a_session_under_another_name_is_found_by_its_connection() {
    let server = migrating_shop();
    let blocker = server.session("web", "shop-web", "begin; select * from orders");
    let url = format!("{}?application_name=shop", server.url("migrator"));
    let mut run = Run::script(&url, &[], &in_transaction(ALTER)).start();
    run.wait_for("blocked by pid");
    run.wait_for("retrying in");
    blocker.end();
    let finished = run.end();
    assert!(finished.status.success(), "{}", finished.stderr);
}
