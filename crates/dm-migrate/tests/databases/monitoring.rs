//! Reports about a migration that waits, and its sessions after it has ended.

use common::clock::{Clock as _, SystemClock};

use super::*;

#[test]
fn blockers_and_waiting_sessions_are_reported() {
    let server = shop();
    let gateway = Pushgateway::start();
    let blocker = server.session("web", "shop-web", "begin; select * from orders where id = 4711");
    let mut run = Run::psql(&server, "migrator", &["--lock-timeout", "0s"], ALTER);
    run.command.env("PUSHGATEWAY_URL", gateway.url()).env("DM_EXPORT", "foreground");
    let mut run = run.start();
    let line = run.wait_for("waiting");
    assert!(
        line.contains("AccessExclusiveLock on orders (pid ") && line.contains("add note text default ?"),
        "{line}"
    );
    let line = run.wait_for("blocked by");
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
    run.wait_for("wait behind it");
    // The metrics show that the migration runs.
    eventually("in progress", || match gateway.series("database_migration_in_progress", &[]).as_slice() {
        [line] if line.ends_with(" 1") => Ok(()),
        other => Err(format!("{other:?}")),
    });
    assert!(gateway.value("database_migration_start_timestamp_seconds", &["job=\"dm_run\""]) > 1e9);
    let total =
        eventually("a wait", || Some(longest_wait_s(&server)).filter(|s| *s > 2.0).ok_or_else(String::new));
    let clock = SystemClock;
    let released = clock.instant();
    blocker.end();
    let finished = run.end();
    let since = (clock.instant() - released).as_secs_f64();
    assert!(finished.status.success(), "{}", finished.stderr);
    let event = finished.event();
    let lock_wait = event["lock_wait_s"].as_f64().unwrap();
    assert!(
        (total - 1.0..total + since + 1.0).contains(&lock_wait),
        "{lock_wait}, not {total} to {}",
        total + since
    );
    assert!(matches!(event["blocked_max"].as_u64(), Some(1 | 2)), "{event}");
    assert_eq!(gateway.series("database_migration_in_progress", &[]), [""; 0]);
    let pushed = gateway.value("database_migration_lock_wait_seconds", &["job=\"dm\""]);
    assert!((pushed - lock_wait).abs() < 0.001, "{pushed}");
    assert!(gateway.value("database_migration_blocked_sessions", &["job=\"dm\""]) >= 1.0);
    assert!(gateway.value("database_migration_lag_seconds", &["status=\"success\""]) > total);
    assert!(!finished.stderr.contains("4711") && !finished.stderr.contains("secret"), "{}", finished.stderr);
    drop(victims);
}

#[test]
fn a_terminal_shows_a_live_line() {
    let server = shop();
    server.sql("create table alembic_version (version_num text); insert into alembic_version values ('ae1')");
    let blocker = server.session("web", "shop-web", "begin; select * from orders");
    let run = Run::psql(&server, "postgres", &["--status", "--lock-timeout", "0s"], ALTER);
    let mut terminal = Terminal::start(&run.command);
    terminal.wait_for("migration 0ms, from ae1");
    terminal.wait_for(", from ae1, waits ");
    terminal.wait_for(" (web), 0 wait behind it");
    let _victim = server.background("web", "shop-web", "select * from orders");
    terminal.wait_for(" (web), 1 wait behind it");
    blocker.end();
    let (screen, status) = terminal.end();
    assert!(status.success(), "{screen}");
}

#[test]
fn the_live_line_shows_the_progress_of_an_index() {
    let server = shop();
    // The index build has to wait for older snapshots of the table, and reports whose.
    let blocker =
        server.session("web", "shop-web", "begin isolation level repeatable read; select * from orders");
    let index = "create index concurrently orders_id on orders (id)";
    let run = Run::psql(&server, "migrator", &["--status", "--lock-timeout", "0s"], index);
    let mut terminal = Terminal::start(&run.command);
    terminal.wait_for(", waits ");
    blocker.end();
    let (_, status) = terminal.end();
    assert!(status.success());

    server.sql(
        "insert into orders select * from generate_series(1, 150); create function slow(int) returns int immutable \
         language plpgsql as 'begin perform pg_sleep(0.02); return $1; end'",
    );
    let index = "create index orders_slow on orders (slow(id))";
    let run = Run::psql(&server, "migrator", &["--status"], index);
    let mut terminal = Terminal::start(&run.command);
    terminal.wait_for(": CREATE INDEX, building index");
    assert!(terminal.end().1.success());
    let journal = std::fs::read_to_string(run.state.path().join("journal.jsonl")).unwrap();
    let event: Value = serde_json::from_str(journal.trim()).unwrap();
    assert!(event["progress"].as_str().unwrap().starts_with("CREATE INDEX, building index"), "{event}");

    // Progress is recorded without a terminal too, once a statement has run for a while.
    let work = "copy (select slow(g) from generate_series(1, 1500) g) to '/dev/null'";
    let finished = Run::psql(&server, "postgres", &["--timeout", "13s"], work).end();
    let event = finished.event();
    assert!(event["progress"].as_str().unwrap().starts_with("COPY TO, "), "{event}");
    assert!(event["progress"].as_str().unwrap().ends_with(" rows so far"), "{event}");
}

