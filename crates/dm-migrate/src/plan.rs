//! What it means.

use anyhow::{Result, bail};
use common::context::Context;
use common::event::Reason;
use common::scope::Work;
use common::wrap::Wrap;

use crate::TOOL;
use crate::args::Args;

/// Finds out what to run.
pub fn plan(args: Args) -> Result<Wrap> {
    if args.command.first().is_none_or(|program| program.is_empty()) {
        bail!(
            "no migration command given: write dm-migrate -- COMMAND, such as dm-migrate -- sqlx migrate run"
        );
    }
    Ok(Wrap {
        context: Context::find(TOOL.name, &args.deployment, &args.export)?,
        stage: "migration".parse().map_err(anyhow::Error::msg)?,
        work: Work::Migration,
        failure: Reason::MigrationFailed,
        allowed: Vec::new(),
        argv: args.command,
        timeout: args.limit.timeout,
        kill_after: args.limit.kill_after,
        may_outlive: args.limit.may_outlive,
    })
}
