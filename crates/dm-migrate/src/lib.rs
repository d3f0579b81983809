//! Runs a migration command, times it, records it.
//!
//! ```text
//! dm-migrate -- sqlx migrate run
//! ```
//!
//! Ends as the command ends, as `dm-stage` does; the process handling is the same code.

pub mod args;
pub mod plan;

use anyhow::Result;
use common::cli::Tool;
use common::event::Detail;
use common::exit::Exit;
use common::wrap::Wrap;

/// What `main` has to know of this tool.
pub const TOOL: Tool = Tool { name: "dm-migrate", wrapper: true };

/// Runs the migration.
pub fn run(plan: Wrap) -> Result<Exit> {
    common::wrap::run(plan, |child| Detail::Migration {
        before: None,
        after: None,
        dirty: None,
        lock_wait_s: None,
        blocked_max: None,
        child,
    })
}
