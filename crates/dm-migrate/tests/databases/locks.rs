//! Lock timeouts and retries, terminated blockers, and the advisory lock.

use super::*;

#[test]
fn a_lock_timeout_is_retried_and_others_proceed_in_between() {
    let server = shop();
    server.sql(
        "create table alembic_version (version_num text); alter table alembic_version owner to migrator",
    );
    let up = format!("{ALTER}; insert into alembic_version values ('ae1')");
    let blocker = server.session("web", "shop-web", "begin; select * from orders");
    let mut run = Run::in_transaction(&server, "migrator", &["--lock-timeout", "800ms"], &up).start();
    let line = run.wait_for("the migration gave up after waiting");
    assert!(line.contains("; retrying in ") && line.contains("; attempts remaining: 10"), "{line}");
    run.wait_for("attempts remaining: 9");
    blocker.end();
    let finished = run.end();
    assert!(finished.status.success(), "{}", finished.stderr);
    let event = finished.event();
    assert_eq!((&event["after"], &event["status"]), (&"ae1".into(), &"success".into()));
    assert!(event["lock_wait_s"].as_f64().unwrap() > 1.0, "{event}");

    let _blocker = server.session("web", "shop-web", "begin; select * from orders");
    let flags = ["--lock-timeout", "800ms", "--lock-retries", "0"];
    let finished = Run::psql(&server, "migrator", &flags, "alter table orders add more text").end();
    assert_eq!(finished.status.code(), Some(1), "{}", finished.stderr);
    assert!(finished.stderr.contains("no attempts remain"), "{}", finished.stderr);
    let event = finished.event();
    assert_eq!(event["error_type"], "lock_timeout");
    let blocked_by =
        ["gave up after waiting", " for a lock: blocked by pid ", ", user web, app \"shop-web\""];
    let cause = event["cause"].as_str().unwrap();
    assert!(blocked_by.iter().all(|part| cause.contains(part)), "{cause}");
    assert!(
        finished.metrics().contains("error_type=\"lock_timeout\",service=\"shop\",stage=\"migration\"} 1")
    );

    // A signal during the pause before a retry cancels the run.
    let mut run = Run::in_transaction(&server, "migrator", &["--lock-timeout", "800ms"], ALTER).start();
    run.wait_for("retrying in");
    run.send(Signal::SIGTERM);
    let finished = run.end();
    assert_eq!(finished.event()["status"], "cancelled", "{}", finished.stderr);
}

#[test]
fn only_requested_blockers_are_terminated() {
    let server = shop();
    server.role("operator", "in role pg_monitor, pg_signal_backend, migrator");
    let count = |application: &str| {
        let sql = format!("select count(*) from pg_stat_activity where application_name = '{application}'");
        server.sql(&sql)
    };
    let flags =
        ["--terminate-blockers", "--blocker-min-age", "0s", "--lock-timeout", "2s", "--lock-retries", "0"];

    // A superuser's session blocks the migration, but is not terminated.
    let super_user = server.session("postgres", "boss", "begin; select * from orders");
    let finished = Run::psql(&server, "operator", &flags, ALTER).end();
    assert_eq!(finished.event()["error_type"], "lock_timeout", "{}", finished.stderr);
    assert_eq!(count("boss"), "1");
    super_user.end();

    let blocker = server.session("web", "shop-web", "begin; select * from orders");
    // Without --terminate-blockers, or if the blocker is too young.
    for other_flags in [&flags[3..], &["--terminate-blockers", "--lock-timeout", "1s", "--lock-retries", "0"]]
    {
        let finished = Run::psql(&server, "operator", other_flags, ALTER).end();
        assert_eq!(finished.event()["error_type"], "lock_timeout", "{}", finished.stderr);
        assert_eq!(count("shop-web"), "1");
    }
    // Without the privilege, this is reported and the blocker stays.
    let finished = Run::psql(&server, "migrator", &flags, ALTER).end();
    assert!(finished.stderr.contains("cannot terminate a blocker"), "{}", finished.stderr);
    assert_eq!(count("shop-web"), "1");

    let patient = ["--terminate-blockers", "--blocker-min-age", "0s", "--lock-timeout", "2m"];
    let finished = Run::psql(&server, "operator", &patient, ALTER).end();
    assert!(finished.status.success(), "{}", finished.stderr);
    let action = finished.event()["terminated"][0].as_str().unwrap().to_owned();
    assert!(action.contains("user web, app \"shop-web\", idle in transaction for"), "{action}");
    assert!(finished.stderr.contains(&action), "{}", finished.stderr);
    assert_eq!(count("shop-web"), "0");
    drop(blocker);
}

