//! The command line, as typed.

use std::ffi::OsString;
use std::time::Duration;

use clap::Parser;
use common::args::{DeploymentArgs, EmptyAsNone, parse_secret};
use common::cli::Tool;
use common::duration;
use dm_stage::runner::StdinMode;
use dm_stage::{LimitArgs, OutputArgs};
use secrecy::SecretString;
use telemetry::ExportArgs;

use crate::check::CheckArgs;
use crate::schema::VersionTable;

/// The name and the kind of this tool.
pub const TOOL: Tool = Tool { name: "dm-migrate", wrapper: true };

const EXAMPLES: &str = "\
Examples:
  dm-migrate -- sqlx migrate run
  DATABASE_URL=postgres://… dm-migrate -- sqlx migrate run  # monitored
  dm-migrate --expect-version 20240131 -- dbmate up
  dm-migrate --timeout 10m -- ./manage.py migrate --noinput
  dm-migrate --check db/migrations                          # is it safe?
  alembic upgrade head --sql | dm-migrate --check -

Monitoring: with a database URL (PostgreSQL, MySQL, MariaDB), dm-migrate
watches the migration through a connection of its own. It reports obstacles
before the migration starts, the sessions that block it, and the sessions
that wait behind it. The URL is not passed on: the migration tool finds its
database as usual. On PostgreSQL, dm-migrate recognizes the sessions of the
migration by PGAPPNAME, which libpq, sqlx and the drivers of most tools
read, or by the connections of the command's processes, as on MySQL. To
see other sessions, a PostgreSQL role needs pg_monitor, and a MySQL account
needs PROCESS; what cannot be seen is reported as unknown.

Schema version: dm-migrate reads the version before and after the migration,
also from SQLite, from the table of the migration tool: Alembic, Atlas,
dbmate, Diesel, Django, Doctrine, Drizzle, Ecto, EF Core, Flyway,
golang-migrate, goose, knex, Laravel, Liquibase, node-pg-migrate, Prisma,
Rails, refinery, Sequelize, sqlx, TypeORM; or from --version-table.

Lock timeout: all statements that come after a statement that waits for a
lock wait too. Therefore dm-migrate cancels such a statement after 5s, lets
other sessions proceed, and runs the command again, up to --lock-retries
times. It does so only if the command can run again: on PostgreSQL, in a
transaction block, with an unchanged version and schema, and a stdin that
can be read again. Otherwise it only watches, and says so. With
--lock-timeout, it cancels such a statement even if the command then fails.
It never cancels a wait that blocks nobody or that is for another migration:
CONCURRENTLY, advisory locks, version tables. On MySQL, nothing is cancelled
without --lock-timeout, because a cancelled change may be half done.

Afterwards: an invalid index, an index that REINDEX CONCURRENTLY left behind,
or a constraint that is not validated, which were not there before, are a
failure, and the statement that repairs them is shown.

Check: --check reads pending SQL for PostgreSQL and runs nothing. It reports
which statement takes which lock on which table, what is rewritten or scanned
meanwhile, what is unsafe, why, and what to do instead. With a database URL,
it also knows sizes, types and functions, and skips the files of a folder that
the version table contains. What it cannot judge, it calls not judged. A
comment before a statement accepts a finding: -- dm-migrate: allow drop-column
Exit code: 0 safe, 1 unsafe, 3 nothing unsafe but not all judged, 4 no SQL.

Cancellation: before dm-migrate ends the command (--timeout, TERM, INT), it
cancels the command's statement in the database and verifies that none is
left. It does not touch other sessions, except with --terminate-blockers,
which ends at most three, never a superuser's session, a replication or a
process of the server, and needs the role pg_signal_backend. Each terminated
session is reported and recorded.

Failure: nothing is undone automatically. --on-failure COMMAND runs once
after a migration that failed or exceeded --timeout, but not if dm-migrate
itself was asked to stop (TERM, INT). It has the same --timeout, and gets the
versions of the schema in DM_MIGRATION_BEFORE and DM_MIGRATION_AFTER.

Exit code: that of the command. If a signal kills the command, dm-migrate
dies by the same signal. 1: the command succeeded, but left an invalid index
or an unvalidated constraint behind, or --expect-version or --expect-change
is not met; 75: another dm-migrate holds --advisory-lock, and
nothing ran; 124: the time limit expired; 125: wrong usage, or a fault of
dm-migrate; 126: not executable; 127: not found. Problems with recording or
monitoring do not change the exit code.";

/// Runs a migration command: times it, monitors its lock waits, records it
#[derive(Debug, Parser)]
#[command(name = "dm-migrate", version, after_help = EXAMPLES)]
pub struct Args {
    /// The migration command and its arguments, after `--`
    #[arg(last = true, value_name = "COMMAND")]
    pub command: Vec<OsString>,

    #[command(flatten)]
    pub limit: LimitArgs,

    #[command(flatten)]
    pub output: OutputArgs,

