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
pub mod child_env;
pub mod database;
pub mod expected;
pub mod mask;
pub mod migration;
pub mod monitor;
pub mod plan;
pub mod preflight;
pub mod retry;
pub mod tls;
pub mod version;

use anyhow::Result;
use common::cli::Tool;
use common::exit::Exit;

use migration::Migration;
use plan::Plan;

/// What `main` has to know of this tool.
pub const TOOL: Tool = Tool { name: "dm-migrate", wrapper: true };

/// Runs the migration.
pub fn run(plan: Plan) -> Result<Exit> {
    let Plan { wrap, database } = plan;
    let migration = match database {
        Some(database) => Migration::watched(database)?,
        None => Migration::default(),
    };
    common::wrap::run(wrap, migration)
}
