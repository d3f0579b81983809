//! Pushes the events of one group to the Pushgateway, each counted exactly once.
//!
//! Read, add, PUT. The group's recent tokens decide what is added, so it does not matter which tool was killed when: an
//! event whose token is in the group is not added again, and one that is provably missing is.

use std::collections::HashSet;

use chrono::TimeDelta;

use super::client::GatewayClient;
use super::dedup::{DeliveryState, PutRecord, RecentTokens, Token};
use super::enqueue::complete_interrupted;
use super::error::PushError;
use super::group_key::GroupKey;
use super::outbox::{GroupOutbox, OutboxEntry, OutboxFile};
use super::snapshot::Snapshot;
use crate::journal::{Entry, Journal};
use crate::metrics::exposition::Remark;
use crate::metrics::{Contribution, Exposition, contribution};
use common::clock::epoch_seconds;
use common::event::Event;

/// How far the clocks of the Pushgateway and of the machines may differ.
const CLOCK_TOLERANCE: TimeDelta = TimeDelta::minutes(1);

/// How many events are read and pushed together. A backlog of any length leaves in steps; each that is done stays done.
const MAX_BATCH: usize = 1000;

/// Pushes all pending events of `group`. The caller has the group's lock. Returns the histograms that could not be added
/// to.
///
/// If the read fails, nothing is written: a wrong base would look like a counter reset, and everything would be counted
/// again.
pub(crate) async fn push_group(
    client: &GatewayClient,
    group: &GroupOutbox,
) -> Result<Vec<Remark>, PushError> {
    complete_interrupted(group)?;
    let mut remarks = Vec::new();
    let Some(key) = group.key() else { return Ok(remarks) };
    let mut files = group.files()?;
    let mut is_state_outdated = None;
    while !files.is_empty() {
        let snapshot = client.read().await?;
        let mut counters = snapshot.group(&key);
        let recent = counters.as_mut().map(RecentTokens::take_from);
        let mut pending = Vec::new();
        let mut later = Vec::new();
        for file in files {
            match file.put.as_ref().map(|put| put.delivery_state(recent.as_ref())) {
                Some(DeliveryState::Counted | DeliveryState::Unknown) => file.remove()?,
                None | Some(DeliveryState::Lost) if pending.len() < MAX_BATCH => pending.extend(file.read()),
                None | Some(DeliveryState::Lost) => later.push(file),
            }
        }
        let Some(last) = pending.last().map(|entry| &entry.event) else { break };
        // Later steps would take the state that the first one pushed for a newer one.
        let is_state_outdated = *is_state_outdated.get_or_insert_with(|| {
            let newest = later.last().and_then(OutboxFile::event);
            is_outdated(&snapshot, newest.as_ref().unwrap_or(last))
        });
        if !is_state_outdated {
            let state_key = GroupKey::state(&last.identity, &last.stage);
            add_outages(&snapshot, &mut pending);
            let state = combined_state(pending.iter().map(|entry| &entry.event));
            if !state.is_empty() {
                client.post(&state_key, &state).await?;
            }
        }
        let mut counters = counters.unwrap_or_default();
        if !counters.is_plausible() {
            let uncounted = pending.iter().map(|entry| &entry.file).chain(&later);
            let uncounted = uncounted.map(OutboxFile::event_id).collect();
            remarks.extend(counters.repair(&counted_before(group.journal(), &key, &uncounted)));
        }
        remarks.extend(put_counters(client, &key, counters, recent.unwrap_or_default(), &mut pending).await?);
        if later.is_empty() {
            break;
        }
        // The next read verifies this step.
        files = pending.into_iter().map(|entry| entry.file).chain(later).collect();
    }
    Ok(remarks)
}

/// What the events in the journal count to, without those with the ids `uncounted`. Those of other machines are not in it.
fn counted_before(journal: &Journal, key: &GroupKey, uncounted: &HashSet<&str>) -> Exposition {
    let mut counted = Exposition::default();
    for entry in journal.read().unwrap_or_default() {
        if let Entry::Finished(event) = entry
            && GroupKey::counters(&event.identity, &event.stage) == *key
            && !uncounted.contains(event.id.as_str())
        {
            counted.add(&contribution(&event).counters);
        }
    }
    counted
}

/// Pushes an event that could not be written to the state directory. Without that, nothing can be verified later.
pub(super) async fn push_unsaved(client: &GatewayClient, event: &Event) -> Result<Vec<Remark>, PushError> {
    let (mut event, snapshot) = (event.clone(), client.read().await);
    if let Ok(snapshot) = &snapshot
        && event.stage.is_deployment()
    {
        snapshot.outage(&event.identity).add(&mut event);
    }
    let Contribution { state, counters } = contribution(&event);
    client.post(&GroupKey::state(&event.identity, &event.stage), &state).await?;
    let key = GroupKey::counters(&event.identity, &event.stage);
    let mut group = snapshot?.group(&key).unwrap_or_default();
    let mut recent = RecentTokens::take_from(&mut group);
    let mut refused = group.repair(&Exposition::default());
    refused.extend(group.add(&counters));
    recent.push(Token::from_event_id(&event.id));
    recent.write_to(&mut group);
    client.put(&key, &group).await?;
    Ok(refused)
}