#[test]
fn the_advisory_lock_prevents_concurrent_migrations() {
    let server = shop();
    let script = "echo started >&2; read -r line";
    let mut first = Run::new(&["--advisory-lock"], &["sh", "-c", script]);
    first.command.env("DATABASE_URL", server.url("migrator")).stdin(Stdio::piped());
    let mut first = first.start();
    first.wait_for("started");
    let second = Run::psql(&server, "migrator", &["--advisory-lock"], "create table twice ()").end();
    assert_eq!(second.status.code(), Some(75), "{}", second.stderr);
    assert!(
        second.stderr.contains("another dm-migrate is changing this database: pid "),
        "{}",
        second.stderr
    );
    assert_eq!(server.sql("select to_regclass('twice')"), "");
    let mut waiting = Run::psql(&server, "migrator", &["--advisory-lock=wait 10m"], "select 1").start();
    let line = waiting.wait_for("waiting up to 10m00s: another dm-migrate is changing this database: pid ");
    assert!(!line.contains("try again"), "{line}");
    // The server releases the lock of a killed dm-migrate.
    first.send(Signal::SIGKILL);
    drop(first.child.stdin.take());
    drop(first.child.wait());
    let third = eventually("the lock", || {
        let third = Run::psql(&server, "migrator", &["--advisory-lock"], "create table twice ()").end();
        if third.status.code() == Some(75) { Err(third.stderr) } else { Ok(third) }
    });
    assert!(third.status.success(), "{}", third.stderr);
    assert!(waiting.end().status.success());
}

#[test]
fn a_tool_that_exits_slowly_is_retried_too() {
    let server = shop();
    server.sql(
        "create table alembic_version (version_num text); alter table alembic_version owner to migrator",
    );
    let script = r#"printf '%s' "$0" | "$PSQL" "$DATABASE_URL" -Xq -v ON_ERROR_STOP=1 -f - ||
        { PGAPPNAME=other "$PSQL" "$DATABASE_URL" -Xqc 'select pg_sleep(1.5)'; exit 1; }"#;
    let _blocker = server.session("web", "shop-web", "begin; select * from orders");
    let flags = ["--lock-timeout", "800ms", "--lock-retries", "1"];
    let up = in_transaction(ALTER);
    let mut run = Run::new(&flags, &["sh", "-c", script, &up]);
    run.command.env("DATABASE_URL", server.url("migrator"));
    let mut run = run.start();
    run.wait_for("attempts remaining: 1");
    let finished = run.end();
    assert!(finished.stderr.contains("no attempts remain"), "{}", finished.stderr);
    assert_eq!(finished.event()["error_type"], "lock_timeout");
}

#[test]
fn other_failures_are_not_retried() {
    let server = shop();
    server.sql(
        "create table alembic_version (version_num text); alter table alembic_version owner to migrator",
    );
    let finished = Run::psql(&server, "migrator", &[], "syntax error").end();
    assert_eq!(finished.status.code(), Some(1), "{}", finished.stderr);
    assert!(!finished.stderr.contains("retry"), "{}", finished.stderr);
    assert_eq!(finished.event()["error_type"], "migration_failed");
}