#[test]
fn a_stopped_migration_leaves_no_waiting_session() {
    let server = shop();
    let _blocker = server.session("web", "shop-web", "begin; select * from orders");
    let flags = ["--lock-timeout", "0s", "--timeout", "3s"];
    let finished = Run::psql(&server, "migrator", &flags, ALTER).end();
    assert_eq!(finished.status.code(), Some(124), "{}", finished.stderr);
    assert!(
        finished.stderr.contains("cancelled the statement of the migration's session"),
        "{}",
        finished.stderr
    );
    wait_for_session_count(&server, "true", "0");
    assert_eq!(finished.event()["status"], "timeout");

    let mut run = Run::psql(&server, "migrator", &["--lock-timeout", "0s"], ALTER).start();
    run.wait_for("waiting");
    run.send(Signal::SIGTERM);
    let finished = run.end();
    wait_for_session_count(&server, "true", "0");
    assert_eq!(finished.event()["status"], "cancelled", "{}", finished.stderr);
}

#[test]
fn the_statement_of_a_killed_client_is_ended() {
    let server = shop();
    let _blocker = server.session("web", "shop-web", "begin; select * from orders");
    // The client that runs the statement is killed, and the shell that started it exits with 3.
    let script = r#""$PSQL" "$DATABASE_URL" -Xqc "$0" & echo "client $!" >&2; wait $!; exit 3"#;
    let mut run = Run::new(&["--lock-timeout", "0s"], &["sh", "-c", script, ALTER]);
    run.command.env("DATABASE_URL", server.url("migrator"));
    let mut run = run.start();
    let client: i32 = run.wait_for("client").trim().rsplit(' ').next().unwrap().parse().unwrap();
    run.wait_for("waiting");
    kill(Pid::from_raw(client), Signal::SIGKILL).unwrap();
    let finished = run.end();
    assert_eq!(finished.status.code(), Some(3), "{}", finished.stderr);
    wait_for_session_count(&server, "true", "0");
}

#[test]
fn the_monitor_does_not_delay_a_concurrent_index_build() {
    let server = shop();
    let finished =
        Run::psql(&server, "migrator", &[], "create index concurrently orders_id on orders (id)").end();
    assert!(finished.status.success(), "{}", finished.stderr);
    assert!(!finished.stderr.contains("waiting"), "{}", finished.stderr);
}

#[test]
fn an_invalid_index_is_reported_before_the_migration() {
    let server = shop();
    server.sql("create table twice (id int); insert into twice values (1), (1)");
    let index = server.background("postgres", "t", "create unique index concurrently twice_id on twice (id)");
    eventually("the index", || {
        match server.sql("select count(*) from pg_index where not indisvalid").as_str() {
            "1" => Ok(()),
            other => Err(other.to_owned()),
        }
    });
    let finished = Run::psql(&server, "migrator", &[], "select 1").end();
    assert!(finished.stderr.contains("the index twice_id is invalid"), "{}", finished.stderr);
    drop(index);
}

#[test]
fn the_migration_runs_if_the_database_cannot_be_monitored() {
    let run = |url: &str, flags: &[&str]| {
        let mut run = Run::new(flags, &["true"]);
        run.command.env("DATABASE_URL", url);
        run.end()
    };
    for (url, cause) in [
        ("postgres://u:s3cr3t@127.0.0.1:1/d", "cannot connect to the database"),
        ("mysql://u:s3cr3t@127.0.0.1:1/d", "cannot connect to the database"),
        ("oracle://u:s3cr3t@h/d", "other databases cannot be monitored"),
        ("s3cr3t", "is not a URL"),
        ("file:/no/such/file", "cannot read /no/such/file"),
    ] {
        let finished = run(url, &[]);
        assert!(finished.status.success() && finished.stderr.contains(cause), "{}", finished.stderr);
        assert!(!finished.stderr.contains("s3cr3t"), "{}", finished.stderr);
        assert_eq!(finished.event()["lock_wait_s"], Value::Null);
        let finished = run(url, &["--require-monitor"]);
        assert_eq!(finished.status.code(), Some(125), "{}", finished.stderr);
        assert_eq!(finished.stderr.lines().count(), 1, "{}", finished.stderr);
    }
    let finished = run("", &["--require-monitor"]);
    assert!(finished.stderr.contains("need a database: set DATABASE_URL"), "{}", finished.stderr);
}

#[test]
fn the_password_appears_nowhere() {
    let server = shop();
    let _blocker = server.session("web", "shop-web", "begin; select * from orders");
    let flags = ["--lock-timeout", "1s", "--lock-retries", "0", "--on-failure", "echo undone"];
    let mut run = Run::psql(&server, "migrator", &flags, ALTER).start();
    // Before the lock timeout can end it.
    let cmdline = std::fs::read_to_string(format!("/proc/{}/cmdline", run.child.id())).unwrap();
    run.wait_for("waiting");
    let finished = run.end();
    assert!(finished.stderr.contains("undone"), "{}", finished.stderr);
    for text in [&cmdline, &finished.stderr, &finished.journal(), &finished.metrics()] {
        assert!(!text.contains(PASSWORD), "{text}");
    }
    let mut wrong = Run::new(&[], &["true"]);
    wrong.command.env("DATABASE_URL", server.url("migrator").replace(PASSWORD, "wr0ng-s3cr3t"));
    let finished = wrong.end();
    assert!(finished.stderr.contains("password authentication failed for user"), "{}", finished.stderr);
    assert!(!finished.stderr.contains("wr0ng"), "{}", finished.stderr);
}
