//! The flags of `--check`.

use std::path::PathBuf;

use clap::ValueEnum;

/// What to check, and how to report it.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Check")]
pub struct CheckArgs {
    /// Run nothing; read the SQL in this file, in this folder of migrations, or on stdin, and report which statement locks
    /// which table, what is unsafe, and what to do instead. PostgreSQL only
    #[arg(long, value_name = "FILE|FOLDER|-", conflicts_with_all = ["command", "on_failure", "status", "timeout"])]
    pub check: Option<PathBuf>,
    /// With --check: each statement is a transaction of its own, as with psql -f. Otherwise a file that does not say how it is
    /// run is taken for one transaction
    #[arg(long, requires = "check")]
    pub autocommit: bool,
    /// The format of the report of --check
    #[arg(long, value_enum, default_value = "human", requires = "check")]
    pub(crate) format: Format,
}

/// The format of the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Text for people
    Human,
    /// One JSON document
    Json,
}
