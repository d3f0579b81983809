//! A state directory that others have had their hands on, or that is damaged: nothing is rolled back on its word.

use std::fs::{self, File, Permissions};
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt, chown, symlink};

use predicates::prelude::*;
use predicates::str::contains;
use serde_json::json;

use crate::team::{TRACE, Team, event};

const LEDGER: &str = "rollback/production/api.jsonl";

#[test]
fn what_others_may_have_written_is_not_believed() {
    let team = Team::new();
    team.keeps("d-1", "1.0");
    let ledger = team.path().join(LEDGER);
    for path in [team.path(), ledger.parent().unwrap(), &ledger] {
        let before = path.metadata().unwrap().permissions();
        fs::set_permissions(path, Permissions::from_mode(0o777)).unwrap();
        let says =
            contains("NOT rolled back").and(contains(format!("others can write to {}", path.display())));
        team.fails("d-2", "2.0", &[], TRACE).code(11).stderr(says);
        fs::set_permissions(path, before).unwrap();
        if nix::unistd::geteuid().is_root() {
            chown(path, Some(65534), None).unwrap();
            team.fails("d-2", "2.0", &[], TRACE).code(11).stderr(contains("belongs to user 65534"));
            chown(path, Some(0), None).unwrap();
        }
    }
    assert!(team.trace().is_empty());
    team.fails("d-2", "2.0", &[], TRACE).code(12);
}

#[test]
fn a_ledger_that_is_a_link_a_pipe_or_huge_refuses() {
    let team = Team::new();
    team.keeps("d-1", "1.0");
    let ledger = team.path().join(LEDGER);
    let kept = ledger.with_extension("kept");
    fs::rename(&ledger, &kept).unwrap();
    symlink(&kept, &ledger).unwrap();
    team.fails("d-2", "2.0", &[], TRACE).code(11).stderr(contains("api.jsonl is a link"));
    fs::remove_file(&ledger).unwrap();
    assert_cmd::Command::new("mkfifo").arg(&ledger).assert().success();
    team.fails("d-2", "2.0", &[], TRACE).code(11).stderr(contains("api.jsonl is not a regular file"));
    fs::remove_file(&ledger).unwrap();
    File::create(&ledger).unwrap().set_len(3 << 30).unwrap();
    let says = contains("cannot read the ledger").and(contains("it has 3221225472 bytes, and at most"));
    team.fails("d-2", "2.0", &[], TRACE).code(11).stderr(says);
    assert!(team.trace().is_empty());
}

#[test]
fn a_huge_or_damaged_journal_refuses_if_it_may_matter() {
    let team = Team::new();
    team.keeps("d-1", "1.0");
    team.append_event(&event("d-2", "api", "deploy", &json!({})));
    let journal = team.path().join("journal.jsonl");
    let good = fs::read(&journal).unwrap();
    File::options().append(true).open(&journal).unwrap().set_len(10 << 30).unwrap();
    team.fails("d-2", "2.0", &[], TRACE).code(11).stderr(contains("may record a deployment after d-2"));
    let damaged = event("d-3", "api", "deploy", &json!({})).to_string().replace("d-3", "d\0-3");
    common::fs::atomic::write(&journal, &[&good[..], damaged.as_bytes(), b"\n"].concat()).unwrap();
    team.fails("d-2", "2.0", &[], TRACE).code(11).stderr(contains("may record a deployment after d-2"));
    assert!(team.trace().is_empty());
    common::fs::atomic::write(&journal, &good).unwrap();
    team.fails("d-2", "2.0", &[], TRACE).code(12);
}

#[test]
fn a_damaged_line_that_may_be_a_migration_refuses_unless_the_versions_are_compatible() {
    let team = Team::new();
    team.keeps("d-1", "1.0");
    team.append_event(&event("d-2", "api", "build", &json!({})));
    let mut journal = File::options().append(true).open(team.path().join("journal.jsonl")).unwrap();
    journal.write_all(b"{\"v\":1,\"type\":\"migr\0tion\"}\n").unwrap();
    team.append_event(&event("d-2", "api", "deploy", &json!({})));
    team.fails("d-2", "2.0", &[], TRACE)
        .code(11)
        .stderr(contains("may record a migration of this deployment"));
    team.fails("d-2", "2.0", &["--schema-compatible"], TRACE).code(12);
}
