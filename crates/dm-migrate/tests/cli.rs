//! The command line of dm-migrate. What it shares with dm-stage is tested there.
#![expect(clippy::unwrap_used, reason = "a panic is a failed test")]

use assert_cmd::Command;
use predicates::prelude::*;
use predicates::str::contains;
use serde_json::Value;
use tempfile::TempDir;

fn dm_migrate(state: &TempDir) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dm-migrate"));
    command.env_clear().env("PATH", "/usr/local/bin:/usr/bin:/bin").env("DM_STATE_DIR", state.path());
    command.env("DM_TEXTFILE", state.path().join("dm.prom"));
    command.env("DM_SERVICE", "database").env("DM_ENVIRONMENT", "production");
    command
}

fn event(state: &TempDir) -> Value {
    let text = std::fs::read_to_string(state.path().join("journal.jsonl")).unwrap();
    serde_json::from_str(text.trim()).unwrap()
}

fn metric(state: &TempDir, line: &str) -> bool {
    let text = std::fs::read_to_string(state.path().join("dm.prom")).unwrap();
    text.lines().any(|other| other.starts_with(line))
}

#[test]
fn stdin_and_stdout_pass_through_and_a_migration_is_recorded() {
    let state = tempfile::tempdir().unwrap();
    dm_migrate(&state)
        .args(["--", "sh", "-c", "cat; echo applied"])
        .write_stdin("sql\n")
        .assert()
        .success()
        .stdout("sql\napplied\n")
        .stderr("");
    let event = event(&state);
    assert_eq!(
        (&event["type"], &event["stage"], &event["status"]),
        (&"migration".into(), &"migration".into(), &"success".into())
    );
    assert_eq!(event["before"], Value::Null);
    let labels = r#"environment="production",service="database",stage="migration",status="success"}"#;
    assert!(metric(&state, &format!("database_migration_total{{{labels} 1")));
    assert!(metric(&state, &format!("deployment_total{{{labels} 1")));
    assert!(metric(&state, &format!("database_migration_lag_seconds{{{labels} 0.")));
    // Without a monitor, the lock wait is unknown and not zero.
    let labels = r#"environment="production",service="database",stage="migration"}"#;
    assert!(metric(&state, &format!("database_migration_lock_wait_seconds{{{labels} NaN")));
    assert!(metric(&state, &format!("database_migration_in_progress{{{labels} 0")));
}

#[test]
fn a_failed_migration_keeps_its_exit_code_and_error_type() {
    let state = tempfile::tempdir().unwrap();
    dm_migrate(&state).args(["--", "sh", "-c", "exit 9"]).assert().code(9).stderr("");
    assert_eq!(event(&state)["error_type"], "migration_failed");
    let labels =
        r#"environment="production",error_type="migration_failed",service="database",stage="migration"}"#;
    assert!(metric(&state, &format!("deployment_errors_total{{{labels} 1")));
}

#[test]
fn a_run_inside_a_migration_stage_is_counted_once() {
    let state = tempfile::tempdir().unwrap();
    dm_migrate(&state).env("DM_PARENT_STAGE", "migration").args(["--", "true"]).assert().success();
    let labels = r#"environment="production",service="database",stage="migration",status="success"}"#;
    assert!(metric(&state, &format!("database_migration_total{{{labels} 1")));
    assert!(!metric(&state, "deployment_total"));
}

#[test]
fn wrong_usage_is_125_and_one_line() {
    let state = tempfile::tempdir().unwrap();
    let check_error = |args: &[&str], cause: &str| {
        let one_line = predicate::function(|text: &str| text.lines().count() == 1);
        dm_migrate(&state).args(args).assert().code(125).stderr(contains(cause).and(one_line));
    };
    check_error(&[], "no migration command given");
    check_error(&["--", ""], "no migration command given");
    check_error(&["--timeout", "5", "--", "true"], "needs a unit");
    check_error(&["--require-export", "--pushgateway-url", "nowhere", "--", "true"], "not a URL");
    check_error(&["dbmate", "up"], "unexpected argument 'dbmate' found: write -- before the command");
    check_error(&["--unknown", "--", "true"], "unexpected argument");
    check_error(&["--on-failure", "sh -c 'cut off", "--", "true"], "--on-failure: missing closing quote");
    check_error(&["--on-failure", "", "--", "true"], "--on-failure: the command is empty");
    dm_migrate(&state).args(["--", "/no/such/tool"]).assert().code(127);
}

#[test]
fn help_shows_examples_and_version_is_printed() {
    let state = tempfile::tempdir().unwrap();
    dm_migrate(&state).arg("--help").assert().success().stdout(contains("Examples:"));
    dm_migrate(&state).arg("--version").assert().success().stdout(contains(env!("CARGO_PKG_VERSION")));
}
