//! A small service to deploy in the demo and the tests: a health page, orders from a database, and faults that can be
//! injected. It is not shipped with the tools.

mod args;
mod database;
mod faults;
mod orders;
mod serve;

use std::process::ExitCode;

use clap::Parser;
use common::cli::warn;

use args::{Args, Command};

fn main() -> ExitCode {
    let result = match Args::parse().command {
        Command::Serve(args) => serve::serve(args),
        Command::Migrate(args) => database::migrate(&args.db, args.to),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            warn("sample-service", &[format!("{error:#}")]);
            ExitCode::FAILURE
        }
    }
}
