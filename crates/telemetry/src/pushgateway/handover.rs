//! Hands the events that wait for the Pushgateway over to the shared state, when a machine gets one. From then on the
//! counters come from the shared state, so nobody else would send them.

use super::client::GatewayClient;
use super::dedup::{DeliveryState, RecentTokens};
use super::enqueue::complete_interrupted;
use super::error::PushError;
use super::group_key::GroupKey;
use super::outbox::{GroupOutbox, Outbox, OutboxEntry};
use super::snapshot::Snapshot;

/// Moves every event that the Pushgateway has not counted to the events that wait for the shared state, each in one step.
/// Without a Pushgateway that responds, events whose PUT was begun wait.
///
/// # Errors
/// The state directory or the Pushgateway cannot be used.
pub(crate) async fn hand_over(outbox: &Outbox, client: Option<&GatewayClient>) -> Result<(), PushError> {
    let mut snapshot = None;
    for group in outbox.groups()?.into_iter().filter(|group| !group.is_empty()) {
        let _lock = group.lock().await?;
        complete_interrupted(&group)?;
        for entry in group.entries()? {
            if entry.put().is_some() {
                let Some(client) = client else { continue };
                if snapshot.is_none() {
                    snapshot = Some(client.read().await?);
                }
                if !snapshot.as_ref().is_some_and(|snapshot| is_lost(&entry, snapshot)) {
                    entry.remove()?;
                    continue;
                }
            }
            let waiting: GroupOutbox =
                outbox.unshared(&entry.event.identity.environment, &entry.event.identity.service);
            entry.hand_over(&waiting)?;
        }
    }
    Ok(())
}

/// Whether an event whose PUT was begun is not counted.
fn is_lost(entry: &OutboxEntry, snapshot: &Snapshot) -> bool {
    let Some(put) = entry.put() else { return true };
    let key = GroupKey::counters(&entry.event.identity, &entry.event.stage);
    let recent = snapshot.group(&key).as_mut().map(RecentTokens::take_from);
    // Totals of the shared state have no tokens. They began with what the Pushgateway showed.
    let is_replaced = recent.as_ref().is_some_and(RecentTokens::is_empty) && !put.before.is_empty();
    !is_replaced && put.delivery_state(recent.as_ref()) == DeliveryState::Lost
}
