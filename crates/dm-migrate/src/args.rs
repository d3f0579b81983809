//! What was typed.

use std::ffi::OsString;

use clap::Parser;
use common::flags::{DeploymentArgs, ExportArgs, LimitArgs};

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

    #[command(flatten)]
    pub limit: LimitArgs,

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
