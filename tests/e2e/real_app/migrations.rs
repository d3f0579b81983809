//! Deployments whose migration fails, or has to wait.

use super::app::App;
use super::ending::Ending;

const UNDEPLOYED: &str = "; nothing was deployed; release 1 is live";

/// Two attempts, the second of which is the last.
const IMPATIENT: &str = "export DM_LOCK_TIMEOUT=200ms DM_LOCK_RETRIES=1";

fn write_migration(app: &App, sql: &str) {
    let text = format!("-- migrate:up\n{sql};\n\n-- migrate:down\n");
    app.edit("db/migrations/20260101000002_note.sql", &text);
}

#[test]
fn a_migration_that_does_not_come_through_leaves_the_old_version_live() {
    let app = App::with_good_version();
    write_migration(&app, "alter table orders add column note text");
    let report = app.postgres.session_in("shop", "shop", "report", "begin; select * from orders limit 0");
    let blocker = r#"blocked by pid \d+, user shop, app "report", idle in transaction for \S+"#;
    let last_line = format!(
        "FAILED at migration: the migration gave up after waiting \\S+ for a lock: {blocker}{UNDEPLOYED}"
    );
    let ending = Ending { case: "blocked migration", code: 1, last_line: &last_line, live: ("1", "1") };
    ending.check(&app, app.deploy("2", IMPATIENT));

    // The team's own limit ends the wait, in the database.
    let own = "export PGOPTIONS='-c lock_timeout=1500ms' DM_LOCK_TIMEOUT=2400ms";
    let last_line = format!(
        "FAILED at migration: canceling statement due to lock timeout \\(55P03\\): {blocker}{UNDEPLOYED}"
    );
    let ending = Ending { case: "own lock timeout", code: 1, last_line: &last_line, live: ("1", "1") };
    ending.check(&app, app.deploy("3", own));
    report.end();

    write_migration(&app, "alter table orders add column note text; update orders set z = 1");
    let last_line = format!(
        "FAILED at migration: column \"z\" of relation \"orders\" does not exist at position 2:60 \\(42703\\){UNDEPLOYED}"
    );
    let ending = Ending { case: "failed migration", code: 1, last_line: &last_line, live: ("1", "1") };
    ending.check(&app, app.deploy("4", ""));

    write_migration(&app, "alter table orders add column note text");
    let last_line = r"deployed 5 in \S+, kept: \d+ of \d+ requests failed";
    let ending = Ending { case: "repaired migration", code: 0, last_line, live: ("5", "5") };
    let said = ending.check(&app, app.deploy("5", ""));
    let moved = "the schema went from 20260101000001 to 20260101000002 (dbmate)";
    assert!(said.contains(moved), "{said}");
}
