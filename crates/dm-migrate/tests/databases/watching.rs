//! What is told of a migration that waits, and what is left of one that ends.

use common::clock::{Clock as _, SystemClock};

use super::*;

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
    let clock = SystemClock;
    let asked = clock.instant();
    blocker.end();
    let ended = run.end();
    let since = (clock.instant() - asked).as_secs_f64();
    assert!(ended.status.success(), "{}", ended.told);
    let event = ended.event();
    let found = event["lock_wait_s"].as_f64().unwrap();
    assert!((total - 1.0..total + since + 1.0).contains(&found), "{found}, not {total} to {}", total + since);
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
fn a_terminal_shows_one_line_of_what_goes_on() {
    let server = shop();
    server.sql("create table alembic_version (version_num text); insert into alembic_version values ('ae1')");
    let blocker = server.session("web", "shop-web", "begin; select * from orders");
    let run = Run::of(&server, "postgres", &["--status", "--lock-timeout", "0s"], ALTER);
    let mut terminal = Terminal::start(&run.command);
    terminal.wait_for("migration 0ms, from ae1");
    terminal.wait_for(", from ae1, waits ");
    terminal.wait_for(" (web), 0 wait behind it");
    let _victim = server.background("web", "shop-web", "select * from orders");
    terminal.wait_for(" (web), 1 wait behind it");
    blocker.end();
    let (seen, status) = terminal.end();
    assert!(status.success(), "{seen}");
}

#[test]
fn the_progress_of_an_index_is_on_the_line() {
    let server = shop();
    // It has to wait for those who may still look at the table, and tells for whom.
    let blocker =
        server.session("web", "shop-web", "begin isolation level repeatable read; select * from orders");
    let index = "create index concurrently orders_id on orders (id)";
    let run = Run::of(&server, "migrator", &["--status", "--lock-timeout", "0s"], index);
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
    let run = Run::of(&server, "migrator", &["--status"], index);
    let mut terminal = Terminal::start(&run.command);
    terminal.wait_for(": CREATE INDEX, building index");
    assert!(terminal.end().1.success());
}

#[test]
fn nothing_of_ours_is_left_waiting_however_it_ends() {
    let server = shop();
    let _blocker = server.session("web", "shop-web", "begin; select * from orders");
    let flags = ["--lock-timeout", "0s", "--timeout", "3s"];
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
        ("mysql://u:s3cr3t@127.0.0.1:1/d", "the database cannot be reached"),
        ("oracle://u:s3cr3t@h/d", "nothing else can be watched"),
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
    let flags = ["--lock-timeout", "1s", "--lock-retries", "0", "--on-failure", "echo undone"];
    let mut run = Run::of(&server, "migrator", &flags, ALTER).start();
    // Before the lock timeout can end it.
    let cmdline = std::fs::read_to_string(format!("/proc/{}/cmdline", run.child.id())).unwrap();
    run.until("waiting");
    let ended = run.end();
    assert!(ended.told.contains("undone"), "{}", ended.told);
    for text in [&cmdline, &ended.told, &ended.journal(), &ended.metrics()] {
        assert!(!text.contains(PASSWORD), "{text}");
    }
    let mut wrong = Run::unwatched(&[], &["true"]);
    wrong.command.env("DATABASE_URL", server.url("migrator").replace(PASSWORD, "wr0ng-s3cr3t"));
    let ended = wrong.end();
    assert!(ended.told.contains("password authentication failed for user"), "{}", ended.told);
    assert!(!ended.told.contains("wr0ng"), "{}", ended.told);
}
