//! dm-migrate before real databases: what it sees, tells, records, and leaves behind.
#![expect(clippy::unwrap_used, reason = "a panic is a failed test")]

mod failing;
mod locks;
mod mariadb;
mod seeing;
mod sqlite;
mod tools;
mod versions;
mod watching;

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

/// A run of dm-migrate with `psql -c STATEMENT`, as `role`.
struct Run {
    state: TempDir,
    command: Command,
}

impl Run {
    fn of(server: &Postgres, role: &str, flags: &[&str], statement: &str) -> Self {
        let script = r#"exec "$PSQL" "$DATABASE_URL" -Xq -v ON_ERROR_STOP=1 -c "$0""#;
        let mut run = Self::unwatched(flags, &["sh", "-c", script, statement]);
        run.command.env("DATABASE_URL", server.url(role));
        run
    }

    fn unwatched(flags: &[&str], argv: &[&str]) -> Self {
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
        Running { child, lines, told: String::new(), state: self.state }
    }

    fn end(self) -> Ended {
        self.start().end()
    }
}

struct Running {
    child: Child,
    lines: BufReader<ChildStderr>,
    told: String,
    state: TempDir,
}

impl Running {
    /// Waits until it tells a line with this in it, and gives that.
    fn until(&mut self, text: &str) -> String {
        loop {
            let mut line = String::new();
            assert!(self.lines.read_line(&mut line).unwrap() > 0, "no {text:?} in:\n{}", self.told);
            self.told.push_str(&line);
            if line.contains(text) {
                return line;
            }
        }
    }

    fn send(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().cast_signed()), signal).unwrap();
    }

    fn end(mut self) -> Ended {
        self.lines.read_to_string(&mut self.told).unwrap();
        let status = self.child.wait().unwrap();
        Ended { status, told: self.told, state: self.state }
    }
}

struct Ended {
    status: ExitStatus,
    told: String,
    state: TempDir,
}

impl Ended {
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

/// Waits until so many sessions of migrations are in the database.
fn sessions(server: &Postgres, condition: &str, count: &str) {
    let sql = format!(
        "select count(*) from pg_stat_activity where application_name like 'dm-migrate:%' and {condition}"
    );
    eventually(&sql, || match server.sql(&sql) {
        found if found == count => Ok(()),
        found => Err(found),
    });
}

/// For how long the longest of them has waited, as the server knows it.
fn waited(server: &Postgres) -> f64 {
    let sql = "select coalesce(max(extract(epoch from clock_timestamp() - waitstart)), 0) from pg_locks l \
        join pg_stat_activity a using (pid) where not granted and application_name like 'dm-migrate:%'";
    server.sql(sql).parse().unwrap()
}
