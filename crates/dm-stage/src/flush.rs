//! Sends pending events on demand: after an outage, or at the end of a CI job whose machine is thrown away.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use common::duration::format_duration;
use common::exit::Exit;
use common::runtime;
use telemetry::{Context, Endpoint, GatewayClient, Outbox, settle, wait_for_exporter};

/// What to send, and where to.
#[derive(Debug)]
pub struct Flush {
    /// The Pushgateway.
    pub endpoint: Endpoint,
    /// The folder of the journal and the outbox.
    pub state_dir: PathBuf,
    /// How long it may take.
    pub budget: Duration,
}

/// Adds all pending events to the shared state, and pushes its totals.
pub(crate) fn flush_shared(context: &Context) -> Result<Exit> {
    telemetry::flush_shared(context, context.sinks.budget).map_err(anyhow::Error::msg)?;
    Ok(Exit::Success)
}

/// Sends all pending events, and verifies that they arrived.
pub(crate) fn flush(flush: &Flush) -> Result<Exit> {
    let client = GatewayClient::new(&flush.endpoint, flush.budget)?;
    // A lock that somebody holds is reported before the budget has ended.
    let outbox = Outbox::new(&flush.state_dir).waiting_at_most(flush.budget * 3 / 4);
    let settled = async {
        // It ends by itself, and may need longer than the budget.
        if let Err(error) = wait_for_exporter(&flush.state_dir).await {
            return Ok(Err(error.into()));
        }
        tokio::time::timeout(flush.budget, settle(&client, &outbox)).await
    };
    let gateway = flush.endpoint.display_url();
    match runtime::block_on(settled).context("cannot set up the event loop")? {
        Ok(Ok(0)) => Ok(Exit::Success),
        Ok(Ok(groups)) => {
            bail!(
                "{groups} groups at {gateway} are not settled: the Pushgateway rejected them, or other tools are writing \
                 them; run dm-stage --flush again"
            )
        }
        Ok(Err(error)) => Err(error).with_context(|| format!("not pushed to {gateway} yet")),
        Err(_) => bail!("not pushed to {gateway} yet: no response within {}", format_duration(flush.budget)),
    }
}
