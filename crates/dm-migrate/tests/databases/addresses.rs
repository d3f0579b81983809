//! The database is found as libpq finds it.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;

use testkit::tls::Certificates;

use super::*;

/// A run of `true` with these variables that has to be monitored, and expects this version.
fn expect(version: &str, variables: &[(&str, String)]) -> Finished {
    let mut run = Run::new(&["--require-monitor", "--expect-version", version], &["true"]);
    for (name, value) in variables {
        run.command.env(name, value);
    }
    run.end()
}

#[test]
fn the_environment_of_libpq_names_the_database() {
    let server = Postgres::start();
    server.role("migrator", "");
    server.sql("create database shop owner migrator");
    let versions =
        "create table alembic_version (version_num text); insert into alembic_version values ('right')";
    assert!(Run::script(&server.url_of("migrator", "shop"), &[], versions).end().status.success());
    server.sql(&versions.replace("right", "wrong"));

    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let file = folder.path().join(name);
        common::fs::atomic::write(&file, text.as_bytes()).unwrap();
        std::fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
        file.display().to_string()
    };
    let port = server.port().to_string();
    let passfile = write("pgpass", &format!("127.0.0.1:{port}:shop:migrator:{PASSWORD}\n"));
    let services =
        write("services", &format!("[shop]\nhost=127.0.0.1\nport={port}\ndbname=shop\nuser=migrator\n"));
    let text = |text: &str| text.to_owned();
    let url = |url: &str| ("DATABASE_URL", url.to_owned());
    let socket = server.socket_folder().display().to_string();
    for variables in [
        // A URL that leaves something to the environment.
        vec![
            url("postgres://migrator@127.0.0.1"),
            ("PGPORT", port.clone()),
            ("PGDATABASE", text("shop")),
            ("PGPASSWORD", text(PASSWORD)),
        ],
        vec![
            url("postgres:///shop"),
            ("PGHOST", socket.clone()),
            ("PGPORT", port.clone()),
            ("PGUSER", text("migrator")),
        ],
        vec![
            url("postgres://migrator@/shop"),
            ("PGHOSTADDR", text("127.0.0.1")),
            ("PGPORT", port.clone()),
            ("PGPASSWORD", text(PASSWORD)),
        ],
        vec![url(&format!("POSTGRESQL://migrator@127.0.0.1:{port}/shop")), ("PGPASSFILE", passfile.clone())],
        vec![
            url("postgres://?service=shop"),
            ("PGSERVICEFILE", services.clone()),
            ("PGPASSFILE", passfile.clone()),
        ],
        vec![url(&format!("host=127.0.0.1 port={port} dbname=shop user=migrator password='{PASSWORD}'"))],
        vec![url(&format!("\"{}\"", server.url_of("migrator", "shop")))],
        // No URL at all.
        vec![
            ("PGHOST", socket),
            ("PGPORT", port.clone()),
            ("PGUSER", text("migrator")),
            ("PGDATABASE", text("shop")),
        ],
        vec![("PGSERVICE", text("shop")), ("PGSERVICEFILE", services), ("PGPASSFILE", passfile)],
    ] {
        let finished = expect("right", &variables);
        assert!(finished.status.success(), "{variables:?}: {}", finished.stderr);
        assert!(!finished.stderr.contains(PASSWORD), "{}", finished.stderr);
    }
}

#[test]
fn a_client_certificate_is_presented() {
    let certificates = Certificates::new();
    let server = Postgres::with_client_certificates(&certificates);
    server.sql("create table alembic_version (version_num text); insert into alembic_version values ('a1')");
    let path = |file: PathBuf| file.display().to_string();
    let (authority, client) = (path(certificates.authority()), path(certificates.client()));
    let url = format!("{}?sslmode=verify-full&sslrootcert={authority}", server.url("postgres"));
    for variables in [
        vec![("DATABASE_URL", format!("{url}&sslcert={client}&sslkey={client}"))],
        vec![("DATABASE_URL", url.clone()), ("PGSSLCERT", client.clone()), ("PGSSLKEY", client)],
    ] {
        let finished = expect("a1", &variables);
        assert!(finished.status.success(), "{}", finished.stderr);
        assert!(!finished.stderr.contains(&certificates.client_secret), "{}", finished.stderr);
    }
    for (key, reason) in [("", "requires a valid client certificate"), ("/missing.pem", "/missing.pem")] {
        let identity = if key.is_empty() { String::new() } else { format!("&sslcert={key}&sslkey={key}") };
        let finished = expect("a1", &[("DATABASE_URL", format!("{url}{identity}"))]);
        assert_eq!(finished.status.code(), Some(125), "{}", finished.stderr);
        assert!(finished.stderr.contains(reason), "{}", finished.stderr);
    }
}

#[test]
fn of_several_servers_the_one_that_accepts_writes_is_monitored() {
    let [replica, primary] = [Postgres::start(), Postgres::start()];
    replica.sql("alter database postgres set default_transaction_read_only = on");
    primary.sql("create table alembic_version (version_num text); insert into alembic_version values ('a1')");
    let url = |attributes: &str| {
        let ports = [replica.port(), primary.port()];
        format!(
            "postgres://postgres:{PASSWORD}@127.0.0.1:{},127.0.0.1:{}/postgres{attributes}",
            ports[0], ports[1]
        )
    };
    for attributes in ["read-write", "primary"] {
        let finished = expect("a1", &[("DATABASE_URL", url(&format!("?target_session_attrs={attributes}")))]);
        assert!(finished.status.success(), "{}", finished.stderr);
    }
    let finished = expect("a1", &[("DATABASE_URL", url(""))]);
    assert_eq!(finished.status.code(), Some(1), "{}", finished.stderr);
}

#[test]
fn a_file_url_is_a_database_or_names_one() {
    let folder = tempfile::tempdir().unwrap();
    let sql = "create table if not exists _prisma_migrations (id text, checksum text, finished_at text, migration_name text, \
        logs text, rolled_back_at text, started_at text, applied_steps_count int); \
        insert into _prisma_migrations values ('a', '', 'now', '1_init', null, null, '1', 1)";
    let script = "import sqlite3, sys; sqlite3.connect('dev.db').executescript(sys.argv[1])";
    let run = |url: &str| {
        let mut run =
            Run::new(&["--require-monitor", "--expect-version", "1_init"], &["python3", "-c", script, sql]);
        run.command.env("DATABASE_URL", url).current_dir(folder.path());
        run.end()
    };
    // Before there is a file, and when there is one.
    for _ in 0..2 {
        let finished = run("file:./dev.db");
        assert!(finished.status.success(), "{}", finished.stderr);
    }
    common::fs::atomic::write(&folder.path().join("url"), b"file:./dev.db\n").unwrap();
    let finished = run("file:./url");
    assert!(finished.status.success(), "{}", finished.stderr);
}
