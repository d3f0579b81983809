//! Real migration tools: dbmate, and alembic if it is on the PATH.

use testkit::mariadb::Mariadb;

use super::*;

/// The path of the tool; `None`, with a message, if it is not installed.
#[expect(clippy::print_stderr, reason = "a skipped test must not look like one that passed")]
fn tool(name: &str) -> Option<PathBuf> {
    let path = common::env::system("PATH").unwrap_or_default();
    let file = std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file());
    if file.is_none() {
        eprintln!("skipped: {name} is not on the PATH");
    }
    file
}

fn write(file: &Path, text: &str) {
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    common::fs::atomic::write(file, text.as_bytes()).unwrap();
}

/// Runs dm-migrate and asserts its exit code and its message about the schema.
fn check(run: Run, code: i32, message: &str) {
    let finished = run.end();
    assert_eq!(finished.status.code(), Some(code), "{}", finished.stderr);
    assert!(finished.stderr.contains(&format!("dm-migrate: {message}\n")), "{message}: {}", finished.stderr);
    // The monitor finds the session, regardless of the tool's driver.
    assert!(!finished.stderr.contains("unknown"), "{}", finished.stderr);
}

#[test]
fn dbmate_migrates_has_nothing_to_do_and_fails() {
    let dbmate = testkit::bin::dbmate();
    let (postgres, mariadb) = (shop(), Mariadb::start());
    mariadb.account("migrator", &["all on shop.*", "process on *.*"]);
    let postgres = format!("{}?sslmode=disable", postgres.url("migrator"));
    for url in [postgres, mariadb.url("migrator"), "sqlite:shop.db".to_owned()] {
        let folder = tempfile::tempdir().unwrap();
        let migration = |name: &str, sql: &str| {
            let text = format!("-- migrate:up\n{sql};\n-- migrate:down\n");
            write(&folder.path().join("db/migrations").join(name), &text);
        };
        let run = || {
            let argv = [dbmate.to_str().unwrap(), "--no-dump-schema", "up"];
            let mut run = Run::new(&[], &argv);
            run.command.env("DATABASE_URL", &url).current_dir(folder.path());
            run
        };
        migration("20240101000001_one.sql", "create table one (id int)");
        check(run(), 0, "the schema went from nothing to 20240101000001 (dbmate)");
        check(run(), 0, "nothing to do: the schema stays at 20240101000001 (dbmate)");
        migration("20240101000002_bad.sql", "bad");
        check(run(), 2, "the schema stays at 20240101000001 (dbmate)");
    }
}

#[test]
fn alembic_migrates_has_nothing_to_do_and_fails() {
    let Some(alembic) = tool("alembic") else { return };
    let server = shop();
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| write(&folder.path().join(name), text);
    write("alembic.ini", "[alembic]\nscript_location = %(here)s/scripts\n");
    write(
        "scripts/env.py",
        "import os\nfrom alembic import context\nfrom sqlalchemy import create_engine\n\
         with create_engine(os.environ['DATABASE_URL']).connect() as connection:\n    \
         context.configure(connection)\n    with context.begin_transaction():\n        context.run_migrations()\n",
    );
    let migration = |revision: &str, before: &str, sql: &str| {
        let text = format!(
            "from alembic import op\nrevision = '{revision}'\ndown_revision = {before}\n\
             def upgrade():\n    op.execute('{sql}')\n"
        );
        write(&format!("scripts/versions/{revision}.py"), &text);
    };
    let run = || {
        let mut run = Run::new(&[], &[alembic.to_str().unwrap(), "upgrade", "head"]);
        let url = server.url("migrator").replace("postgres://", "postgresql+psycopg://");
        run.command.env("DATABASE_URL", url).current_dir(folder.path());
        run
    };
    migration("ae1", "None", "create table one (id int)");
    check(run(), 0, "the schema went from nothing to ae1 (alembic)");
    check(run(), 0, "nothing to do: the schema stays at ae1 (alembic)");
    migration("f03", "'ae1'", "bad");
    check(run(), 1, "the schema stays at ae1 (alembic)");
}
