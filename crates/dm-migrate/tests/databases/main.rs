//! dm-migrate with real databases: its reports, its records, and the sessions that it leaves behind.
#![expect(clippy::unwrap_used, reason = "a panic is a failed test")]

mod addresses;
mod aftermath;
mod check;
mod claims;
mod connections;
mod failures;
mod locks;
mod mariadb;
mod monitoring;
mod pooler;
mod safety;
mod sqlite;
mod tools;
mod versions;
mod visibility;

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tempfile::TempDir;
use testkit::postgres::{PASSWORD, Postgres, program};
use testkit::pushgateway::Pushgateway;
use testkit::server::eventually;
use testkit::terminal::Terminal;

const ALTER: &str = "alter table orders add note text default 'a secret value'";

/// A server with a table, the role `migrator` that owns it, and the role `web` that reads it.
fn shop() -> Postgres {
    let server = Postgres::start();
    server.role("migrator", "in role pg_monitor");
    server.role("web", "");
    server.sql(
        "create table orders (id int); alter table orders owner to migrator; grant all on orders to web",
    );
    server.sql("grant create on schema public to migrator");
    server
}

/// A run of dm-migrate.
struct Run {
    state: TempDir,
    command: Command,
}

impl Run {
    /// Runs `psql -c STATEMENT` as `role`, with monitoring.
    fn psql(server: &Postgres, role: &str, flags: &[&str], statement: &str) -> Self {
        let script = r#"exec "$PSQL" "$DATABASE_URL" -Xq -v ON_ERROR_STOP=1 -c "$0""#;
        let mut run = Self::new(flags, &["sh", "-c", script, statement]);
        run.command.env("DATABASE_URL", server.url(role));
        run
    }

    /// Runs these statements as `role` in a transaction block, each in a message of its own, with monitoring.
    fn in_transaction(server: &Postgres, role: &str, flags: &[&str], statements: &str) -> Self {
        Self::script(&server.url(role), flags, &in_transaction(statements))
    }

    /// Runs these statements, each in a message of its own, with monitoring.
    fn script(url: &str, flags: &[&str], statements: &str) -> Self {
        let script = r#"printf '%s' "$0" | "$PSQL" "$DATABASE_URL" -Xq -v ON_ERROR_STOP=1 -f -"#;
        let mut run = Self::new(flags, &["sh", "-c", script, statements]);
        run.command.env("DATABASE_URL", url);
        run
    }

    /// Runs `argv`, without monitoring unless the test sets `DATABASE_URL`.
    fn new(flags: &[&str], argv: &[&str]) -> Self {
        let state = tempfile::tempdir().unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_dm-migrate"));
        command.env_clear().env("PATH", "/usr/local/bin:/usr/bin:/bin").env("PSQL", program("psql"));
        command.env("DM_STATE_DIR", state.path()).env("DM_TEXTFILE", state.path().join("dm.prom"));
        command.env("DM_SERVICE", "shop").env("DM_ENVIRONMENT", "production");
        command.args(flags).arg("--").args(argv);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        Self { state, command }
    }

    fn start(mut self) -> Running {
        let mut child = self.command.spawn().unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap());
        Running { child, lines, stderr: String::new(), state: self.state }
    }

    fn end(self) -> Finished {
        self.start().end()
    }
}

/// A script of these statements in one transaction. As with any tool, some time passes between `begin` and the first of
/// them.
fn in_transaction(statements: &str) -> String {
    format!("begin; select pg_sleep(0.02); {statements}; commit;")
}

struct Running {
    child: Child,
    lines: BufReader<ChildStderr>,
    stderr: String,
    state: TempDir,
}

impl Running {
    /// Waits for a line of stderr that contains `text`, and returns it.
    fn wait_for(&mut self, text: &str) -> String {
        loop {
            let mut line = String::new();
            assert!(self.lines.read_line(&mut line).unwrap() > 0, "no {text:?} in:\n{}", self.stderr);
            self.stderr.push_str(&line);
            if line.contains(text) {
                return line;
            }
        }
    }

    fn send(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().cast_signed()), signal).unwrap();
    }

    fn end(mut self) -> Finished {
        self.lines.read_to_string(&mut self.stderr).unwrap();
        let status = self.child.wait().unwrap();
        Finished { status, stderr: self.stderr, state: self.state }
    }
}

struct Finished {
    status: ExitStatus,
    stderr: String,
    state: TempDir,
}

impl Finished {
    fn event(&self) -> Value {
        serde_json::from_str(self.journal().trim()).unwrap()
    }

    fn journal(&self) -> String {
        std::fs::read_to_string(self.state.path().join("journal.jsonl")).unwrap()
    }

    fn metrics(&self) -> String {
        std::fs::read_to_string(self.state.path().join("dm.prom")).unwrap()
    }
}

/// Waits until `count` sessions of migrations that meet `condition` are in the database.
fn wait_for_session_count(server: &Postgres, condition: &str, count: &str) {
    let sql = format!(
        "select count(*) from pg_stat_activity where application_name like 'dm-migrate:%' and {condition}"
    );
    eventually(&sql, || match server.sql(&sql) {
        other if other == count => Ok(()),
        other => Err(other),
    });
}

/// The longest lock wait of these sessions so far, in seconds, as the server measures it.
fn longest_wait_s(server: &Postgres) -> f64 {
    let sql = "select coalesce(max(extract(epoch from clock_timestamp() - waitstart)), 0) from pg_locks l \
        join pg_stat_activity a using (pid) where not granted and application_name like 'dm-migrate:%'";
    server.sql(sql).parse().unwrap()
}
