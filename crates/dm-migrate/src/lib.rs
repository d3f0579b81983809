//! Runs a migration command: times it, monitors its lock waits, and records it.
//!
//! ```text
//! dm-migrate -- sqlx migrate run
//! ```
//!
//! This crate owns the view of the database: a monitor with its own connection reports the sessions that block the
//! migration, cancels its remaining statements, and reads the schema's version before and after. It does not own the child process: `dm-stage`
//! runs the command as a stage. It never changes the schema itself. `--check`
//! judges SQL before it runs.

mod address;
mod args;
mod check;
mod connections;
mod database_error;
mod leftover;
mod lock_held;
mod migration;
mod monitor;
mod mysql;
mod on_failure;
mod plan;
mod postgres;
mod redact;
mod retry;
mod schema;
mod server;
mod sqlite;

pub use args::{Args, TOOL};
pub use plan::{Plan, plan};

use anyhow::Result;
use common::cli::warn;
use common::exit::Exit;

use migration::Migration;
use monitor::BeginError;

/// Runs the migration, or checks it.
///
/// # Errors
/// Monitoring is required but not possible, the command cannot be run, or the SQL to check cannot be read.
pub fn run(plan: Plan) -> Result<Exit> {
    let (stage_run, database, on_failure) = match plan {
        Plan::Check(check) => return check::run(*check),
        Plan::Run(run) => (run.stage_run, run.database, run.on_failure),
    };
    let migration = match database.map(Migration::start) {
        None => Migration::default(),
        Some(Ok(migration)) => migration,
        Some(Err(BeginError::LockHeld(lock_held))) => {
            // Nothing ran, so there is nothing to record: the other migration records itself.
            warn(TOOL.name, &[lock_held.to_string()]);
            return Ok(Exit::TryLater);
        }
        Some(Err(BeginError::Unreachable(error))) => return Err(error),
    };
    dm_stage::runner::run(&stage_run, migration.on_failure(on_failure))
}
