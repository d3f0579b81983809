//! Migrations that fail, are stopped or lose their server: the exit code, the record, and the remaining sessions.

use super::*;

/// Asserts the exit code, the recorded status, and that the migration left no session behind.
fn assert_ended_cleanly(server: &Postgres, finished: &Finished, code: i32, status: &str) {
    assert_eq!(finished.status.code(), Some(code), "{}", finished.stderr);
    wait_for_session_count(server, "true", "0");
    assert_eq!(finished.event()["status"], status, "{}", finished.stderr);
}

#[test]
fn a_server_restart_ends_the_statement() {
    let mut server = shop();
    let blocker = server.session("web", "shop-web", "begin; select * from orders");
    let mut run = Run::psql(&server, "migrator", &["--lock-timeout", "0s"], ALTER).start();
    run.wait_for("waiting");
    server.crash_and_restart();
    let finished = run.end();
    // psql exits with 2 if it loses its connection.
    assert_ended_cleanly(&server, &finished, 2, "failure");
    assert_eq!(finished.event()["error_type"], "migration_failed");
    assert!(finished.event()["lock_wait_s"].as_f64().is_some(), "{}", finished.journal());
    drop(blocker);
}

#[test]
fn a_lost_monitor_connection_does_not_end_the_migration() {
    let server = shop();
    let blocker = server.session("web", "shop-web", "begin; select * from orders");
    let terminate = |application: &str| {
        let sql = "select count(pg_terminate_backend(pid)) from pg_stat_activity where application_name like";
        assert_eq!(server.sql(&format!("{sql} '{application}'")), "1");
    };
    let mut run = Run::psql(&server, "migrator", &["--lock-timeout", "0s"], ALTER).start();
    run.wait_for("waiting");
    terminate("dm-migrate monitor");
    run.wait_for("monitoring is interrupted");
    run.wait_for("monitoring continues");
    terminate("dm-migrate:%");
    assert_ended_cleanly(&server, &run.end(), 2, "failure");

    let mut run = Run::psql(&server, "migrator", &["--lock-timeout", "0s"], ALTER).start();
    run.wait_for("waiting");
    terminate("dm-migrate monitor");
    run.wait_for("monitoring continues");
    blocker.end();
    assert_ended_cleanly(&server, &run.end(), 0, "success");
}

#[test]
fn a_full_server_fails_the_migration_without_a_retry() {
    let server = shop();
    // Fails in the middle of the statement, as a full disk would.
    server.sql("alter role migrator set temp_file_limit = '1MB'; alter role migrator set work_mem = '64kB'");
    let statement = "create table copy as select n from generate_series(1, 300000) n order by -n";
    let finished = Run::psql(&server, "migrator", &[], statement).end();
    assert_ended_cleanly(&server, &finished, 1, "failure");
    assert!(finished.stderr.contains("temporary file size exceeds"), "{}", finished.stderr);
    assert!(!finished.stderr.contains("retry"), "{}", finished.stderr);
}

#[test]
fn a_killed_dm_migrate_leaves_no_waiting_statement() {
    let server = shop();
    let _blocker = server.session("web", "shop-web", "begin; select * from orders");
    // The session has no lock timeout that would end the wait.
    let mut run = Run::psql(&server, "migrator", &["--lock-timeout", "0s"], ALTER).start();
    run.wait_for("waiting");
    run.send(Signal::SIGKILL);
    wait_for_session_count(&server, "true", "0");
}

#[test]
fn on_failure_runs_once_and_keeps_the_exit_code() {
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
        let mut run = Run::new(flags, argv);
        run.command.env("DATABASE_URL", server.url("migrator"));
        run.end()
    };
    let finished = run(&["--on-failure", &undo], &["sh", "-c", script]);
    assert_ended_cleanly(&server, &finished, 7, "failure");
    let lines =
        finished.stderr.lines().filter(|line| !line.starts_with("ERROR") && !line.starts_with("LINE"));
    let lines: Vec<&str> = lines.filter(|line| !line.trim().starts_with('^')).collect();
    assert_eq!(
        lines,
        [
            "dm-migrate: the schema went from ae1 to ae1,f03 (alembic)",
            "dm-migrate: the migration failed; running --on-failure",
            "undo ae1 ae1,f03 migration",
            "dm-migrate: --on-failure succeeded",
            "dm-migrate: the schema went from ae1,f03 to ae1 (alembic)",
        ]
    );
    assert_eq!(finished.event()["after"], "ae1");

    // It does not run after a success or a signal, and its own failure is reported.
    let finished = run(&["--on-failure", &undo], &["true"]);
    assert!(!finished.stderr.contains("undo"), "{}", finished.stderr);
    let finished = run(&["--on-failure", "sh -c 'exit 3'"], &["sh", "-c", "exit 9"]);
    assert_ended_cleanly(&server, &finished, 9, "failure");
    assert!(finished.stderr.contains("--on-failure FAILED: exit code 3"), "{}", finished.stderr);
    let finished = run(&["--on-failure", "/no/such/tool"], &["sh", "-c", "exit 9"]);
    assert!(finished.stderr.contains("--on-failure FAILED: cannot run /no/such/tool"), "{}", finished.stderr);
    let mut run = Run::new(&["--on-failure", "echo undo"], &["sh", "-c", "echo started >&2; read line"]);
    run.command.stdin(Stdio::piped());
    let mut run = run.start();
    run.wait_for("started");
    run.send(Signal::SIGTERM);
    let finished = run.end();
    assert!(!finished.stderr.contains("undo"), "{}", finished.stderr);
}
