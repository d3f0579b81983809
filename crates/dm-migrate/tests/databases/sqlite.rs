//! A real SQLite file, changed by a script.

use super::*;

/// A run of dm-migrate at `url`, with Python's own SQLite and these statements on `shop.db`.
fn run(folder: &TempDir, url: &str, flags: &[&str], statements: &str) -> Run {
    let script = "import sqlite3, sys; sqlite3.connect('shop.db').executescript(sys.argv[1])";
    let mut run = Run::unwatched(flags, &["python3", "-c", script, statements]);
    run.command.env("DATABASE_URL", url).current_dir(folder.path());
    run
}

#[test]
fn the_version_is_read_before_and_after() {
    let folder = tempfile::tempdir().unwrap();
    // As SQLAlchemy writes it. The file is not there yet.
    let first =
        "create table alembic_version (version_num varchar(32)); insert into alembic_version values ('ae1')";
    let ended = run(&folder, "sqlite:///shop.db", &["--expect-version", "ae1"], first).end();
    assert!(ended.status.success(), "{}", ended.told);
    assert_eq!(ended.told, "dm-migrate: the schema went from nothing to ae1 (alembic)\n");
    let event = ended.event();
    assert_eq!((&event["before"], &event["after"]), (&Value::Null, &"ae1".into()));
    // There are no waits that one could see.
    assert_eq!((&event["lock_wait_s"], &event["blocked_max"]), (&Value::Null, &Value::Null));

    let absolute = format!("sqlite://{}/shop.db?mode=rwc", folder.path().display());
    let dirty = "create table schema_migrations (version uint64, dirty bool); insert into schema_migrations values (7, true)";
    let ended = run(&folder, &absolute, &[], dirty).end();
    assert!(
        ended.told.contains("the schema is marked as half migrated (alembic, golang-migrate)"),
        "{}",
        ended.told
    );
    assert_eq!(ended.event()["dirty"], true);

    let ended = run(&folder, &absolute, &["--advisory-lock"], "select 1").end();
    assert_eq!(ended.status.code(), Some(125), "{}", ended.told);
    assert!(ended.told.contains("--advisory-lock needs a server"), "{}", ended.told);
    let ended = run(&folder, &absolute, &["--terminate-blockers"], "select 1").end();
    assert!(ended.told.contains("--terminate-blockers is for PostgreSQL only"), "{}", ended.told);
}
