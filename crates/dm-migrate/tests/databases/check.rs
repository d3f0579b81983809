//! `--check`: what it reports, and how it ends.

use super::*;

/// A server with this schema, and the roles `migrator` and `web`.
pub(crate) fn shop_with(schema: &str) -> Postgres {
    let server = Postgres::start();
    server.role("migrator", "");
    server.role("web", "");
    server.sql(schema);
    server
}

fn command(flags: &[&str], url: &str) -> assert_cmd::Command {
    let mut command = assert_cmd::Command::new(env!("CARGO_BIN_EXE_dm-migrate"));
    command.env_clear().args(["--check"]).args(flags);
    if !url.is_empty() {
        command.env("DATABASE_URL", url);
    }
    command
}

/// The report on what the flags name, which may be stdin.
pub(crate) fn report(flags: &[&str], url: &str, sql: &str) -> Value {
    let output = command(&[flags, &["--format", "json"]].concat(), url).write_stdin(sql).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(stderr, "", "{sql}");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{sql}: {error}: {stderr}"))
}

fn exit_code(flags: &[&str], sql: &str) -> i32 {
    command(&[&["-"], flags].concat(), "").write_stdin(sql).output().unwrap().status.code().unwrap()
}

#[test]
fn the_exit_code_is_the_worst_verdict() {
    let (safe, unsafe_, unknown) =
        ("create table a (id int);", "alter table b drop column c;", "do $$ begin null; end $$;");
    let timeout = &["--lock-timeout", "5s"];
    assert_eq!(exit_code(timeout, safe), 0);
    assert_eq!(exit_code(timeout, &format!("{safe}{unknown}")), 3);
    assert_eq!(exit_code(timeout, &format!("{safe}{unsafe_}{unknown}")), 1);
    assert_eq!(exit_code(timeout, "-- nothing"), 4);
    assert_eq!(exit_code(timeout, "alter table b add c int"), 0);
    assert_eq!(exit_code(&[], "alter table b add c int"), 1);
    assert_eq!(exit_code(timeout, "alter tabel b add c int"), 3);
}

#[test]
fn the_report_names_the_line_the_lock_the_reason_and_the_alternative() {
    let sql = "create table a (id int);\n\nalter table orders\n  add note text default 'a secret' || random();\ncall f();\n";
    let output = command(&["-"], "").write_stdin(sql).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    for line in [
        "stdin:3: UNSAFE: alter table orders add note text default ? || random()\n",
        "  AccessExclusiveLock on orders (size unknown): blocks reads and writes, rewrite\n",
        "  add-column-rewrite: its default is computed for each row, so the whole table is written again",
        "    instead: add the column without the default",
        "    source: https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-NOTES\n",
        "  no-lock-timeout: ",
        "stdin:5: NOT JUDGED: call f()\n",
        "sizes and types are unknown: no database is given\n",
        "1 unsafe, 1 not judged, 1 safe\n",
    ] {
        assert!(text.contains(line), "no {line:?} in:\n{text}");
    }
}

#[test]
fn the_database_knows_sizes_types_and_the_tables_of_indexes() {
    let server = shop_with(
        "create table orders (id int, note varchar(20)); insert into orders select g, g from generate_series(1, 5000) g; \
         create index orders_note on orders (note); analyze orders; create domain plain as int",
    );
    let url = server.url("web");
    let sql = "alter table orders alter note type varchar(40); drop index orders_note; alter table orders add p plain; \
        alter table missing add x int";
    let report = report(&["-", "--autocommit", "--lock-timeout", "1s"], &url, sql);
    let statements = report["statements"].as_array().unwrap();
    let verdicts: Vec<&str> = statements.iter().map(|one| one["verdict"].as_str().unwrap()).collect();
    assert_eq!(verdicts, ["safe", "unsafe", "safe", "safe"], "{report:#}");
    let lock = &statements[1]["locks"][0];
    assert_eq!((&lock["table"], &lock["index"]), (&"orders".into(), &"orders_note".into()));
    assert_eq!(lock["rows"], 5000);
    assert!(lock["bytes"].as_u64().unwrap() > 200_000, "{lock}");
    assert_eq!(statements[3]["locks"][0]["bytes"], Value::Null);
    assert_eq!(report["notes"].as_array().unwrap().len(), 0);
}

#[test]
fn of_a_folder_only_the_pending_files_are_checked() {
    let server = shop_with(
        "create table schema_migrations (version text primary key); insert into schema_migrations values ('1')",
    );
    server.sql("grant select on schema_migrations to web");
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, sql: &str| {
        let file = folder.path().join(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        common::fs::atomic::write(&file, sql.as_bytes()).unwrap();
    };
    write("1_first.sql", "-- migrate:up\ndrop table a;\n-- migrate:down\ndrop table b;\n");
    write(
        "2_second.sql",
        "-- migrate:up transaction:false\ncreate index concurrently i on a (x);\n-- migrate:down\ndrop table c;\n",
    );
    write("3_third.down.sql", "drop table d;\n");
    write("notes.md", "drop table e;\n");
    let check = |url: &str| {
        let folder = folder.path().to_str().unwrap();
        let output = command(&[folder, "--lock-timeout", "1s", "--format", "json"], url).output().unwrap();
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        let files = report["statements"].as_array().unwrap().iter();
        let files: Vec<String> =
            files.map(|one| one["file"].as_str().unwrap().rsplit('/').next().unwrap().to_owned()).collect();
        (output.status.code(), report["skipped"].as_u64().unwrap(), files)
    };
    assert_eq!(check(&server.url("web")), (Some(0), 1, vec!["2_second.sql".to_owned()]));
    assert_eq!(check(""), (Some(1), 0, vec!["1_first.sql".to_owned(), "2_second.sql".to_owned()]));
    server.sql("insert into schema_migrations values ('2')");
    assert_eq!(check(&server.url("web")), (Some(0), 2, vec![]));
}

#[test]
fn a_database_that_does_not_answer_makes_sizes_unknown() {
    let url = "postgres://web@127.0.0.1:1/shop";
    let mut sized = command(&["-", "--lock-timeout", "1s"], url);
    let output = sized.write_stdin("alter table a add b int").output().unwrap();
    let (stdout, stderr) =
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    assert!(
        stderr.starts_with("dm-migrate: the database cannot be asked: ") && stderr.lines().count() == 1,
        "{stderr}"
    );
    assert!(stdout.contains("(size unknown)"), "{stdout}");
    command(&["-", "--require-monitor"], url).write_stdin("select 1").assert().code(125);
}

#[test]
fn wrong_usage_is_125_and_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let check = |flags: &[&str], url: &str, message: &str| {
        let output = command(flags, url).write_stdin("").output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(125), "{stderr}");
        assert!(stderr.contains(message) && stderr.lines().count() == 1, "{stderr}");
    };
    check(&["/no/such/file"], "", "cannot read /no/such/file: No such file");
    check(&[folder.path().to_str().unwrap()], "", "contains no .sql file");
    check(&["-", "--", "true"], "", "cannot be used with");
    check(&["-"], "mysql://root@127.0.0.1/shop", "--check knows the locks of PostgreSQL only");
    check(&["-", "--require-monitor"], "", "--require-monitor needs a database");
}