/// Removes the events of `group` that `snapshot` shows as counted. Returns whether none is left. The caller has the
/// group's lock.
///
/// A snapshot from before a PUT cannot prove that an event is missing, so only presence counts.
pub(super) fn verify(group: &GroupOutbox, snapshot: &Snapshot) -> Result<bool, PushError> {
    complete_interrupted(group)?;
    let files = group.files()?;
    let recent = group.key().and_then(|key| snapshot.group(&key)).as_mut().map(RecentTokens::take_from);
    let mut is_verified = true;
    for file in files {
        match file.put.as_ref().map(|put| put.delivery_state(recent.as_ref())) {
            Some(DeliveryState::Counted) => file.remove()?,
            _ => is_verified = false,
        }
    }
    Ok(is_verified)
}

/// Adds to deployments what they say about an outage, while the state still shows what came before them. Events that were
/// sent before already contain it, or are to be counted without.
fn add_outages(snapshot: &Snapshot, entries: &mut [OutboxEntry]) {
    let Some(first) = entries.first().filter(|entry| entry.event.stage.is_deployment()) else { return };
    let mut outage = snapshot.outage(&first.event.identity);
    for entry in entries.iter_mut().filter(|entry| entry.put().is_none()) {
        outage.add(&mut entry.event);
        if entry.event.restored_s.is_some() {
            // The next state shows no outage any more. If this save fails and the tool is killed before the PUT, the
            // length of the outage is lost.
            let _ = entry.save_event();
        }
    }
}

/// The state after all events.
pub(crate) fn combined_state<'a>(events: impl IntoIterator<Item = &'a Event>) -> Exposition {
    let mut state = Exposition::default();
    for event in events {
        state.replace(&contribution(event).state, &[]);
    }
    state
}

/// Whether some machine has pushed a state of the stage that is newer than this event.
pub(crate) fn is_outdated(snapshot: &Snapshot, newest: &Event) -> bool {
    let happened_at = epoch_seconds(newest.ts + CLOCK_TOLERANCE);
    let key = GroupKey::state(&newest.identity, &newest.stage);
    snapshot.pushed_at(&key).is_some_and(|pushed_at| pushed_at > happened_at)
}

/// Adds the events to the group's counters and PUTs them. All events share one token: they are counted together or not at
/// all.
async fn put_counters(
    client: &GatewayClient,
    key: &GroupKey,
    mut counters: Exposition,
    mut recent: RecentTokens,
    entries: &mut [OutboxEntry],
) -> Result<Vec<Remark>, PushError> {
    let Some(token) = entries.last().map(|entry| Token::from_event_id(&entry.event.id)) else {
        return Ok(Vec::new());
    };
    let mut refused = Vec::new();
    for entry in entries.iter() {
        refused.extend(counters.add(&contribution(&entry.event).counters));
    }
    let before = recent.clone();
    recent.push(token);
    recent.write_to(&mut counters);
    for entry in entries.iter_mut() {
        let tokens = entry.put().map(|put| put.tokens.clone()).unwrap_or_default().with_put(token);
        entry.save_put(PutRecord { tokens, before: before.clone(), acknowledged: false })?;
    }
    client.put(key, &counters).await?;
    for entry in entries.iter_mut() {
        entry.save_acknowledged()?;
    }
    Ok(refused)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::catalog;
    use crate::metrics::exposition::Remark;
    use crate::pushgateway::enqueue::journal_and_enqueue;
    use crate::pushgateway::outbox::Outbox;
    use crate::testing::{build_outbox, stage_event};

    #[test]
    fn an_absurd_counter_is_counted_again_from_the_journal() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::new(folder.path());
        let group = build_outbox(&Outbox::new(folder.path()));
        let event = stage_event("build");
        let key = GroupKey::counters(&event.identity, &event.stage);
        for other in [stage_event("build"), stage_event("build"), stage_event("deploy")] {
            journal.append(&other).unwrap();
        }
        journal_and_enqueue(&journal, &group, &event).unwrap();
        let counted = counted_before(&journal, &key, &HashSet::from([event.id.as_str()]));
        let labels = [("status", "success")];
        for absurd in [f64::NAN, f64::INFINITY, 1e300, -1e308, -1.0] {
            let mut counters = contribution(&event).counters;
            assert!(counters.is_plausible());
            counters.set(catalog::TOTAL, &labels, absurd);
            assert!(!counters.is_plausible());
            assert_eq!(counters.repair(&counted), [Remark::Repaired("deployment_total".to_owned())]);
            assert_eq!(counters.number(catalog::TOTAL, &labels), Some(2.0));
        }
    }
}
