//! A real SQLite file that a script changes.

use super::*;

/// A run of dm-migrate with `url`; its command executes `statements` on `shop.db` with Python's SQLite.
fn run(folder: &TempDir, url: &str, flags: &[&str], statements: &str) -> Run {
    let script = "import sqlite3, sys; sqlite3.connect('shop.db').executescript(sys.argv[1])";
    let mut run = Run::new(flags, &["python3", "-c", script, statements]);
    run.command.env("DATABASE_URL", url).current_dir(folder.path());
    run
}

#[test]
fn the_version_is_read_before_and_after() {
    let folder = tempfile::tempdir().unwrap();
    // SQLAlchemy's form of the URL. The file does not exist yet.
    let first =
        "create table alembic_version (version_num varchar(32)); insert into alembic_version values ('ae1')";
    let finished = run(&folder, "sqlite:///shop.db", &["--expect-version", "ae1"], first).end();
    assert!(finished.status.success(), "{}", finished.stderr);
    assert_eq!(finished.stderr, "dm-migrate: the schema went from nothing to ae1 (alembic)\n");
    let event = finished.event();
    assert_eq!((&event["before"], &event["after"]), (&Value::Null, &"ae1".into()));
    // SQLite does not report waits.
    assert_eq!((&event["lock_wait_s"], &event["blocked_max"]), (&Value::Null, &Value::Null));

    let absolute = format!("sqlite://{}/shop.db?mode=rwc", folder.path().display());
    let dirty = "create table schema_migrations (version uint64, dirty bool); insert into schema_migrations values (7, true)";
    let finished = run(&folder, &absolute, &[], dirty).end();
    assert!(
        finished.stderr.contains("the schema is marked as partly migrated (alembic, golang-migrate)"),
        "{}",
        finished.stderr
    );
    assert_eq!(finished.event()["dirty"], true);

    let finished = run(&folder, &absolute, &["--advisory-lock"], "select 1").end();
    assert_eq!(finished.status.code(), Some(125), "{}", finished.stderr);
    assert!(finished.stderr.contains("--advisory-lock needs a database server"), "{}", finished.stderr);
    let finished = run(&folder, &absolute, &["--terminate-blockers"], "select 1").end();
    assert!(finished.stderr.contains("--terminate-blockers is for PostgreSQL only"), "{}", finished.stderr);
}
