//! Labels as long as labels may be: no file name made of them is too long for a file system.

use testkit::bin::Machine;
use testkit::fault;
use testkit::pushgateway::Pushgateway;

use crate::stages::{build, stage};

/// A machine whose service, environment, version and deployment have 128 bytes each, and most of them no ASCII.
fn machine() -> Machine {
    let machine = Machine::new().with("DM_SERVICE", &"é".repeat(64)).with("DM_ENVIRONMENT", &"ü/".repeat(42));
    machine.with("DM_VERSION", &"v".repeat(128)).with("DM_DEPLOYMENT_ID", &"d".repeat(128))
}

fn succeeds(machine: &Machine, tool: &str, words: &[&str]) {
    let output = machine.tool(tool).args(words).output().unwrap();
    let has_warned = String::from_utf8_lossy(&output.stderr).contains("not ");
    assert!(output.status.success() && !has_warned, "{tool} {words:?}: {output:?}");
}

#[test]
fn what_waits_under_long_names_is_pushed_later() {
    let gateway = Pushgateway::start();
    let machine = machine().with("PUSHGATEWAY_URL", &fault::refused());
    for _ in 0..2 {
        assert!(build(&machine).status().unwrap().success());
    }
    assert_eq!(machine.journal().len(), 2);
    let machine = machine.with("PUSHGATEWAY_URL", &gateway.url());
    succeeds(&machine, "dm-stage", &["--flush"]);
    succeeds(&machine, "dm-stage", &["build", "--", "true"]);
    assert_eq!(gateway.value("deployment_total", &["stage=\"build\"", "status=\"success\""]), 3.0);

    // The groups of runs are deleted by an exporter, which knows no more of them than the names of files.
    let machine = machine.with("DM_EXPORT", "detached");
    succeeds(&machine, "dm-migrate", &["--", "true"]);
    machine.wait_for_exporter();
    assert_eq!(gateway.series("database_migration_in_progress", &[]), Vec::<String>::new());
    assert_eq!(gateway.value("database_migration_total", &["status=\"success\""]), 1.0);
    succeeds(&machine, "dm-stage", &["--retire", &"é".repeat(64)]);
    assert_eq!(gateway.series("deployment_total", &[]), Vec::<String>::new());
}

#[test]
fn the_ledger_and_the_shared_state_have_them() {
    let store = tempfile::tempdir().unwrap();
    let url = format!("file://{}", store.path().join("state").display());
    let [one, other] = [machine().with("DM_STATE_URL", &url), machine().with("DM_STATE_URL", &url)];
    succeeds(&one, "dm-stage", &["deployment", "--exclusive", "--", "dm-stage", "build", "--", "true"]);
    succeeds(&other, "dm-rollback", &["--mark-good"]);
    let timeline = stage(&other, &["--timeline"]).output().unwrap();
    let text = String::from_utf8(timeline.stdout).unwrap();
    assert!(timeline.status.success() && text.contains("build"), "{text}");
    let local = machine();
    succeeds(&local, "dm-rollback", &["--mark-good"]);
    let names =
        std::process::Command::new("find").arg(local.folder()).args(["-name", "*.jsonl"]).output().unwrap();
    assert!(String::from_utf8(names.stdout).unwrap().contains("rollback/"));
}
