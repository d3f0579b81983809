//! The starts of deployments in the journal: which attempt at a deployment this is, and where it began. Pure.

use chrono::{DateTime, Utc};
use common::event::{Event, Status};
use common::identity::Identity;
use common::label::{Label, Stage};
use telemetry::Entry;

use crate::ledger::stamps::TOLERANCE;

/// The stages that replace the live version.
const DEPLOYING: [&str; 5] = ["deployment", "deploy", "release", "rollout", "promote"];

/// Whether the stage replaces the live version. A build or a health check does not.
pub(super) fn replaces_version(stage: &str) -> bool {
    DEPLOYING.contains(&stage)
}

/// The start of a stage.
#[derive(Debug, Clone, Copy)]
pub(super) struct Start<'a> {
    /// Its place among the entries: that of its first record.
    pub place: usize,
    pub identity: &'a Identity,
    pub stage: &'a Stage,
    /// When it began, by its stamp.
    pub began: DateTime<Utc>,
    /// When the record was written, by its stamp.
    pub recorded: DateTime<Utc>,
}

impl Start<'_> {
    /// Whether this began after `other`. Stamps that contradict the order of the records do not count: a clock was wrong.
    pub(super) fn is_after(&self, other: &Start<'_>) -> bool {
        let is_written_after = self.place > other.place;
        let (first, second) = if is_written_after { (other, self) } else { (self, other) };
        if first.recorded <= second.recorded + TOLERANCE {
            self.began > other.began
        } else {
            is_written_after
        }
    }
}

/// Every stage that began, of the entries in the order of the journal.
pub(super) fn starts(entries: &[Entry]) -> impl Iterator<Item = Start<'_>> {
    entries.iter().enumerate().filter_map(|(place, entry)| match entry {
        Entry::Started(it) => {
            Some(Start { place, identity: &it.identity, stage: &it.stage, began: it.ts, recorded: it.ts })
        }
        Entry::Finished(event) if event.status == Status::Skipped => None,
        Entry::Finished(event) => Some(Start {
            place,
            identity: &event.identity,
            stage: &event.stage,
            began: event.started_at()?,
            recorded: event.ts,
        }),
    })
}

/// The starts that replaced the live version of the service and the environment of `ours`.
pub(super) fn deploy_starts<'a>(entries: &'a [Entry], ours: &'a Identity) -> impl Iterator<Item = Start<'a>> {
    starts(entries)
        .filter(|start| is_same_service(start.identity, ours) && replaces_version(start.stage.as_str()))
}

pub(super) fn is_same_service(identity: &Identity, ours: &Identity) -> bool {
    identity.service == ours.service && identity.environment == ours.environment
}

/// The stage that this process runs in, if that replaces the live version: the journal does not have it before it ends.
pub(super) fn running_in<'a>(parent: Option<&Stage>, identity: &'a Identity) -> Option<&'a str> {
    parent.filter(|stage| replaces_version(stage.as_str()))?;
    identity.trace.parent_span_id.as_deref()
}

/// A stage that replaces the live version, with the stages of that kind within it.
struct Outer<'a> {
    /// The id of its span; `None` if it was begun by one process and is ended by another.
    span: Option<&'a str>,
    /// The stage, if another process still has to end it.
    open: Option<&'a Stage>,
    inner: u32,
}

/// The number of times that this deployment of `ours` began to replace the live version; 0 if the journal does not know.
/// A stage within another is no start of its own, unless it is the second one. `running_in` is the span of a stage that
/// has not ended.
pub(super) fn attempts(entries: &[Entry], ours: &Identity, running_in: Option<&str>) -> u32 {
    let outers = outers(entries, ours);
    let is_known = |span: &str| outers.iter().any(|outer| outer.span == Some(span));
    let running = u32::from(running_in.is_some_and(|span| !is_known(span)));
    outers.iter().map(|outer| outer.inner.max(1)).sum::<u32>() + running
}

/// Whether the last start of this deployment is one that another process ends, without a stage within it: whatever
/// deploys is not on record.
pub(super) fn is_under_way(entries: &[Entry], ours: &Identity) -> bool {
    outers(entries, ours).last().is_some_and(|last| last.open.is_some() && last.inner == 0)
}

fn outers<'a>(entries: &'a [Entry], ours: &Identity) -> Vec<Outer<'a>> {
    let mut outers: Vec<Outer<'_>> = Vec::new();
    for entry in entries {
        match entry {
            Entry::Started(it) if is_ours(&it.identity, &it.stage, ours) => {
                // Nobody ends a deployment that was interrupted.
                let open = it.interrupted.is_none().then_some(&it.stage);
                outers.push(Outer { span: None, open, inner: 0 });
            }
            Entry::Finished(event)
                if event.status != Status::Skipped && is_ours(&event.identity, &event.stage, ours) =>
            {
                finish(&mut outers, event);
            }
            _ => {}
        }
    }
    outers
}

fn finish<'a>(outers: &mut Vec<Outer<'a>>, event: &'a Event) {
    if let Some(span) = running_in(event.parent.as_ref(), &event.identity) {
        match outers.iter_mut().find(|outer| outer.span == Some(span)) {
            Some(outer) => outer.inner += 1,
            None => outers.push(Outer { span: Some(span), open: None, inner: 1 }),
        }
        return;
    }
    if let Some(last) = outers.last_mut().filter(|outer| outer.open.is_some()) {
        if last.open == Some(&event.stage) {
            last.open = None;
        } else {
            last.inner += 1;
        }
        return;
    }
    let span = event.id.as_str();
    if !outers.iter().any(|outer| outer.span == Some(span)) {
        outers.push(Outer { span: Some(span), open: None, inner: 0 });
    }
}

