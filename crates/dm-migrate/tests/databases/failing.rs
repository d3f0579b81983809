//! A migration that fails, or is ended, or loses its server: how dm-migrate ends, what is recorded, what is left.

use super::*;

/// Nothing of the migration is left in the database, and this was recorded of it.
fn left(server: &Postgres, ended: &Ended, code: i32, status: &str) {
    assert_eq!(ended.status.code(), Some(code), "{}", ended.told);
    sessions(server, "true", "0");
    assert_eq!(ended.event()["status"], status, "{}", ended.told);
}

#[test]
fn a_server_that_restarts_takes_the_statement_along() {
    let mut server = shop();
    let blocker = server.session("web", "shop-web", "begin; select * from orders");
    let mut run = Run::of(&server, "migrator", &["--lock-timeout", "0s"], ALTER).start();
    run.until("waiting");
    server.crash_and_restart();
    let ended = run.end();
    // psql's own code for a lost connection.
    left(&server, &ended, 2, "failure");
    assert_eq!(ended.event()["error_type"], "migration_failed");
    assert!(ended.event()["lock_wait_s"].as_f64().is_some(), "{}", ended.journal());
    drop(blocker);
}

#[test]
fn a_connection_that_is_lost_ends_the_migration_or_only_the_view_of_it() {
    let server = shop();
    let blocker = server.session("web", "shop-web", "begin; select * from orders");
    let end = |application: &str| {
        let sql = "select count(pg_terminate_backend(pid)) from pg_stat_activity where application_name like";
        assert_eq!(server.sql(&format!("{sql} '{application}'")), "1");
    };
    let mut run = Run::of(&server, "migrator", &["--lock-timeout", "0s"], ALTER).start();
    run.until("waiting");
    end("dm-migrate monitor");
    run.until("the database is not seen any more");
    run.until("the database is seen again");
    end("dm-migrate:%");
    left(&server, &run.end(), 2, "failure");

    let mut run = Run::of(&server, "migrator", &["--lock-timeout", "0s"], ALTER).start();
    run.until("waiting");
    end("dm-migrate monitor");
    run.until("the database is seen again");
    blocker.end();
    left(&server, &run.end(), 0, "success");
}

#[test]
fn a_server_without_room_fails_the_migration_and_no_more() {
    let server = shop();
    // As a full disk does, in the middle of a statement.
    server.sql("alter role migrator set temp_file_limit = '1MB'; alter role migrator set work_mem = '64kB'");
    let statement = "create table copy as select n from generate_series(1, 300000) n order by -n";
    let ended = Run::of(&server, "migrator", &[], statement).end();
    left(&server, &ended, 1, "failure");
    assert!(ended.told.contains("temporary file size exceeds"), "{}", ended.told);
    assert!(!ended.told.contains("again"), "{}", ended.told);
}

#[test]
fn a_killed_dm_migrate_leaves_no_statement_that_waits() {
    let server = shop();
    let _blocker = server.session("web", "shop-web", "begin; select * from orders");
    // No limit of the session's own ends the wait.
    let mut run = Run::of(&server, "migrator", &["--lock-timeout", "0s"], ALTER).start();
    run.until("waiting");
    run.send(Signal::SIGKILL);
    sessions(&server, "true", "0");
}

#[test]
fn what_is_to_be_done_about_a_failure_is_done_once_and_changes_no_exit_code() {
    let server = shop();
    server.sql(
        "create table alembic_version (version_num text); alter table alembic_version owner to migrator",
    );
    let undo = format!(
        r#"sh -c 'echo "undo $DM_MIGRATION_BEFORE $DM_MIGRATION_AFTER $DM_PARENT_STAGE"; "$PSQL" "$DATABASE_URL" -Xqc "$0"' '{}'"#,
        "delete from alembic_version where version_num = $$f03$$"
    );
    server.sql("insert into alembic_version values ('ae1')");

    let script = r#"for sql in "insert into alembic_version values ('f03')" "syntax error"; do
        "$PSQL" "$DATABASE_URL" -Xqc "$sql" || exit 7; done"#;
    let run = |flags: &[&str], argv: &[&str]| {
        let mut run = Run::unwatched(flags, argv);
        run.command.env("DATABASE_URL", server.url("migrator"));
        run.end()
    };
    let ended = run(&["--on-failure", &undo], &["sh", "-c", script]);
    left(&server, &ended, 7, "failure");
    let told = ended.told.lines().filter(|line| !line.starts_with("ERROR") && !line.starts_with("LINE"));
    let told: Vec<&str> = told.filter(|line| !line.trim().starts_with('^')).collect();
    assert_eq!(
        told,
        [
            "dm-migrate: the schema went from ae1 to ae1,f03 (alembic)",
            "dm-migrate: the migration failed: running --on-failure",
            "undo ae1 ae1,f03 migration",
            "dm-migrate: --on-failure succeeded",
            "dm-migrate: the schema went from ae1,f03 to ae1 (alembic)",
        ]
    );
    assert_eq!(ended.event()["after"], "ae1");

    // Not after a success, nor where somebody asked for the end; and its own failure is told.
    let ended = run(&["--on-failure", &undo], &["true"]);
    assert!(!ended.told.contains("undo"), "{}", ended.told);
    let ended = run(&["--on-failure", "sh -c 'exit 3'"], &["sh", "-c", "exit 9"]);
    left(&server, &ended, 9, "failure");
    assert!(ended.told.contains("--on-failure FAILED: exit code 3"), "{}", ended.told);
    let ended = run(&["--on-failure", "/no/such/tool"], &["sh", "-c", "exit 9"]);
    assert!(ended.told.contains("--on-failure FAILED: cannot run /no/such/tool"), "{}", ended.told);
    let mut run =
        Run::unwatched(&["--on-failure", "echo undo"], &["sh", "-c", "echo started >&2; read line"]);
    run.command.stdin(Stdio::piped());
    let mut run = run.start();
    run.until("started");
    run.send(Signal::SIGTERM);
    let ended = run.end();
    assert!(!ended.told.contains("undo"), "{}", ended.told);
}
