//! Tests of what the safeguards know, and facts for the tests of others.

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

pub(crate) fn at(minute: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::minutes(minute)
}

/// A stage of one minute that ended in minute `minute`.
pub(crate) fn stage(minute: i64, deployment: &str, service: &str, stage: &str) -> Entry {
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
        progress: None,
        terminated: Vec::new(),
        blocked_by: None,
        child: common::event::ChildUse::default(),
    };
    Entry::Finished(event)
}

fn journal(entries: &[Entry]) -> Contents {
    Contents { entries: entries.to_vec(), unreadable: Vec::new() }
}

fn facts(entries: &[Entry]) -> Facts {
    Facts::from_journal(&ours(), &journal(entries), &|_| None, at(10), at(10))
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
fn a_stamp_from_the_future_makes_no_deployment_newer() {
    let entries = [stage(500_000, "d-1", "api", "deploy"), stage(5, "d-2", "api", "deploy")];
    assert_eq!(facts(&entries).newer, None);
    assert_eq!(facts(&entries[..1]).newer, None, "ours is not in the journal");
    assert!(
        facts(&entries).notes[0].contains("deployment d-1 is stamped 1970-12-14"),
        "{:?}",
        facts(&entries).notes
    );
    // A clock that was set back makes none older.
    let entries = [stage(5, "d-2", "api", "deploy"), stage(-400, "d-3", "api", "release")];
    assert_eq!(facts(&entries).newer.unwrap().0.as_str(), "d-3");
}

#[test]
fn a_deployment_that_is_deployed_again_is_the_newest() {
    let entries = [
        stage(2, "d-2", "api", "deploy"),
        stage(5, "d-3", "api", "deploy"),
        stage(8, "d-2", "api", "deploy"),
    ];
    assert_eq!(facts(&entries).newer, None);
    assert_eq!(facts(&entries[..2]).newer.unwrap().0.as_str(), "d-3");
}

#[test]
fn a_line_that_cannot_be_read_may_be_a_newer_deployment() {
    let line =
        |place, value| telemetry::Unreadable { place, what: "line 7 of /s/journal.jsonl".to_owned(), value };
    let answer = |entries: &[Entry], unreadable| {
        let journal = Contents { unreadable: vec![unreadable], ..journal(entries) };
        Facts::from_journal(&ours(), &journal, &|_| None, at(10), at(10)).unreadable
    };
    let ours = [stage(2, "d-1", "api", "deploy"), stage(5, "d-2", "api", "deploy")];
    assert_eq!(answer(&ours, line(2, None)).unwrap(), "line 7 of /s/journal.jsonl");
    assert_eq!(answer(&ours, line(1, None)), None, "ours began later");
    assert!(answer(&ours[..1], line(0, None)).is_some(), "it may be ours");
    for (value, matters) in [
        (json!({"v": 2, "service": "api", "environment": "production", "stage": "deploy"}), true),
        (json!({"v": 2, "service": "web"}), false),
        (json!({"v": 2, "environment": "staging"}), false),
        (json!({"v": 2, "stage": "build"}), false),
    ] {
        assert_eq!(answer(&ours, line(2, Some(value.clone()))).is_some(), matters, "{value}");
    }
}

#[test]
fn a_line_that_cannot_be_read_may_be_a_migration_of_ours() {
    let entries = [stage(2, "d-2", "api", "build"), stage(5, "d-2", "api", "deploy")];
    let answer = |place, value| {
        let line = telemetry::Unreadable { place, what: "line 7".to_owned(), value };
        unreadable_migration(&ours(), &Contents { unreadable: vec![line], ..journal(&entries) })
    };
    assert_eq!(answer(1, None).as_deref(), Some("line 7"));
    assert_eq!(answer(0, None), None, "ours began later");
    assert!(answer(1, Some(json!({"v": 2, "stage": "migration", "deployment": "d-2"}))).is_some());
    assert_eq!(answer(1, Some(json!({"v": 2, "stage": "build"}))), None);
    assert_eq!(answer(1, Some(json!({"v": 2, "stage": "migration", "deployment": "d-1"}))), None);
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
        &journal(&[migration("7", "8", false)]),
        &|name| (name == SCHEMA_VERSION).then(|| "9".to_owned()),
        at(10),
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
    for (value, switches) in
        [("1", true), ("off", true), ("", false), ("0", false), ("FALSE", false), ("no", false)]
    {
        let answer = disabled(None, &|_| Some(value.to_owned()));
        assert_eq!(answer.is_some_and(|by| by.contains(DISABLED)), switches, "{value:?}");
    }
}
