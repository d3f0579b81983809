//! What was typed.

use std::ffi::OsString;
use std::time::Duration;

use clap::Parser;
use common::cli::{DeploymentArgs, ExportArgs};
use common::duration;

const EXAMPLES: &str = "\
Examples:
  dm-migrate -- sqlx migrate run
  dm-migrate --timeout 10m -- ./manage.py migrate --noinput

The database's address stays where the migration tool looks for it; dm-migrate does not need it.

Exit code: the command's own; killed by a signal, dm-migrate dies by the same one. 124: --timeout;
125: wrong usage, or a fault of dm-migrate; 126: not executable; 127: not found. No trouble with
recording changes it.

A migration tool that is killed may leave its statement running in the database, and a lock behind
it: prefer the database's own lock_timeout and statement_timeout to --timeout.";

/// Runs a migration command, times it, records it
#[derive(Debug, Parser)]
#[command(name = "dm-migrate", version, after_help = EXAMPLES)]
pub struct Args {
    /// The migration command and its arguments, after `--`
    #[arg(last = true, value_name = "COMMAND")]
    pub command: Vec<OsString>,

    /// End the command after this time: TERM to it and all it started, then KILL
    #[arg(long, value_name = "DURATION", value_parser = duration::parse_positive)]
    pub timeout: Option<Duration>,

    /// The time between TERM and KILL
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration::parse, requires = "timeout")]
    pub kill_after: Duration,

    #[command(flatten)]
    pub deployment: DeploymentArgs,

    #[command(flatten)]
    pub export: ExportArgs,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_flags_are_consistent() {
        super::Args::command().debug_assert();
    }
}
