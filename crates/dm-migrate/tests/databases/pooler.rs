//! A connection pooler between dm-migrate and the server.

use testkit::pgbouncer::PgBouncer;

use super::*;

fn pooled_shop() -> Postgres {
    let server = Postgres::start();
    server.role("migrator", "in role pg_monitor");
    server.sql("create database shop owner migrator");
    server
}

#[test]
fn a_migration_through_a_pooler_is_not_refused() {
    let server = pooled_shop();
    for (settings, how) in [
        ("", "it refuses startup options"),
        ("ignore_startup_parameters = extra_float_digits,options", "it ignores startup options"),
    ] {
        let pool = PgBouncer::start(&server, "migrator", settings);
        let url = pool.url("migrator");
        let versions = "create table if not exists alembic_version (version_num text); truncate alembic_version; \
            insert into alembic_version values ('a1')";
        let finished = Run::script(&url, &["--require-monitor", "--expect-version", "a1"], versions).end();
        assert!(finished.status.success(), "{how}: {}", finished.stderr);
        assert!(
            finished.stderr.contains(&format!("that of a connection pooler ({how})")),
            "{}",
            finished.stderr
        );
        // The monitor leaves no settings in the sessions of others.
        let settings = r#""$PSQL" "$DATABASE_URL" -XqAtc "select current_setting('lock_timeout'), current_setting('jit')" >&2"#;
        let mut bare = Run::new(&["--watch-only"], &["sh", "-c", settings]);
        bare.command.env("DATABASE_URL", &url);
        let finished = bare.end();
        assert!(finished.stderr.contains("0|off"), "{}", finished.stderr);

        // A lock of a session would belong to nobody.
        let locked = Run::script(&url, &["--advisory-lock"], "create table never (id int)").end();
        assert_eq!(locked.status.code(), Some(125), "{}", locked.stderr);
        assert!(locked.stderr.contains("--advisory-lock needs a session"), "{}", locked.stderr);
        assert!(locked.stderr.contains("--monitor-url"), "{}", locked.stderr);
        assert_eq!(server.sql("select count(*) from pg_locks where locktype = 'advisory'"), "0");
    }
}

#[test]
fn the_monitor_uses_no_session_of_a_pool_while_the_command_runs() {
    let server = pooled_shop();
    let pool = PgBouncer::start(&server, "migrator", "");
    let statements = "create table seen as select pid, query_start from pg_stat_activity where usename = 'migrator'; \
        select pg_sleep(1); \
        do $$ begin if exists (select from pg_stat_activity a join seen using (pid) \
            where a.query_start > seen.query_start and a.pid <> pg_backend_pid()) \
        then raise exception 'the pool is used'; end if; end $$";
    let finished = Run::script(&pool.url("migrator"), &["--require-monitor"], statements).end();
    assert!(finished.status.success(), "{}", finished.stderr);
    assert!(finished.stderr.contains("its lock waits are not watched"), "{}", finished.stderr);
    assert_eq!(finished.event()["lock_wait_s"], Value::Null);
}

#[test]
fn the_server_s_own_address_serves_the_monitor() {
    let server = pooled_shop();
    let pool = PgBouncer::start(&server, "migrator", "");
    let direct = server.url_of("migrator", "shop");
    for variable in ["MIGRATION_DATABASE_URL", "DIRECT_URL"] {
        let mut run = Run::script(
            &pool.url("migrator"),
            &["--advisory-lock", "--require-monitor"],
            "select pg_sleep(0.1); create table if not exists one (id int)",
        );
        run.command.env(variable, &direct);
        let finished = run.end();
        assert!(finished.status.success(), "{variable}: {}", finished.stderr);
        assert!(!finished.stderr.contains("pooler"), "{}", finished.stderr);
    }
}