    /// Run COMMAND once if the migration failed, such as './restore.sh --last'; without a shell. Does not change the exit
    /// code
    #[arg(long, value_name = "COMMAND")]
    pub on_failure: Option<String>,

    /// On a terminal, show a live status line: the elapsed time, the version before, the sessions that block the
    /// migration or wait behind it, and its progress
    #[arg(long)]
    pub status: bool,

    /// What the command gets as stdin. A command that may have read a pipe is not retried, unless its stdin is replayed
    #[arg(long, value_enum, default_value_t)]
    pub stdin: StdinMode,

    #[command(flatten)]
    pub check: CheckArgs,

    #[command(flatten)]
    pub database: DatabaseArgs,

    #[command(flatten)]
    pub deployment: DeploymentArgs,

    #[command(flatten)]
    pub export: ExportArgs,
}

/// The database, and how to monitor it.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Database")]
pub struct DatabaseArgs {
    /// The database to monitor. Other users can see the command line: prefer the variable, or file:PATH
    #[arg(long, env = "DATABASE_URL", value_name = "URL", hide_env_values = true, value_parser = parse_secret)]
    pub database_url: Option<EmptyAsNone<SecretString>>,
    /// The database to monitor, if DATABASE_URL has the address of a connection pooler, or of another role; DIRECT_URL is used
    /// too
    #[arg(long, env = "MIGRATION_DATABASE_URL", value_name = "URL", hide_env_values = true, value_parser = parse_secret)]
    pub monitor_url: Option<EmptyAsNone<SecretString>>,
    /// Exit with 125, without running the command, if the database cannot be monitored
    #[arg(long)]
    pub require_monitor: bool,
    /// Exit with 1 if the schema is not at this version afterwards, or if its version is unknown
    #[arg(long, value_name = "VERSION")]
    pub expect_version: Option<String>,
    /// Exit with 1 if the version of the schema has not changed, or if it is unknown
    #[arg(long)]
    pub expect_change: bool,
    /// Allow only one dm-migrate with this flag per database at a time: a second one waits for this long, such as
    /// --advisory-lock='wait 10m', or exits with 75
    #[arg(long, value_name = "wait DURATION", num_args = 0..=1, require_equals = true, default_missing_value = "", value_parser = duration::parse_wait)]
    pub advisory_lock: Option<Duration>,
    /// The version table of the migration tool, if it has another name than by default, and its column with the version
    #[arg(long, value_name = "SCHEMA.TABLE[.COLUMN]")]
    pub(crate) version_table: Option<VersionTable>,
    /// Only watch: the command gets no environment variables for its sessions, and none of its statements is cancelled
    #[arg(long)]
    pub watch_only: bool,
    /// Do not fail if the migration leaves a constraint that is not validated
    #[arg(long)]
    pub allow_unvalidated: bool,
    /// How long a statement of the migration may wait for a lock that others can wait behind; 0s: no limit [default: 5s on
    /// PostgreSQL where the command can run again, otherwise no limit]
    #[arg(long, env = "DM_LOCK_TIMEOUT", value_name = "DURATION", value_parser = parse_duration)]
    pub lock_timeout: Option<EmptyAsNone<Duration>>,
    /// Retry up to N times if the command failed because of the lock timeout and nothing was applied [default: 10]
    #[arg(long, env = "DM_LOCK_RETRIES", value_name = "N")]
    pub lock_retries: Option<EmptyAsNone<u32>>,
    /// Begin no further attempt when all together have taken this long [default: 15m]
    #[arg(long, env = "DM_LOCK_RETRY_TIME", value_name = "DURATION", value_parser = parse_duration)]
    pub lock_retry_time: Option<EmptyAsNone<Duration>>,
    /// PostgreSQL: terminate sessions that block the migration, if they match --blocker-state and --blocker-min-age
    #[arg(long)]
    pub terminate_blockers: bool,
    /// Terminate only sessions in this state
    #[arg(
        long,
        value_name = "STATE",
        default_value = "idle in transaction",
        requires = "terminate_blockers"
    )]
    pub blocker_state: String,
    /// Terminate only sessions that have been in that state for at least this long
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = duration::parse, requires = "terminate_blockers")]
    pub blocker_min_age: Duration,
}

fn parse_duration(text: &str) -> Result<EmptyAsNone<Duration>, String> {
    EmptyAsNone::parse_with(text, duration::parse)
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory as _, Parser as _};

    use super::Args;

    #[test]
    fn the_flags_are_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn debug_output_does_not_show_the_database_url() {
        let url = "postgres://web:s3cr3t@db.internal/shop";
        let args = Args::parse_from(["dm-migrate", "--database-url", url, "--", "true"]);
        let output = format!("{args:?}");
        assert!(output.contains("database_url: Some("), "{output}");
        assert!(!output.contains("s3cr3t") && !output.contains("db.internal"), "{output}");
    }
}
