//! The facts that the safeguards need in addition to the ledger: from the journal, the environment and the state
//! directory.

use std::io::ErrorKind;
use std::path::Path;

use chrono::{DateTime, Utc};
use common::env::Env;
use common::event::{Detail, Event, RollbackResult};
use common::identity::Identity;
use common::label::{Label, Stage};
use telemetry::{Contents, Context, Entry};

use crate::ledger::stamps::{TOLERANCE, display_time};
use crate::safeguards::deploy_starts::{
    Start, attempts, deploy_starts, is_same_service, is_under_way, replaces_version, running_in, starts,
};
pub(crate) use crate::safeguards::deploy_starts::{deployment_start, last_deployment, version_of};

/// The variable in which a deploy script gives the schema version.
pub(crate) const SCHEMA_VERSION: &str = "DM_SCHEMA_VERSION";

/// If this variable is set to anything but `0`, `false` or `no`, rollbacks are switched off. A file named [`SWITCH`] does
/// the same.
const DISABLED: &str = "DM_ROLLBACK_DISABLED";

/// The file in the state directory that switches rollbacks off.
const SWITCH: &str = "rollback.disabled";

/// The facts about the deployment to undo.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Facts {
    /// What switched rollbacks off: a variable or a file.
    pub disabled: Option<String>,
    /// Whether this machine may be thrown away after the job: a CI system runs it, and its ledger is not shared.
    pub may_be_thrown_away: bool,
    /// Whether this tool runs inside a rollback.
    pub is_inside_rollback: bool,
    /// When this deployment last began to replace the live version, as far as it is known.
    pub began: Option<DateTime<Utc>>,
    /// A deployment of the same service that began after this one, and the time.
    pub newer: Option<(Label, DateTime<Utc>)>,
    /// The place of a line in the journal that may record such a deployment, and cannot be read.
    pub unreadable: Option<String>,
    /// The place of a line that may record a migration of this deployment, and cannot be read.
    pub unreadable_migration: Option<String>,
    /// How often this deployment began to replace the live version; 0 if the journal does not know.
    pub starts: u32,
    /// Whether it may have begun more often: the last start says only that a deployment is under way.
    pub misses_starts: bool,
    /// The last rollback of this deployment in the journal: the attempt, when it ended, and the result.
    pub rolled_back: Option<(u32, DateTime<Utc>, RollbackResult)>,
    /// What an operator should know about the journal itself.
    pub notes: Vec<String>,
    /// The current schema version.
    pub schema: Option<Label>,
    /// Whether a migration of this deployment changed the schema.
    pub has_schema_moved: bool,
    /// Whether a migration of this deployment left the schema half done.
    pub is_schema_dirty: bool,
}

