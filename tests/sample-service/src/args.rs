//! What was typed.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use common::duration;

/// A small service to deploy, with faults that can be switched on
#[derive(Debug, Parser)]
#[command(name = "sample-service", version)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Answer requests until told to stop
    Serve(Serve),
    /// Bring the database's schema up to date
    Migrate(Migrate),
}

#[derive(Debug, clap::Args)]
pub(crate) struct Serve {
    /// The version that it says it is
    #[arg(long, default_value = "1")]
    pub(crate) version_name: String,

    /// Where to listen; port 0 for any. Says where in a line on stdout
    #[arg(long, default_value = "127.0.0.1:0")]
    pub(crate) listen: SocketAddr,

    /// The SQLite database
    #[arg(long)]
    pub(crate) db: PathBuf,

    /// This share of the requests below /api fails, evenly spread
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=100))]
    pub(crate) error_percent: u8,

    /// Requests below /api take at least so long
    #[arg(long, default_value = "0s", value_parser = duration::parse)]
    pub(crate) latency: Duration,

    /// Listens only after this time
    #[arg(long, default_value = "0s", value_parser = duration::parse)]
    pub(crate) start_delay: Duration,

    /// Answers 503 to everything
    #[arg(long)]
    pub(crate) down: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Migrate {
    /// The SQLite database; made where there is none
    #[arg(long)]
    pub(crate) db: PathBuf,

    /// The migration to stop after
    #[arg(long)]
    pub(crate) to: Option<u32>,
}
