//! Real migration tools, where they are on the PATH: dbmate, alembic.

use testkit::mariadb::Mariadb;

use super::*;

/// Where the tool is; `None`, and told, where it is not.
#[expect(clippy::print_stderr, reason = "a story that is not told must not pass for one that was")]
fn tool(name: &str) -> Option<PathBuf> {
    let path = common::env::system("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file());
    if found.is_none() {
        eprintln!("skipped: {name} is not on the PATH");
    }
    found
}

fn write(file: &Path, text: &str) {
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    common::fs::atomic::write(file, text.as_bytes()).unwrap();
}

/// One step of a story: how it ends, and what is told of the schema.
fn step(run: Run, code: i32, told: &str) {
    let ended = run.end();
    assert_eq!(ended.status.code(), Some(code), "{}", ended.told);
    assert!(ended.told.contains(&format!("dm-migrate: {told}\n")), "{told}: {}", ended.told);
    // It is seen, whatever its driver.
    assert!(!ended.told.contains("unknown"), "{}", ended.told);
}

#[test]
fn dbmate_goes_up_has_nothing_to_do_and_fails() {
    let Some(dbmate) = tool("dbmate") else { return };
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
            let mut run = Run::unwatched(&[], &argv);
            run.command.env("DATABASE_URL", &url).current_dir(folder.path());
            run
        };
        migration("20240101000001_one.sql", "create table one (id int)");
        step(run(), 0, "the schema went from nothing to 20240101000001 (dbmate)");
        step(run(), 0, "nothing to do: the schema stays at 20240101000001 (dbmate)");
        migration("20240101000002_bad.sql", "bad");
        step(run(), 2, "the schema stays at 20240101000001 (dbmate)");
    }
}

#[test]
fn alembic_goes_up_has_nothing_to_do_and_fails() {
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
        let mut run = Run::unwatched(&[], &[alembic.to_str().unwrap(), "upgrade", "head"]);
        let url = server.url("migrator").replace("postgres://", "postgresql+psycopg://");
        run.command.env("DATABASE_URL", url).current_dir(folder.path());
        run
    };
    migration("ae1", "None", "create table one (id int)");
    step(run(), 0, "the schema went from nothing to ae1 (alembic)");
    step(run(), 0, "nothing to do: the schema stays at ae1 (alembic)");
    migration("f03", "'ae1'", "bad");
    step(run(), 1, "the schema stays at ae1 (alembic)");
}