impl Facts {
    /// Collects the facts. `began` is when this tool started; its deployment began before that.
    pub(crate) fn collect(
        context: &Context,
        journal: &Contents,
        env: &Env<'_>,
        began: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Self {
        let running_in = running_in(context.parent.as_ref(), &context.identity);
        Self {
            disabled: disabled(context.sinks.state_dir.as_deref(), env),
            may_be_thrown_away: env("CI").is_some_and(|value| is_on(&value)),
            is_inside_rollback: context.parent.as_ref().is_some_and(|stage| stage.as_str() == "rollback"),
            starts: attempts(&journal.entries, &context.identity, running_in),
            misses_starts: is_under_way(&journal.entries, &context.identity),
            ..Self::from_journal(&context.identity, journal, env, began, now)
        }
    }

    fn from_journal(
        ours: &Identity,
        journal: &Contents,
        env: &Env<'_>,
        began: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Self {
        let entries = &journal.entries;
        let is_ours = |identity: &Identity| identity.deployment == ours.deployment;
        let migration = entries.iter().rev().find_map(|entry| match entry {
            Entry::Finished(Event { identity, detail: Detail::Migration { before, after, dirty, .. }, .. })
                // The migration may be recorded for another service: the database often is one of its own.
                if is_ours(identity) =>
            {
                Some((before, after, *dirty))
            }
            _ => None,
        });
        let schema = env(SCHEMA_VERSION).or_else(|| migration.and_then(|(_, after, _)| after.clone()));
        let last_start = deploy_starts(entries, ours).filter(|start| is_ours(start.identity)).last();
        // Without a stage that replaces the version, it began with its first record.
        let our_start = last_start.or_else(|| starts(entries).find(|start| is_ours(start.identity)));
        Self {
            began: Some(our_start.map_or(began, |start| start.began)),
            newer: newer(ours, entries, our_start, began, now),
            unreadable: unreadable(ours, journal, last_start.map(|start| start.place)),
            unreadable_migration: unreadable_migration(ours, journal),
            rolled_back: rolled_back(ours, entries),
            notes: from_the_future(ours, entries, now).into_iter().collect(),
            schema: schema.as_deref().and_then(Label::sanitize),
            has_schema_moved: migration
                .is_some_and(|(before, after, _)| after.is_some() && before.is_some() && before != after),
            is_schema_dirty: migration.is_some_and(|(_, _, dirty)| dirty == Some(true)),
            ..Self::default()
        }
    }
}

/// The last deployment that began after ours. Without a record of its start, ours began when this tool did, at the latest.
fn newer(
    ours: &Identity,
    entries: &[Entry],
    our_start: Option<Start<'_>>,
    began: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Option<(Label, DateTime<Utc>)> {
    let is_newer = |start: &Start<'_>| match &our_start {
        Some(ours) => start.is_after(ours),
        None => start.began > began && start.recorded <= now + TOLERANCE,
    };
    let others = deploy_starts(entries, ours).filter(|start| start.identity.deployment != ours.deployment);
    let newer = others.filter(is_newer).last()?;
    Some((newer.identity.deployment.clone(), newer.began))
}

/// The first line that may record the start of a later deployment, and cannot be read. Lines before the start of ours
/// cannot, if that is on record.
fn unreadable(ours: &Identity, journal: &Contents, our_start: Option<usize>) -> Option<String> {
    let line = journal.unreadable.iter().find(|line| {
        // What another version of the tools wrote may still tell what it is about.
        let says = |name: &str, matters: &dyn Fn(&str) -> bool| {
            line.value.as_ref().and_then(|value| value[name].as_str()).is_none_or(matters)
        };
        our_start.is_none_or(|place| line.place > place)
            && says("service", &|text| text == ours.service.as_str())
            && says("environment", &|text| text == ours.environment.as_str())
            && says("stage", &|stage| replaces_version(stage) || stage == Stage::rollback().as_str())
    })?;
    Some(line.what.clone())
}

/// The first line after the first record of our deployment that may record a migration, and cannot be read. A migration
/// may be recorded for another service: the database often is one of its own.
fn unreadable_migration(ours: &Identity, journal: &Contents) -> Option<String> {
    let is_ours = |entry: &Entry| match entry {
        Entry::Started(it) => it.identity.deployment == ours.deployment,
        Entry::Finished(it) => it.identity.deployment == ours.deployment,
    };
    let first = journal.entries.iter().position(is_ours)?;
    let line = journal.unreadable.iter().find(|line| {
        let text = |name: &str| line.value.as_ref().and_then(|value| value[name].as_str());
        line.place > first
            && text("stage").is_none_or(|stage| stage == Stage::migration().as_str())
            && text("deployment").is_none_or(|deployment| deployment == ours.deployment.as_str())
    })?;
    Some(line.what.clone())
}

/// The last rollback of our deployment in the journal.
fn rolled_back(ours: &Identity, entries: &[Entry]) -> Option<(u32, DateTime<Utc>, RollbackResult)> {
    entries.iter().enumerate().rev().find_map(|(place, entry)| match entry {
        Entry::Finished(event) => match event.detail {
            Detail::Rollback { result: Some(result), .. }
                if event.identity.deployment == ours.deployment && is_same_service(&event.identity, ours) =>
            {
                let running_in = running_in(event.parent.as_ref(), &event.identity);
                Some((attempts(&entries[..place], ours, running_in).max(1), event.ts, result))
            }
            _ => None,
        },
        Entry::Started(_) => None,
    })
}

/// A sentence about a deployment of our service that is stamped in the future.
fn from_the_future(ours: &Identity, entries: &[Entry], now: DateTime<Utc>) -> Option<String> {
    let start = deploy_starts(entries, ours).filter(|start| start.recorded > now + TOLERANCE).last()?;
    Some(format!(
        "the journal's entry about deployment {} is stamped {}, which is in the future: a clock was wrong; its place in \
         the journal counts",
        start.identity.deployment,
        display_time(start.recorded)
    ))
}

/// Whether a variable that switches something on does so.
fn is_on(text: &str) -> bool {
    let text = text.trim();
    !text.is_empty() && !["0", "false", "no"].iter().any(|no| text.eq_ignore_ascii_case(no))
}

fn disabled(state_dir: Option<&Path>, env: &Env<'_>) -> Option<String> {
    if env(DISABLED).is_some_and(|text| is_on(&text)) {
        return Some(format!("the variable {DISABLED}"));
    }
    let file = state_dir?.join(SWITCH);
    match file.symlink_metadata() {
        Ok(_) => Some(format!("the file {}", file.display())),
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        // It may be there.
        Err(error) => Some(format!("the file {}, which cannot be looked for: {error}", file.display())),
    }
}

#[cfg(test)]
pub(crate) mod tests;
