//! The facts that the safeguards need in addition to the ledger: from the journal, the environment and the state
//! directory.

use std::path::Path;

use chrono::{DateTime, Utc};
use common::env::Env;
use common::event::{Detail, Event};
use common::identity::Identity;
use common::label::Label;
use telemetry::{Context, Entry};

/// The variable in which a deploy script gives the schema version.
pub(crate) const SCHEMA_VERSION: &str = "DM_SCHEMA_VERSION";

/// If this variable is set, rollbacks are switched off. A file named [`SWITCH`] does the same.
const DISABLED: &str = "DM_ROLLBACK_DISABLED";

/// The file in the state directory that switches rollbacks off.
const SWITCH: &str = "rollback.disabled";

/// The facts about the deployment to undo.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Facts {
    /// What switched rollbacks off: a variable or a file.
    pub disabled: Option<String>,
    /// Whether this tool runs inside a rollback.
    pub is_inside_rollback: bool,
    /// A deployment of the same service that began after this one, and the time.
    pub newer: Option<(Label, DateTime<Utc>)>,
    /// The current schema version.
    pub schema: Option<Label>,
    /// Whether a migration of this deployment changed the schema.
    pub has_schema_moved: bool,
    /// Whether a migration of this deployment left the schema half done.
    pub is_schema_dirty: bool,
}

impl Facts {
    /// Collects the facts. `began` is when this tool started; its deployment began before that.
    pub(crate) fn collect(context: &Context, entries: &[Entry], env: &Env<'_>, began: DateTime<Utc>) -> Self {
        Self {
            disabled: disabled(context.sinks.state_dir.as_deref(), env),
            is_inside_rollback: context.parent.as_ref().is_some_and(|stage| stage.as_str() == "rollback"),
            ..Self::from_journal(&context.identity, entries, env, began)
        }
    }

    fn from_journal(ours: &Identity, entries: &[Entry], env: &Env<'_>, began: DateTime<Utc>) -> Self {
        let is_ours = |identity: &Identity| identity.deployment == ours.deployment;
        let is_same_service = |identity: &Identity| {
            !is_ours(identity) && identity.service == ours.service && identity.environment == ours.environment
        };
        let starts = || entries.iter().filter_map(started);
        let started_at = starts()
            .filter(|(identity, ..)| is_ours(identity))
            .map(|(_, _, ts)| ts)
            .min()
            .map_or(began, |ts| ts.min(began));
        let newer = starts()
            .filter(|(identity, stage, ts)| {
                is_same_service(identity) && replaces_version(stage) && *ts > started_at
            })
            .max_by_key(|(_, _, ts)| *ts)
            .map(|(identity, _, ts)| (identity.deployment.clone(), ts));
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
        Self {
            newer,
            schema: schema.as_deref().and_then(Label::sanitize),
            has_schema_moved: migration
                .is_some_and(|(before, after, _)| after.is_some() && before.is_some() && before != after),
            is_schema_dirty: migration.is_some_and(|(_, _, dirty)| dirty == Some(true)),
            ..Self::default()
        }
    }
}

/// The last deployment of the service and the environment of `ours`.
pub(crate) fn last_deployment<'a>(entries: &'a [Entry], ours: &Identity) -> Option<&'a Identity> {
    let starts = entries.iter().filter_map(started).filter(|(identity, stage, _)| {
        identity.service == ours.service
            && identity.environment == ours.environment
            && replaces_version(stage)
    });
    starts.max_by_key(|(_, _, ts)| *ts).map(|(identity, ..)| identity)
}

/// When the deployment of `ours` last began to replace the live version; `None` if the journal does not know it. A CI job
/// that is started again replaces the version again.
pub(crate) fn deployment_start(entries: &[Entry], ours: &Identity) -> Option<DateTime<Utc>> {
    let starts = entries.iter().filter_map(started).filter(|(identity, stage, _)| {
        identity.deployment == ours.deployment
            && identity.service == ours.service
            && identity.environment == ours.environment
            && replaces_version(stage)
    });
    starts.map(|(.., ts)| ts).max()
}

/// The version of the deployment of `ours`, if the journal has it.
pub(crate) fn version_of(entries: &[Entry], ours: &Identity) -> Option<Label> {
    let is_ours = |identity: &&Identity| {
        identity.deployment == ours.deployment
            && identity.service == ours.service
            && identity.environment == ours.environment
    };
    let identities = entries.iter().rev().map(|entry| match entry {
        Entry::Started(started) => &started.identity,
        Entry::Finished(event) => &event.identity,
    });
    identities.filter(is_ours).find_map(|identity| identity.version.clone())
}

/// Whether the stage replaces the live version. A build or a health check does not.
fn replaces_version(stage: &str) -> bool {
    matches!(stage, "deployment" | "deploy")
}

/// The identity, the stage and its start time.
fn started(entry: &Entry) -> Option<(&Identity, &str, DateTime<Utc>)> {
    match entry {
        Entry::Started(started) => Some((&started.identity, started.stage.as_str(), started.ts)),
        Entry::Finished(event) => Some((&event.identity, event.stage.as_str(), event.started_at()?)),
    }
}

