//! Sends by hand what is still on its way: after an outage, or at the end of a CI job whose machine is thrown away.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use common::duration::format_duration;
use common::exit::Exit;
use telemetry::pushgateway::{Endpoint, GatewayClient, Left, Outbox, settle};

/// What to send, and where to.
#[derive(Debug)]
pub struct Flush {
    /// The Pushgateway.
    pub endpoint: Endpoint,
    /// The folder of the journal and the outbox.
    pub state_dir: PathBuf,
    /// What it may take.
    pub budget: Duration,
}

/// Sends it, and makes sure that it arrived.
pub fn flush(flush: &Flush) -> Result<Exit> {
    let client = GatewayClient::new(&flush.endpoint, flush.budget)?;
    let outbox = Outbox::new(&flush.state_dir);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let told = runtime.block_on(async { tokio::time::timeout(flush.budget, settle(&client, &outbox)).await });
    let place = flush.endpoint.shown();
    match told {
        Ok(Ok(Left(0))) => Ok(Exit::Success),
        Ok(Ok(Left(groups))) => {
            bail!("{groups} groups at {place} are not settled: refused, or written by others at this moment")
        }
        Ok(Err(error)) => Err(error).with_context(|| format!("not pushed to {place} yet")),
        Err(_) => bail!("not pushed to {place} yet: no answer within {}", format_duration(flush.budget)),
    }
}
