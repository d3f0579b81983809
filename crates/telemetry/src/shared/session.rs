//! The conversation of one tool with the store and the Pushgateway. Events reach the store first.

use std::collections::BTreeSet;
use std::time::Duration;

use common::event::Event;
use serde_json::Value;
use tokio::sync::oneshot::Receiver;
use tokio::time::{Instant, timeout};

use super::error::ShareError;
use super::link::{Link, Shared};
use super::push::{Scope, push};
use super::totals::Base;
use crate::metrics::exposition::Remark;
use crate::metrics::parse::parse_all;
use crate::metrics::{Exposition, zeros};
use crate::pushgateway::{
    GatewayClient, GroupKey, PushError, PushSession, TOO_SHORT_TO_ANNOUNCE, combined_state,
};
use crate::work::WorkItem;

/// The part of the budget that the store may use. The rest is for the Pushgateway.
const SHARE_OF_STORE: f64 = 0.6;

/// The conversation of one tool, about one piece of work.
#[derive(Debug)]
pub(crate) struct SharedSession {
    pub(crate) link: Link,
    /// The Pushgateway; `None` if there is none.
    pub(crate) gateway: Option<GatewayClient>,
    pub(crate) work: WorkItem,
    pub(crate) budget: Duration,
    /// Whether an enclosing tool on this machine shares the event.
    pub(crate) is_deferred: bool,
}

/// What a session reports when the work has ended. `None`: there was nothing to do.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) store: Option<Result<(), ShareError>>,
    pub(crate) gateway: Option<Result<Vec<Remark>, PushError>>,
}

/// What may be used when the work has ended: another tool may have found a server down meanwhile.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Usable {
    pub(crate) store: bool,
    pub(crate) gateway: bool,
}

impl SharedSession {
    /// Announces the work, sends heartbeats until it has ended, then shares and pushes the outcome. `end` carries the event
    /// if it could not be saved.
    pub(crate) async fn run(
        &self,
        mut end: Receiver<Option<Box<Event>>>,
        usable: impl Fn() -> Usable,
    ) -> Report {
        let unsaved = match timeout(TOO_SHORT_TO_ANNOUNCE, &mut end).await {
            Ok(unsaved) => unsaved.unwrap_or_default(),
            Err(_) => self.accompany(&mut end, usable()).await,
        };
        self.conclude(unsaved, usable()).await
    }

    /// Announces work that another process will finish, and shares its start.
    pub(crate) async fn announce(&self, usable: Usable) -> Report {
        let mut report = self.conclude(None, Usable { gateway: false, ..usable }).await;
        if let Some(presence) = self.presence().filter(|_| usable.gateway) {
            let initial = self.initial(usable).await;
            report.gateway = Some(presence.with_initial(initial).announce().await.map(|()| Vec::new()));
        }
        report
    }

    async fn accompany(&self, end: &mut Receiver<Option<Box<Event>>>, usable: Usable) -> Option<Box<Event>> {
        let Some(presence) = self.presence().filter(|_| usable.gateway) else {
            return end.await.unwrap_or_default();
        };
        tokio::select! {
            unsaved = &mut *end => unsaved.unwrap_or_default(),
            initial = self.initial(usable) => presence.with_initial(initial).accompany(end).await.unwrap_or_default(),
        }
    }

    /// What the counters of this work are set to if the Pushgateway does not have them: the totals of the document, or
    /// zeros if it has none. `None` if that is not known, because zeros could overwrite the totals of another machine.
    async fn initial(&self, usable: Usable) -> Option<Exposition> {
        let WorkItem { identity, kind, stage, parent, .. } = &self.work;
        let mut state = self.link.open(&identity.environment, &identity.service).ok()?;
        let document = if self.is_deferred || !usable.store {
            state.remembered()?
        } else {
            timeout(self.budget, state.read(Instant::now() + self.budget)).await.ok()?.ok()?
        };
        let totals = document.counters.get(&GroupKey::counters(identity, stage).file_name());
        Some(totals.map_or_else(|| zeros(*kind, stage, parent.as_ref()), |text| parse_all(text)))
    }

