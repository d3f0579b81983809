//! Brings the events of one group to the gateway, each counted exactly once.
//!
//! Read, add, PUT. What is added is decided by the group's ring of tokens, so it does not matter who was killed when:
//! an event whose token the ring shows is not added again, one that the ring proves missing is.

use anyhow::Result;
use chrono::TimeDelta;

use super::client::GatewayClient;
use super::dedup::{DeliveryState, Put, RecentTokens, Token};
use super::group_key::GroupKey;
use super::outbox::{GroupBox, Item};
use super::snapshot::Snapshot;
use crate::metrics::exposition::UnequalBuckets;
use crate::metrics::{Contribution, Exposition, contribution};
use common::event::Event;

/// By so much the clocks of the gateway and of the machines may disagree.
const CLOCKS_DISAGREE: TimeDelta = TimeDelta::minutes(1);

/// Delivers everything that waits in `group`; its lock must be held. The answer tells of histograms that could not be
/// added to.
///
/// If the read fails nothing is written: a wrong base would look like a reset, and count everything again.
pub(super) async fn deliver(client: &GatewayClient, group: &GroupBox) -> Result<Vec<UnequalBuckets>> {
    let items = group.items()?;
    let Some(newest) = items.last().map(|item| &item.event) else { return Ok(Vec::new()) };
    let key = GroupKey::counters(&newest.identity, &newest.stage);
    let state_key = GroupKey::state(&newest.identity, &newest.stage);
    let store = client.read().await?;
    let mut held = store.group(&key);
    let ring = held.as_mut().map(RecentTokens::take);

    let mut to_add = Vec::new();
    for item in items {
        match item.put.map(|put| put.standing(ring.as_ref())) {
            None | Some(DeliveryState::Lost) => to_add.push(item),
            Some(DeliveryState::Counted | DeliveryState::Unknown) => item.done()?,
        }
    }
    if to_add.is_empty() {
        return Ok(Vec::new());
    }
    if !is_late(&store, &to_add) {
        find_outages(&store, &mut to_add);
        let state = state_of(&to_add);
        if !state.is_empty() {
            client.post(&state_key, &state).await?;
        }
    }
    put_counters(client, &key, held.unwrap_or_default(), ring.unwrap_or_default(), &mut to_add).await
}

/// Delivers an event that could not be written to the state directory: without it nothing can be verified later.
pub(super) async fn deliver_unkept(client: &GatewayClient, event: &Event) -> Result<Vec<UnequalBuckets>> {
    let (mut event, store) = (event.clone(), client.read().await);
    if let Ok(store) = &store
        && event.stage.is_deployment()
    {
        store.outage(&event.identity).add(&mut event);
    }
    let Contribution { state, counters } = contribution(&event);
    client.post(&GroupKey::state(&event.identity, &event.stage), &state).await?;
    let key = GroupKey::counters(&event.identity, &event.stage);
    let mut held = store?.group(&key).unwrap_or_default();
    let mut ring = RecentTokens::take(&mut held);
    let refused = held.add(&counters);
    ring.push(Token::of(&event.id));
    ring.put(&mut held);
    client.put(&key, &held).await?;
    Ok(refused)
}

/// Forgets the events of `group` that `store` shows as counted; says whether any are left. Its lock must be held.
///
/// A store that was read before an event was put proves nothing by its absence, so nothing else is concluded.
pub(super) fn verify(group: &GroupBox, store: &Snapshot) -> Result<bool> {
    let mut all = true;
    let mut ring = None;
    for item in group.items()? {
        let key = || GroupKey::counters(&item.event.identity, &item.event.stage);
        let ring = ring.get_or_insert_with(|| store.group(&key()).as_mut().map(RecentTokens::take));
        match item.put.map(|put| put.standing(ring.as_ref())) {
            Some(DeliveryState::Counted) => item.done()?,
            _ => all = false,
        }
    }
    Ok(all)
}

/// Writes into deployments what they say of an outage, as long as the state shows what came before them. What was put
/// already has it, or is to be counted without.
fn find_outages(store: &Snapshot, items: &mut [Item]) {
    let Some(first) = items.first().filter(|item| item.event.stage.is_deployment()) else { return };
    let mut outage = store.outage(&first.event.identity);
    for item in items.iter_mut().filter(|item| item.put.is_none()) {
        outage.add(&mut item.event);
        if item.event.restored_s.is_some() {
            // The state will show no outage any more. Where this cannot be kept, and the tool is killed before the PUT,
            // the length of the outage stays unknown.
            let _ = item.keep();
        }
    }
}

/// The state that the events leave.
fn state_of(items: &[Item]) -> Exposition {
    let mut state = Exposition::default();
    for item in items {
        state.replace(&contribution(&item.event).state, &[]);
    }
    state
}

/// Whether something newer was said of the stage, by whatever machine, than what these events have to say.
fn is_late(store: &Snapshot, items: &[Item]) -> bool {
    items.last().map(|item| &item.event).is_some_and(|newest| {
        let happened_at = newest.ts + CLOCKS_DISAGREE;
        #[expect(clippy::cast_precision_loss, reason = "milliseconds since the epoch fit 53 bits")]
        let happened_at = happened_at.timestamp_millis() as f64 / 1000.0;
        let key = GroupKey::state(&newest.identity, &newest.stage);
        store.pushed_at(&key).is_some_and(|pushed_at| pushed_at > happened_at)
    })
}

/// Adds the events to what the group holds, and puts it back. One token stands for all of them: they are counted
/// together or not at all.
async fn put_counters(
    client: &GatewayClient,
    key: &GroupKey,
    mut held: Exposition,
    mut ring: RecentTokens,
    items: &mut [Item],
) -> Result<Vec<UnequalBuckets>> {
    let Some(token) = items.last().map(|item| Token::of(&item.event.id)) else { return Ok(Vec::new()) };
    let mut refused = Vec::new();
    for item in items.iter() {
        refused.extend(held.add(&contribution(&item.event).counters));
    }
    let tried = Put { token, before: ring.newest(), acknowledged: false };
    ring.push(token);
    ring.put(&mut held);
    for item in items.iter_mut() {
        item.record(tried)?;
    }
    client.put(key, &held).await?;
    for item in items.iter_mut() {
        item.record(Put { acknowledged: true, ..tried })?;
    }
    Ok(refused)
}
