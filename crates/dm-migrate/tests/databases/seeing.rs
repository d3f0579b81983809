//! What the monitor sees, by the role that it is: what it cannot see is unknown, and never none.

use testkit::tls::Certificates;

use super::*;

/// Migrated by `migrator`, while `watcher` watches; a session of `web` is in the way until the lock timeout.
fn watched_by(server: &Postgres, watcher: &str) -> Ended {
    let _blocker = server.session("web", "shop-web", "begin; select * from orders where id = 4711");
    let script = r#"exec "$PSQL" "$MIGRATE_URL" -Xq -v ON_ERROR_STOP=1 -c "$0""#;
    let mut run = Run::unwatched(&["--lock-timeout", "3s"], &["sh", "-c", script, ALTER]);
    run.command.env("DATABASE_URL", server.url(watcher)).env("MIGRATE_URL", server.url("migrator"));
    run.end()
}

#[test]
fn what_a_role_cannot_see_is_unknown() {
    let server = Postgres::start();
    // The owner of the table, without pg_monitor.
    server.role("migrator", "");
    server.role("web", "");
    server.role("stranger", "");
    server.role("watcher", "in role pg_monitor");
    server.sql(
        "create table orders (id int); alter table orders owner to migrator; grant all on orders to web",
    );

    let owner = watched_by(&server, "migrator").told;
    assert!(owner.contains("other roles' transactions are unknown to migrator"), "{owner}");
    assert!(owner.contains("add note text default ?"), "its own statement: {owner}");
    assert!(owner.contains("user web") && owner.contains("state unknown"), "{owner}");
    assert!(owner.contains("its statement: unknown"), "{owner}");

    let blind = watched_by(&server, "stranger");
    assert!(blind.told.contains("other roles' transactions are unknown to stranger"), "{}", blind.told);
    assert!(blind.told.contains("statement unknown"), "{}", blind.told);
    assert!(blind.told.contains("user web") && blind.told.contains("state unknown"), "{}", blind.told);
    // Waits and the processes in them are for everybody to see.
    assert!(blind.event()["lock_wait_s"].as_f64().unwrap() > 1.0, "{}", blind.journal());

    let sees = watched_by(&server, "watcher").told;
    assert!(!sees.contains("unknown"), "{sees}");
    assert!(sees.contains("add note text default ?"), "{sees}");
    assert!(sees.contains("idle in transaction for") && sees.contains("id = ?"), "{sees}");
}

#[test]
fn a_server_is_trusted_as_far_as_sslmode_says() {
    let certificates = Certificates::new();
    let stranger = Certificates::new();
    let server = Postgres::with_tls(&certificates);
    server.role("migrator", "in role pg_monitor");
    let ca = certificates.authority().display().to_string();
    let other = stranger.authority().display().to_string();
    let run = |query: &str| {
        let ask = "select ssl from pg_stat_ssl join pg_stat_activity using (pid) where application_name = \
                   'dm-migrate monitor'";
        let script = r#""$PSQL" -XqAt -h "$0" -p "$1" -U postgres -d postgres -c "$2" >&2"#;
        let socket = server.socket_folder().display().to_string();
        let argv = ["sh", "-c", script, &socket, &server.port().to_string(), ask];
        let mut run = Run::unwatched(&["--require-monitor"], &argv);
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
        let ended = run(&query);
        assert_eq!(ended.told.trim(), encrypted, "{query}");
        assert!(ended.status.success(), "{query}");
    }
    for query in [
        format!("sslmode=verify-ca&sslrootcert={other}"),
        // As libpq does, where it is told an authority.
        format!("sslmode=require&sslrootcert={other}"),
        "sslmode=verify-full".to_owned(),
        format!("sslmode=verify-full&sslrootcert={other}"),
    ] {
        let ended = run(&query);
        assert_eq!(ended.status.code(), Some(125), "{query}: {}", ended.told);
        assert!(ended.told.contains("invalid peer certificate"), "{query}: {}", ended.told);
        assert!(!ended.told.contains(PASSWORD), "{}", ended.told);
    }
    // By the right authority, for another host.
    let by_address = |mode: &str| {
        let url = format!("postgres://migrator:{PASSWORD}@/postgres?{wrong_host}&port={}", server.port());
        let mut run = Run::unwatched(&["--require-monitor"], &["true"]);
        run.command.env("DATABASE_URL", format!("{url}&sslmode={mode}&sslrootcert={ca}"));
        run.end()
    };
    let ended = by_address("verify-ca");
    assert!(ended.status.success(), "{}", ended.told);
    let ended = by_address("verify-full");
    assert_eq!(ended.status.code(), Some(125), "{}", ended.told);
    assert!(ended.told.contains("not valid for name"), "{}", ended.told);

    let plain = shop();
    let mut run = Run::unwatched(&["--require-monitor"], &["true"]);
    run.command.env("DATABASE_URL", format!("{}?sslmode=require", plain.url("migrator")));
    let ended = run.end();
    assert_eq!(ended.status.code(), Some(125), "{}", ended.told);
}
