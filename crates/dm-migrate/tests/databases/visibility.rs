//! What the monitor can see with different roles and `sslmode`s. What it cannot see is reported as unknown, never as
//! none.

use testkit::tls::Certificates;

use super::*;

/// Runs a migration as `migrator` with the monitor as `role`, while a session of `web` blocks it for a while.
fn migrate_monitored_by(server: &Postgres, role: &str) -> Finished {
    let blocker = server.session("web", "shop-web", "begin; select * from orders where id = 4711");
    let script = r#"exec "$PSQL" "$MIGRATE_URL" -Xq -v ON_ERROR_STOP=1 -c "$0""#;
    let mut run = Run::new(&[], &["sh", "-c", script, ALTER]);
    run.command.env("DATABASE_URL", server.url(role)).env("MIGRATE_URL", server.url("migrator"));
    let mut run = run.start();
    run.wait_for("session waits behind it yet");
    eventually("a wait", || Some(longest_wait_s(server)).filter(|s| *s > 2.0).ok_or_else(String::new));
    blocker.end();
    let finished = run.end();
    server.sql("alter table orders drop note");
    finished
}

#[test]
fn details_hidden_from_a_role_are_unknown() {
    let server = Postgres::start();
    // The owner of the table, without pg_monitor.
    server.role("migrator", "");
    server.role("web", "");
    server.role("stranger", "");
    server.role("watcher", "in role pg_monitor");
    server.sql(
        "create table orders (id int); alter table orders owner to migrator; grant all on orders to web",
    );

    let owner = migrate_monitored_by(&server, "migrator").stderr;
    assert!(owner.contains("other roles' transactions are unknown to migrator"), "{owner}");
    assert!(owner.contains("add note text default ?"), "its own statement: {owner}");
    assert!(owner.contains("user web") && owner.contains("state unknown"), "{owner}");
    assert!(owner.contains("its statement: unknown"), "{owner}");

    let blind = migrate_monitored_by(&server, "stranger");
    assert!(blind.stderr.contains("other roles' transactions are unknown to stranger"), "{}", blind.stderr);
    assert!(blind.stderr.contains("statement unknown"), "{}", blind.stderr);
    assert!(blind.stderr.contains("user web") && blind.stderr.contains("state unknown"), "{}", blind.stderr);
    // Every role can see waits and the processes that take part in them.
    assert!(blind.event()["lock_wait_s"].as_f64().unwrap() > 1.0, "{}", blind.journal());

    let watcher = migrate_monitored_by(&server, "watcher").stderr;
    assert!(!watcher.contains("unknown"), "{watcher}");
    assert!(watcher.contains("add note text default ?"), "{watcher}");
    assert!(watcher.contains("idle in transaction for") && watcher.contains("id = ?"), "{watcher}");
}

#[test]
fn sslmode_decides_which_servers_are_trusted() {
    let certificates = Certificates::new();
    let stranger = Certificates::new();
    let server = Postgres::with_tls(&certificates);
    server.role("migrator", "in role pg_monitor");
    let ca = certificates.authority().display().to_string();
    let other = stranger.authority().display().to_string();
    let run = |query: &str| {
        let query_tls = "select ssl from pg_stat_ssl join pg_stat_activity using (pid) where application_name = \
                   'dm-migrate monitor'";
        let script = r#""$PSQL" -XqAt -h "$0" -p "$1" -U postgres -d postgres -c "$2" >&2"#;
        let socket = server.socket_folder().display().to_string();
        let argv = ["sh", "-c", script, &socket, &server.port().to_string(), query_tls];
        let mut run = Run::new(&["--require-monitor"], &argv);
        run.command.env("DATABASE_URL", format!("{}?{query}", server.url("migrator")));
        run.end()
    };
    let wrong_host = "host=db.example.com&hostaddr=127.0.0.1";
    for (query, encrypted) in [
        ("sslmode=disable".to_owned(), "f"),
        (String::new(), "t"),
        ("sslmode=require".to_owned(), "t"),
        (format!("sslmode=verify-ca&sslrootcert={ca}"), "t"),
        (format!("sslmode=verify-full&sslrootcert={ca}"), "t"),
    ] {
        let finished = run(&query);
        assert_eq!(finished.stderr.trim(), encrypted, "{query}");
        assert!(finished.status.success(), "{query}");
    }
    for query in [
        format!("sslmode=verify-ca&sslrootcert={other}"),
        // Like libpq, `require` verifies the authority if one is given.
        format!("sslmode=require&sslrootcert={other}"),
        "sslmode=verify-full".to_owned(),
        format!("sslmode=verify-full&sslrootcert={other}"),
    ] {
        let finished = run(&query);
        assert_eq!(finished.status.code(), Some(125), "{query}: {}", finished.stderr);
        assert!(finished.stderr.contains("invalid peer certificate"), "{query}: {}", finished.stderr);
        assert!(!finished.stderr.contains(PASSWORD), "{}", finished.stderr);
    }
    // A certificate of the right authority for another host.
    let by_address = |mode: &str| {
        let url = format!("postgres://migrator:{PASSWORD}@/postgres?{wrong_host}&port={}", server.port());
        let mut run = Run::new(&["--require-monitor"], &["true"]);
        run.command.env("DATABASE_URL", format!("{url}&sslmode={mode}&sslrootcert={ca}"));
        run.end()
    };
    let finished = by_address("verify-ca");
    assert!(finished.status.success(), "{}", finished.stderr);
    let finished = by_address("verify-full");
    assert_eq!(finished.status.code(), Some(125), "{}", finished.stderr);
    assert!(finished.stderr.contains("not valid for name"), "{}", finished.stderr);

    let plain = shop();
    let mut run = Run::new(&["--require-monitor"], &["true"]);
    run.command.env("DATABASE_URL", format!("{}?sslmode=require", plain.url("migrator")));
    let finished = run.end();
    assert_eq!(finished.status.code(), Some(125), "{}", finished.stderr);
}
