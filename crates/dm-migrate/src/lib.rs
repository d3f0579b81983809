//! Runs a migration command, watches what it waits for, times it, records it.
//!
//! ```text
//! dm-migrate -- sqlx migrate run
//! ```
//!
//! Ends as the command ends, as `dm-stage` does; the process handling is the same code. Beside it, where a database
//! is known, a [`monitor`] looks at the migration's sessions.

pub mod address;
pub mod args;
pub mod expected;
pub mod held;
pub mod mask;
pub mod migration;
pub mod monitor;
pub mod mysql;
pub mod on_failure;
pub mod plan;
pub mod postgres;
pub mod retry;
pub mod server;
pub mod sqlite;
pub mod version;

use anyhow::Result;
use common::cli::{Tool, warn};
use common::exit::Exit;

use held::Held;
use migration::Migration;
use plan::Plan;

/// What `main` has to know of this tool.
pub const TOOL: Tool = Tool { name: "dm-migrate", wrapper: true };

/// Runs the migration.
pub fn run(plan: Plan) -> Result<Exit> {
    let Plan { wrap, database, on_failure } = plan;
    let migration = match database.map(Migration::watched) {
        None => Migration::default(),
        Some(Ok(migration)) => migration,
        Some(Err(error)) if error.is::<Held>() => {
            // Nothing ran, and there is nothing to record: what is recorded as running is the other one.
            warn(TOOL.name, &[format!("{error:#}")]);
            return Ok(Exit::TryLater);
        }
        Some(Err(error)) => return Err(error),
    };
    dm_stage::runner::run(&wrap, migration.on_failure(on_failure))
}