    /// Shares the outcome, with everything that is spooled, and pushes it.
    async fn conclude(&self, unsaved: Option<Box<Event>>, usable: Usable) -> Report {
        let mut report = Report::default();
        let gateway = self.gateway.as_ref().filter(|_| usable.gateway);
        // An event that could not be saved is lost if nobody shares it now.
        if (self.is_deferred && unsaved.is_none()) || !usable.store {
            if let Some(client) = gateway {
                let posted = self.post_spooled_state(client).await;
                report.gateway = Some(self.end_run(posted).await);
            }
            return report;
        }
        let until_shared = Instant::now() + self.budget.mul_f64(SHARE_OF_STORE);
        self.link.adopt(gateway, until_shared).await;
        let mut base = if self.gateway.is_some() { Base::Unread } else { Base::Zero };
        let spooled = self.link.spool(&self.work.identity).map(|spool| spool.peek()).unwrap_or_default();
        let unsaved: Vec<Value> =
            unsaved.iter().filter_map(|event| serde_json::to_value(event).ok()).collect();
        let identity = &self.work.identity;
        let own = (&identity.environment, &identity.service);
        let mut stages: BTreeSet<String> = spooled.iter().map(|event| event.stage.to_string()).collect();
        stages.insert(self.work.stage.to_string());
        let scope = if self.work.stage.is_deployment() { Scope::Whole } else { Scope::Stages(stages) };
        let mut shared = Vec::new();
        match self.link.share(own, unsaved, &mut base, gateway, until_shared).await {
            Ok(done) => shared.push((done, scope)),
            Err(error) => {
                report.store = Some(Err(error));
                if let Some(client) = gateway {
                    let posted = self.post_spooled_state(client).await;
                    // The event is not counted, so it is not pushed; the warning is about the store.
                    let _ = self.end_run(posted).await;
                }
                return report;
            }
        }
        report.store = Some(Ok(()));
        for (environment, service) in self.link.others(identity) {
            let other = (&environment, &service);
            match self.link.share(other, Vec::new(), &mut base, gateway, until_shared).await {
                Ok(done) => shared.push((done, Scope::Whole)),
                Err(error) => report.store = Some(Err(error)),
            }
        }
        if let Some(client) = gateway {
            report.gateway = Some(self.end_run(push_all(client, &mut shared, self.budget).await).await);
        }
        report
    }

    /// Posts the state after the spooled events of this stage: absolute values, before anything is counted.
    async fn post_spooled_state(&self, client: &GatewayClient) -> Result<Vec<Remark>, PushError> {
        let WorkItem { identity, stage, .. } = &self.work;
        let spooled = self.link.spool(identity).map(|spool| spool.peek()).unwrap_or_default();
        let state = combined_state(spooled.iter().filter(|event| event.stage == *stage));
        if !state.is_empty() {
            client.post(&GroupKey::state(identity, stage), &state).await?;
        }
        Ok(Vec::new())
    }

    async fn end_run(&self, result: Result<Vec<Remark>, PushError>) -> Result<Vec<Remark>, PushError> {
        let result = result?;
        if let Some(presence) = self.presence() {
            presence.end_run().await?;
        }
        Ok(result)
    }

    fn presence(&self) -> Option<PushSession> {
        self.gateway.clone().map(|client| PushSession::new(client, self.work.clone(), None))
    }
}

/// Pushes several documents. Returns the histograms that could not be added to.
async fn push_all(
    client: &GatewayClient,
    shared: &mut [(Shared, Scope)],
    budget: Duration,
) -> Result<Vec<Remark>, PushError> {
    let mut refused = Vec::new();
    for (shared, scope) in shared {
        push(client, shared, scope, Instant::now() + budget).await?;
        refused.append(&mut shared.refused);
    }
    Ok(refused)
}