fn is_ours(identity: &Identity, stage: &Stage, ours: &Identity) -> bool {
    is_same_service(identity, ours)
        && identity.deployment == ours.deployment
        && replaces_version(stage.as_str())
}

/// The last deployment of the service and the environment of `ours`.
pub(crate) fn last_deployment<'a>(entries: &'a [Entry], ours: &'a Identity) -> Option<&'a Identity> {
    let last =
        deploy_starts(entries, ours).reduce(|last, next| if next.is_after(&last) { next } else { last });
    last.map(|start| start.identity)
}

/// When the deployment of `ours` last began to replace the live version; `None` if the journal does not know it. A CI job
/// that is started again replaces the version again.
pub(crate) fn deployment_start(entries: &[Entry], ours: &Identity) -> Option<DateTime<Utc>> {
    let starts = deploy_starts(entries, ours).filter(|start| start.identity.deployment == ours.deployment);
    starts.map(|start| start.began).max()
}

/// The version of the deployment of `ours`, if the journal has it.
pub(crate) fn version_of(entries: &[Entry], ours: &Identity) -> Option<Label> {
    let identities = entries.iter().rev().map(|entry| match entry {
        Entry::Started(started) => &started.identity,
        Entry::Finished(event) => &event.identity,
    });
    identities
        .filter(|identity| identity.deployment == ours.deployment && is_same_service(identity, ours))
        .find_map(|identity| identity.version.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::safeguards::facts::tests::{at, ours, stage};

    fn started(minute: i64, name: &str) -> Entry {
        let Entry::Finished(event) = stage(minute, "d-2", "api", name) else { unreachable!() };
        Entry::Started(common::event::Started {
            v: 1,
            r#type: common::event::StartTag::Start,
            ts: at(minute),
            tool: "dm-stage".to_owned(),
            identity: event.identity,
            stage: event.stage,
            interrupted: None,
        })
    }

    fn with_span(entry: Entry, id: &str, parent: Option<&str>) -> Entry {
        let Entry::Finished(mut event) = entry else { unreachable!() };
        event.id = serde_json::from_value(id.into()).unwrap();
        event.parent = parent.map(|_| "deployment".parse().unwrap());
        event.identity.trace.parent_span_id = parent.map(str::to_owned);
        Entry::Finished(event)
    }

    /// A stage of our deployment that has ended.
    fn deploy(minute: i64, id: &str, parent: Option<&str>) -> Entry {
        with_span(stage(minute, "d-2", "api", "deploy"), id, parent)
    }

    fn count(entries: &[Entry]) -> u32 {
        attempts(entries, &ours(), None)
    }

    #[test]
    fn every_start_of_the_deploying_stage_is_an_attempt() {
        assert_eq!(count(&[stage(1, "d-2", "api", "build"), stage(1, "d-3", "api", "deploy")]), 0);
        assert_eq!(count(&[deploy(1, "a", None)]), 1);
        assert_eq!(count(&[deploy(1, "a", None), deploy(2, "b", None)]), 2);
        assert_eq!(count(&[stage(1, "d-2", "web", "deploy"), stage(1, "d-2", "api", "release")]), 1);
        let Entry::Finished(mut skipped) = deploy(1, "a", None) else { unreachable!() };
        skipped.status = Status::Skipped;
        assert_eq!(count(&[Entry::Finished(skipped)]), 0);
    }

    #[test]
    fn the_end_of_a_stage_is_no_further_start() {
        let mut entries = vec![started(1, "deployment")];
        for expected in [
            (deploy(2, "a", None), 1),
            (stage(3, "d-2", "api", "deployment"), 1),
            (started(4, "deployment"), 2),
            (deploy(5, "b", None), 2),
            // A job in the middle of a deployment is run again.
            (deploy(6, "c", None), 3),
        ] {
            entries.push(expected.0);
            assert_eq!(count(&entries), expected.1, "{entries:?}");
        }
    }

    #[test]
    fn a_stage_within_another_is_the_same_start() {
        let outer = |id| with_span(stage(9, "d-2", "api", "deployment"), id, None);
        let mut entries = vec![deploy(1, "a", Some("o1"))];
        assert_eq!((count(&entries), attempts(&entries, &ours(), Some("o1"))), (1, 1));
        entries.push(outer("o1"));
        assert_eq!((count(&entries), attempts(&entries, &ours(), Some("o2"))), (1, 2));
        entries.extend([deploy(10, "b", Some("o2")), outer("o2")]);
        assert_eq!(count(&entries), 2);
    }

    #[test]
    fn the_order_of_the_records_decides_if_the_stamps_contradict_it() {
        let identity = ours();
        let name: Stage = "deploy".parse().unwrap();
        let start = |place, began, recorded| Start {
            place,
            identity: &identity,
            stage: &name,
            began: at(began),
            recorded: at(recorded),
        };
        let ours = start(5, 100, 110);
        // It ended later, and began earlier or later.
        assert!(!start(6, 90, 120).is_after(&ours) && start(6, 105, 120).is_after(&ours));
        assert!(start(4, 105, 108).is_after(&ours), "it ended earlier, and began later");
        assert!(start(6, 40, 50).is_after(&ours), "the clock was set back");
        assert!(!start(4, 400, 410).is_after(&ours), "its clock was ahead");
        assert!(start(6, 100, 111).is_after(&start(5, 5000, 5010)), "our clock was ahead");
    }
}
