//! Removes what the Pushgateway has about a service that is no longer deployed.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::Args;
use common::clock::{Clock as _, SystemClock};
use common::exit::Exit;
use common::label::Label;
use common::runtime;
use common::term::text::one_line;
use telemetry::{Endpoint, GatewayClient, Outbox, Retired};

/// The flags.
#[derive(Debug, Clone, Args)]
pub(crate) struct RetireArgs {
    /// Delete what the Pushgateway has about this service, which is no longer deployed: in the environment of --environment,
    /// or in all. The journal stays
    #[arg(long, value_name = "SERVICE", conflicts_with_all = ["stage", "command", "start", "finish", "query", "flush", "timeout"])]
    pub(crate) retire: Option<Label>,

    /// With --retire: only print what would be deleted
    #[arg(long, requires = "retire")]
    pub(crate) dry_run: bool,
}

/// What to remove, and where.
#[derive(Debug)]
pub struct Retire {
    /// The service.
    pub retired: Retired,
    /// Whether it is only printed.
    pub is_dry_run: bool,
    /// The Pushgateway.
    pub endpoint: Endpoint,
    /// The folder of the journal and the outbox.
    pub state_dir: Option<PathBuf>,
    /// How long each request may take: a service may have hundreds of groups.
    pub budget: Duration,
}

/// Removes it. Prints what is removed, one group a line.
pub(crate) fn retire(retire: &Retire) -> Result<Exit> {
    let Retire { retired, is_dry_run, endpoint, state_dir, budget } = retire;
    let client = GatewayClient::new(endpoint, *budget)?;
    let outbox = state_dir.as_deref().map(|folder| Outbox::new(folder).waiting_at_most(*budget / 2));
    let removing = async {
        if let Some(folder) = state_dir {
            telemetry::wait_for_exporter(folder).await?;
        }
        let removed =
            telemetry::retire(&client, outbox.as_ref(), retired, *is_dry_run, SystemClock.now()).await;
        removed.map_err(anyhow::Error::from)
    };
    let gateway = endpoint.display_url();
    let removed = runtime::block_on(removing).context("cannot set up the event loop")?;
    let removed = removed.with_context(|| format!("{} is not retired at {gateway}", retired.service))?;
    let lines: Vec<String> = removed.iter().map(|line| one_line(line) + "\n").collect();
    common::output::print(&lines.concat())?;
    Ok(Exit::Success)
}
