//! What was typed.

use std::convert::Infallible;
use std::ffi::OsString;
use std::time::Duration;

use clap::Parser;
use common::args::{DeploymentArgs, EmptyAsNone};
use common::cli::Tool;
use common::duration;
use dm_stage::LimitArgs;
use secrecy::SecretString;
use telemetry::args::ExportArgs;

/// The name of this tool; its exit codes are those of the command that it wraps.
pub const TOOL: Tool = Tool { name: "dm-migrate", wrapper: true };

const EXAMPLES: &str = "\
Examples:
  dm-migrate -- sqlx migrate run
  DATABASE_URL=postgres://… dm-migrate -- sqlx migrate run      watched: who blocks it, whom it blocks
  dm-migrate --expect-version 20240131 -- dbmate up
  dm-migrate --timeout 10m -- ./manage.py migrate --noinput

With a database URL (PostgreSQL, MySQL, MariaDB) the migration is watched through a connection of
its own: what stands in its way before it starts, for whom it waits, who waits behind it. On
PostgreSQL its sessions are known by PGAPPNAME, and bounded by PGOPTIONS, which libpq, sqlx, and the
drivers of most tools read; JDBC does not. On MySQL they are known by the connections of the
command's processes. The URL is not passed on: the migration tool finds its database as it always
does. A role sees what others do if it has pg_monitor, an account if it has PROCESS; without, that
is told as unknown.

The schema's version before and after is read, of SQLite too, from the migration tool's own table:
sqlx, dbmate, golang-migrate, Flyway, Liquibase, Alembic, Django, Rails, Prisma, refinery, diesel,
Atlas.

A statement that waits for a lock makes everybody wait who comes after it. So it gives up after
--lock-timeout, everybody else has as long, and the command is run again: --lock-retries. This needs
a version table, to know that nothing was applied; and what one migration does, it does in one
transaction. A limit of your own in PGOPTIONS, or in the migration, wins. On MySQL there is a limit
only where --lock-timeout is given, for a change that is cancelled may be half done.

Before the command is told to end (--timeout, TERM, INT) its statement is cancelled in the database,
and it is made sure that none is left. Nobody else's session is touched, except by
--terminate-blockers: three at most, never a superuser's, a replication or a process of the server;
the role needs pg_signal_backend for it. Each is told, and recorded.

After a failure nothing is undone by itself. --on-failure COMMAND is run once after a migration that
failed, or was ended by --timeout; not where somebody asked for the end. It has the same --timeout,
and finds the schema's versions in DM_MIGRATION_BEFORE and DM_MIGRATION_AFTER.

Exit code: the command's own; killed by a signal, dm-migrate dies by the same one. 124: --timeout;
125: wrong usage, or a fault of dm-migrate; 126: not executable; 127: not found. 1 where the command
succeeded, and not as --expect-version or --expect-change wants it; 75: --advisory-lock is held, and
nothing was run. No trouble with recording or watching changes it.";

/// Runs a migration command, watches what it waits for, times it, records it
#[derive(Debug, Parser)]
#[command(name = "dm-migrate", version, after_help = EXAMPLES)]
pub struct Args {
    /// The migration command and its arguments, after `--`
    #[arg(last = true, value_name = "COMMAND")]
    pub command: Vec<OsString>,

    #[command(flatten)]
    pub limit: LimitArgs,

    /// Run this once where the migration failed, such as './restore.sh --last'; without a shell. Changes no exit code
    #[arg(long, value_name = "COMMAND")]
    pub on_failure: Option<String>,

    /// On a terminal, show one live line at its foot: for how long it runs, from which version, for whom it waits, who
    /// waits behind it, how far it is
    #[arg(long)]
    pub status: bool,

    #[command(flatten)]
    pub database: DatabaseArgs,

    #[command(flatten)]
    pub deployment: DeploymentArgs,

    #[command(flatten)]
    pub export: ExportArgs,
}

/// The database, and how to treat it.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Database")]
pub struct DatabaseArgs {
    /// The database to watch: better in the variable, or as file:PATH, than on the command line
    #[arg(long, env = "DATABASE_URL", value_name = "URL", hide_env_values = true, value_parser = secret)]
    pub database_url: Option<EmptyAsNone<SecretString>>,
    /// Do not run the command where the database cannot be watched: end with 125
    #[arg(long)]
    pub require_monitor: bool,
    /// End with 1 where the schema is not at this version afterwards, or that cannot be known
    #[arg(long, value_name = "VERSION")]
    pub expect_version: Option<String>,
    /// End with 1 where the schema's version is what it was before, or that cannot be known
    #[arg(long)]
    pub expect_change: bool,
    /// Let no other dm-migrate with this flag change this database meanwhile: end with 75 where one does
    #[arg(long)]
    pub advisory_lock: bool,
    /// A statement of the migration gives up after waiting so long for a lock; 0s: never [default: 5s; with MySQL: never]
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    pub lock_timeout: Option<Duration>,
    /// Run the command again, so often at most, where it failed only by --lock-timeout and the version has not moved
    #[arg(long, value_name = "N", default_value = "10")]
    pub lock_retries: u32,
    /// PostgreSQL: end the sessions that block the migration, if they are as --blocker-state and --blocker-min-age say
    #[arg(long)]
    pub terminate_blockers: bool,
    /// Only those in this state
    #[arg(
        long,
        value_name = "STATE",
        default_value = "idle in transaction",
        requires = "terminate_blockers"
    )]
    pub blocker_state: String,
    /// Only those that have been in it for so long
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = duration::parse, requires = "terminate_blockers")]
    pub blocker_min_age: Duration,
}

fn secret(text: &str) -> Result<EmptyAsNone<SecretString>, Infallible> {
    EmptyAsNone::parse_with(text, |text| Ok(SecretString::from(text)))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_flags_are_consistent() {
        super::Args::command().debug_assert();
    }
}
