//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use common::duration;

use crate::orders::Source;

/// A small service to deploy, with faults that can be injected
#[derive(Debug, Parser)]
#[command(name = "sample-service", version)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Serve requests until SIGTERM
    Serve(Serve),
    /// Migrate the database schema
    Migrate(Migrate),
}

#[derive(Debug, clap::Args)]
pub(crate) struct Serve {
    /// The version that the service reports
    #[arg(long, default_value = "1")]
    pub(crate) version_name: String,

    /// The address to listen on; port 0 chooses a free port. Prints the address on stdout
    #[arg(long, default_value = "127.0.0.1:0")]
    pub(crate) listen: SocketAddr,

    /// The database with the orders: the file of an SQLite database, or the URL of a PostgreSQL
    #[arg(long, env = "DATABASE_URL", value_name = "FILE|URL", hide_env_values = true)]
    pub(crate) db: Source,

    /// The percentage of requests below /api that fail, evenly distributed
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=100))]
    pub(crate) error_percent: u8,

    /// The minimum duration of requests below /api
    #[arg(long, default_value = "0s", value_parser = duration::parse)]
    pub(crate) latency: Duration,

    /// The time to wait before listening
    #[arg(long, default_value = "0s", value_parser = duration::parse)]
    pub(crate) start_delay: Duration,

    /// Answer every request with 503
    #[arg(long)]
    pub(crate) down: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Migrate {
    /// The file of the SQLite database; created if it does not exist
    #[arg(long)]
    pub(crate) db: PathBuf,

    /// The number of the last migration to apply
    #[arg(long)]
    pub(crate) to: Option<u32>,
}
