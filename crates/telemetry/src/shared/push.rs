//! Pushing a document: the totals of its counters, and the newest state of its stages. All values are absolute, so it does
//! not matter how often, or after whom, they are pushed, as long as whoever pushed last looks for newer ones afterwards.

use std::collections::{BTreeMap, BTreeSet};

use common::event::Event;
use tokio::time::Instant;

use super::batch::events;
use super::link::Shared;
use super::totals::groups;
use crate::metrics::Exposition;
use crate::metrics::parse::parse_all;
use crate::pushgateway::{GatewayClient, GroupKey, PushError, Snapshot, combined_state, is_outdated};

/// How often totals that other machines have changed meanwhile are pushed again.
const MAX_ROUNDS: usize = 3;

/// Which part of a document is pushed.
#[derive(Debug, Clone)]
pub(super) enum Scope {
    /// All of it.
    Whole,
    /// What belongs to these stages.
    Stages(BTreeSet<String>),
}

impl Scope {
    fn has_stage(&self, stage: &str) -> bool {
        match self {
            Self::Whole => true,
            Self::Stages(stages) => stages.contains(stage),
        }
    }

    fn has(&self, key: &GroupKey) -> bool {
        key.labels().any(|(name, value)| name == "stage" && self.has_stage(value))
    }
}

/// Pushes what the Pushgateway does not show yet. Then reads the document again: if another machine has changed the totals
/// meanwhile, this one may have overwritten them with older ones, and pushes the newer ones.
pub(super) async fn push(
    client: &GatewayClient,
    shared: &mut Shared,
    scope: &Scope,
    deadline: Instant,
) -> Result<(), PushError> {
    let snapshot = client.read().await?;
    let mut pushed: BTreeMap<String, String> = BTreeMap::new();
    for (key, text) in groups(&shared.document).filter(|(key, _)| scope.has(key)) {
        if snapshot.group(&key).is_some_and(|shown| shows(&shown, &parse_all(text))) {
            pushed.insert(key.file_name(), text.to_owned());
        }
    }
    push_states(client, &snapshot, &events(&shared.document), scope).await?;
    for _ in 0..MAX_ROUNDS {
        let mut is_complete = true;
        for (key, text) in groups(&shared.document).filter(|(key, _)| scope.has(key)) {
            let name = key.file_name();
            if pushed.get(&name).is_none_or(|before| before != text) {
                client.put(&key, &parse_all(text)).await?;
                pushed.insert(name, text.to_owned());
                is_complete = false;
            }
        }
        if is_complete {
            break;
        }
        // Everything is in the store already. Without an answer from it, whoever changed the totals pushes them.
        let Ok(newer) = shared.state.read(deadline).await else { break };
        shared.document = newer.clone();
    }
    Ok(())
}

/// Pushes the newest state of each stage, unless a machine without the shared state has pushed a newer one.
async fn push_states(
    client: &GatewayClient,
    snapshot: &Snapshot,
    events: &[Event],
    scope: &Scope,
) -> Result<(), PushError> {
    let stages: BTreeSet<&str> = events.iter().map(|event| event.stage.as_str()).collect();
    for stage in stages.into_iter().filter(|stage| scope.has_stage(stage)) {
        let of_stage = || events.iter().filter(|event| event.stage.as_str() == stage);
        let Some(newest) = of_stage().next_back() else { continue };
        let (key, state) = (GroupKey::state(&newest.identity, &newest.stage), combined_state(of_stage()));
        let is_shown = snapshot.group(&key).is_some_and(|shown| shows(&shown, &state));
        if !state.is_empty() && !is_shown && !is_outdated(snapshot, newest) {
            client.post(&key, &state).await?;
        }
    }
    Ok(())
}

/// Whether a group shows exactly these series of these families. Help texts do not matter.
fn shows(shown: &Exposition, expected: &Exposition) -> bool {
    expected
        .families
        .iter()
        .filter(|(_, family)| !family.series.is_empty())
        .all(|(name, family)| shown.families.get(name).is_some_and(|shown| shown.series == family.series))
}
