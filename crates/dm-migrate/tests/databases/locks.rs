//! Locks that are not got: tried for again, held against others, taken from those in the way.

use super::*;

#[test]
fn a_lock_that_is_not_got_is_tried_for_again_and_others_get_through_meanwhile() {
    let server = shop();
    server.sql(
        "create table alembic_version (version_num text); alter table alembic_version owner to migrator",
    );
    let up = format!("{ALTER}; insert into alembic_version values ('ae1')");
    let blocker = server.session("web", "shop-web", "begin; select * from orders");
    let mut run = Run::of(&server, "migrator", &["--lock-timeout", "800ms"], &up).start();
    run.until(
        "the migration gave up after waiting 800ms for a lock; it is run again in 800ms; attempts left: 10",
    );
    run.until("attempts left: 9");
    blocker.end();
    let ended = run.end();
    assert!(ended.status.success(), "{}", ended.told);
    let event = ended.event();
    assert_eq!((&event["after"], &event["status"]), (&"ae1".into(), &"success".into()));
    assert!(event["lock_wait_s"].as_f64().unwrap() > 1.0, "{event}");

    let _blocker = server.session("web", "shop-web", "begin; select * from orders");
    let flags = ["--lock-timeout", "800ms", "--lock-retries", "0"];
    let ended = Run::of(&server, "migrator", &flags, "alter table orders add more text").end();
    assert_eq!(ended.status.code(), Some(1), "{}", ended.told);
    assert!(ended.told.contains("the attempts are used up"), "{}", ended.told);
    assert_eq!(ended.event()["error_type"], "lock_timeout");
    assert!(ended.metrics().contains("error_type=\"lock_timeout\",service=\"shop\",stage=\"migration\"} 1"));

    // Told to end in a pause, it does; nothing is left that could go on.
    let mut run = Run::of(&server, "migrator", &["--lock-timeout", "800ms"], ALTER).start();
    run.until("it is run again");
    run.send(Signal::SIGTERM);
    let ended = run.end();
    assert_eq!(ended.event()["status"], "cancelled", "{}", ended.told);
}

#[test]
fn a_blocker_is_ended_only_on_demand_and_only_of_the_kind_asked_for() {
    let server = shop();
    server.role("operator", "in role pg_monitor, pg_signal_backend, migrator");
    let alive = |application: &str| {
        let sql = format!("select count(*) from pg_stat_activity where application_name = '{application}'");
        server.sql(&sql)
    };
    let demand =
        ["--terminate-blockers", "--blocker-min-age", "0s", "--lock-timeout", "2s", "--lock-retries", "0"];

    // A superuser's session blocks, too: it stays.
    let super_user = server.session("postgres", "boss", "begin; select * from orders");
    let ended = Run::of(&server, "operator", &demand, ALTER).end();
    assert_eq!(ended.event()["error_type"], "lock_timeout", "{}", ended.told);
    assert_eq!(alive("boss"), "1");
    super_user.end();

    let blocker = server.session("web", "shop-web", "begin; select * from orders");
    // Not on demand, or not for long enough.
    for flags in [&demand[3..], &["--terminate-blockers", "--lock-timeout", "1s", "--lock-retries", "0"]] {
        let ended = Run::of(&server, "operator", flags, ALTER).end();
        assert_eq!(ended.event()["error_type"], "lock_timeout", "{}", ended.told);
        assert_eq!(alive("shop-web"), "1");
    }
    // Without the privilege it is told, and nothing else is different.
    let ended = Run::of(&server, "migrator", &demand, ALTER).end();
    assert!(ended.told.contains("cannot terminate a blocker"), "{}", ended.told);
    assert_eq!(alive("shop-web"), "1");

    let patient = ["--terminate-blockers", "--blocker-min-age", "0s", "--lock-timeout", "2m"];
    let ended = Run::of(&server, "operator", &patient, ALTER).end();
    assert!(ended.status.success(), "{}", ended.told);
    let act = ended.event()["terminated"][0].as_str().unwrap().to_owned();
    assert!(act.contains("user web, app \"shop-web\", idle in transaction for"), "{act}");
    assert!(ended.told.contains(&act), "{}", ended.told);
    assert_eq!(alive("shop-web"), "0");
    drop(blocker);
}

#[test]
fn two_deployments_never_migrate_at_once() {
    let server = shop();
    let script = "echo started >&2; read -r line";
    let mut first = Run::unwatched(&["--advisory-lock"], &["sh", "-c", script]);
    first.command.env("DATABASE_URL", server.url("migrator")).stdin(Stdio::piped());
    let mut first = first.start();
    first.until("started");
    let second = Run::of(&server, "migrator", &["--advisory-lock"], "create table twice ()").end();
    assert_eq!(second.status.code(), Some(75), "{}", second.told);
    assert!(second.told.contains("another dm-migrate changes this database: pid "), "{}", second.told);
    assert_eq!(server.sql("select to_regclass('twice')"), "");
    // The server frees what a killed one held.
    first.send(Signal::SIGKILL);
    drop(first.child.stdin.take());
    drop(first.child.wait());
    let third = eventually("the lock", || {
        let third = Run::of(&server, "migrator", &["--advisory-lock"], "create table twice ()").end();
        if third.status.code() == Some(75) { Err(third.told) } else { Ok(third) }
    });
    assert!(third.status.success(), "{}", third.told);
}

#[test]
fn a_tool_that_takes_its_time_to_end_is_tried_again_too() {
    let server = shop();
    server.sql(
        "create table alembic_version (version_num text); alter table alembic_version owner to migrator",
    );
    let script = r#""$PSQL" "$DATABASE_URL" -Xq -v ON_ERROR_STOP=1 -c "$0" ||
        { PGAPPNAME=other "$PSQL" "$DATABASE_URL" -Xqc 'select pg_sleep(1.5)'; exit 1; }"#;
    let _blocker = server.session("web", "shop-web", "begin; select * from orders");
    let flags = ["--lock-timeout", "800ms", "--lock-retries", "1"];
    let mut run = Run::unwatched(&flags, &["sh", "-c", script, ALTER]);
    run.command.env("DATABASE_URL", server.url("migrator"));
    let mut run = run.start();
    run.until("it is run again in 800ms; attempts left: 1");
    let ended = run.end();
    assert!(ended.told.contains("the attempts are used up"), "{}", ended.told);
    assert_eq!(ended.event()["error_type"], "lock_timeout");
}

#[test]
fn what_failed_by_something_else_is_not_tried_again() {
    let server = shop();
    server.sql(
        "create table alembic_version (version_num text); alter table alembic_version owner to migrator",
    );
    let ended = Run::of(&server, "migrator", &[], "syntax error").end();
    assert_eq!(ended.status.code(), Some(1), "{}", ended.told);
    assert!(!ended.told.contains("again"), "{}", ended.told);
    assert_eq!(ended.event()["error_type"], "migration_failed");
}
