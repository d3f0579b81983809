//! Sends pending events on demand: after an outage, or at the end of a CI job whose machine is thrown away.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use common::duration::format_duration;
use common::exit::Exit;
use common::runtime;
use telemetry::{
    Context, Endpoint, GatewayClient, OtlpSettings, Outbox, Sinks, send_waiting, settle, wait_for_exporter,
};

/// What to send, and where to.
#[derive(Debug)]
pub struct Flush {
    /// The Pushgateway.
    pub endpoint: Option<Endpoint>,
    /// The collectors of OpenTelemetry.
    pub otlp: Option<OtlpSettings>,
    /// The folder of the journal and the outbox.
    pub state_dir: PathBuf,
    /// How long it may take.
    pub budget: Duration,
}

/// Adds all pending events to the shared state, and pushes its totals. What fails at one place keeps nothing from the other.
pub(crate) fn flush_shared(context: &Context) -> Result<Exit> {
    let Sinks { otlp, state_dir, budget, .. } = &context.sinks;
    let sent = match (otlp, state_dir) {
        (Some(settings), Some(state_dir)) => send_to_collectors(state_dir, settings, *budget),
        _ => Ok(()),
    };
    telemetry::flush_shared(context, *budget).map_err(anyhow::Error::msg)?;
    sent.map(|()| Exit::Success)
}

/// Sends all pending events, and verifies that they arrived. What fails at one place keeps nothing from the other.
pub(crate) fn flush(flush: &Flush) -> Result<Exit> {
    let sent = match &flush.otlp {
        Some(settings) => send_to_collectors(&flush.state_dir, settings, flush.budget),
        None => Ok(()),
    };
    if let Some(endpoint) = &flush.endpoint {
        push(flush, endpoint)?;
    }
    sent.map(|()| Exit::Success)
}

/// Sends traces, logs and metrics.
fn send_to_collectors(state_dir: &Path, settings: &OtlpSettings, budget: Duration) -> Result<()> {
    let sent = async {
        wait_for_exporter(state_dir).await?;
        tokio::time::timeout(budget, send_waiting(state_dir, settings))
            .await
            .map_err(|_| anyhow!("not sent by OTLP yet: no response within {}", format_duration(budget)))
    };
    let messages = runtime::block_on(sent).context("cannot set up the event loop")??;
    if messages.is_empty() { Ok(()) } else { Err(anyhow!(messages.join("; "))) }
}

fn push(flush: &Flush, endpoint: &Endpoint) -> Result<()> {
    let client = GatewayClient::new(endpoint, flush.budget)?;
    // A lock that somebody holds is reported before the budget has ended.
    let outbox = Outbox::new(&flush.state_dir).waiting_at_most(flush.budget * 3 / 4);
    let settled = async {
        // It ends by itself, and may need longer than the budget.
        if let Err(error) = wait_for_exporter(&flush.state_dir).await {
            return Ok(Err(error.into()));
        }
        tokio::time::timeout(flush.budget, settle(&client, &outbox)).await
    };
    let gateway = endpoint.display_url();
    match runtime::block_on(settled).context("cannot set up the event loop")? {
        Ok(Ok(0)) => Ok(()),
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