fn disabled(state_dir: Option<&Path>, env: &Env<'_>) -> Option<String> {
    if env(DISABLED).is_some() {
        return Some(format!("the variable {DISABLED}"));
    }
    let file = state_dir?.join(SWITCH);
    file.exists().then(|| format!("the file {}", file.display()))
}

#[cfg(test)]
pub(crate) mod tests {
    use chrono::TimeDelta;
    use common::args::DeploymentArgs;
    use serde_json::json;

    use super::*;

    pub(crate) fn ours() -> Identity {
        let args = DeploymentArgs {
            service: Some("api".parse().unwrap()),
            environment: Some("production".parse().unwrap()),
            deployment_id: Some("d-2".parse().unwrap()),
            ..DeploymentArgs::default()
        };
        Identity::resolve(&args, &|_| None, Path::new("/nowhere"))
    }

    fn at(minute: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::minutes(minute)
    }

    /// A stage of one minute that ended in minute `minute`.
    fn stage(minute: i64, deployment: &str, service: &str, stage: &str) -> Entry {
        let event = json!({"v": 1, "type": "stage", "id": "0123456789abcdef", "ts": at(minute), "tool": "dm-stage",
            "deployment": deployment, "service": service, "environment": "production", "stage": stage,
            "trace_id": "0123456789abcdef0123456789abcdef", "status": "success", "duration_s": 60.0, "error_type": null,
            "exit_code": 0, "signal": null, "cpu_s": null, "max_rss_bytes": null});
        Entry::Finished(serde_json::from_value(event).unwrap())
    }

    fn migration(before: &str, after: &str, dirty: bool) -> Entry {
        let Entry::Finished(mut event) = stage(5, "d-2", "database", "migration") else { unreachable!() };
        event.detail = Detail::Migration {
            before: Some(before.to_owned()),
            after: Some(after.to_owned()),
            dirty: Some(dirty),
            lock_wait_s: None,
            blocked_max: None,
            terminated: Vec::new(),
            child: common::event::ChildUse::default(),
        };
        Entry::Finished(event)
    }

    fn facts(entries: &[Entry]) -> Facts {
        Facts::from_journal(&ours(), entries, &|_| None, at(10))
    }

    #[test]
    fn a_deployment_that_began_after_ours_is_newer() {
        let newer = facts(&[stage(4, "d-2", "api", "build"), stage(8, "d-3", "api", "deploy")]).newer;
        assert_eq!(newer.unwrap().0.as_str(), "d-3");
    }

    #[test]
    fn an_older_deployment_another_service_and_a_build_are_not_newer() {
        let entries = [
            stage(2, "d-1", "api", "deploy"),
            stage(4, "d-2", "api", "build"),
            stage(8, "d-3", "web", "deploy"),
            stage(8, "d-3", "api", "build"),
            stage(9, "d-4", "api", "health_check"),
        ];
        assert_eq!(facts(&entries).newer, None);
        // Our deployment is not in the journal: then it began with this tool, at the latest.
        assert_eq!(facts(&[stage(9, "d-1", "api", "deploy")]).newer, None);
    }

    #[test]
    fn a_deployment_begins_when_it_last_replaced_the_version() {
        let entries = [
            stage(3, "d-2", "api", "deploy"),
            stage(6, "d-2", "api", "deploy"),
            // None of these replaces the version; the last one is what a forged alert leaves behind.
            stage(9, "d-2", "api", "health_check"),
            stage(9, "d-2", "web", "deploy"),
            stage(9, "d-3", "api", "rollback"),
        ];
        assert_eq!(deployment_start(&entries, &ours()), Some(at(5)));
        let forged = Identity { deployment: "d-3".parse().unwrap(), ..ours() };
        assert_eq!(deployment_start(&entries, &forged), None);
    }

    #[test]
    fn the_schema_comes_from_the_migration_or_the_environment() {
        let moved = facts(&[migration("7", "8", false)]);
        assert_eq!((moved.schema.unwrap().as_str(), moved.has_schema_moved), ("8", true));
        let same = facts(&[migration("8", "8", true)]);
        assert_eq!((same.has_schema_moved, same.is_schema_dirty), (false, true));
        let given = Facts::from_journal(
            &ours(),
            &[migration("7", "8", false)],
            &|name| (name == SCHEMA_VERSION).then(|| "9".to_owned()),
            at(10),
        );
        assert_eq!(given.schema.unwrap().as_str(), "9");
    }

    #[test]
    fn a_file_or_a_variable_switches_rollbacks_off() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(disabled(Some(folder.path()), &|_| None), None);
        common::fs::atomic::write(&folder.path().join(SWITCH), b"").unwrap();
        assert!(disabled(Some(folder.path()), &|_| None).unwrap().contains("rollback.disabled"));
        assert!(disabled(None, &|_| Some("1".to_owned())).unwrap().contains(DISABLED));
    }
}
