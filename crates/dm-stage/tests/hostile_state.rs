//! A state directory that other users, or accidents, have had their hands on: dm-stage warns once, and runs the command
//! as always.
#![expect(clippy::unwrap_used, reason = "a panic is a failed test")]

mod support;

use std::fs::{self, File, Permissions};
use std::io::{BufRead, BufReader, Write as _};
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

use support::{dm_stage, journal, state_dir};

/// Runs a stage that ends with 3, and returns the only line on stderr.
fn warning(state: &TempDir) -> String {
    let mut command = dm_stage(state);
    command.args(["build", "--", "sh", "-c", "exit 3"]);
    let output = run(command);
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    stderr(&output)
}

fn run(command: Command) -> Output {
    assert_cmd::Command::from_std(command).output().unwrap()
}

fn stderr(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(text.lines().count() <= 1, "{text}");
    text
}

fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().permissions().mode() & 0o777
}

/// A port on which nobody listens: every event stays in the outbox.
const NO_GATEWAY: (&str, &str) = ("PUSHGATEWAY_URL", "http://127.0.0.1:1");

#[test]
fn whatever_the_umask_only_we_can_read_and_write() {
    let outer = state_dir();
    let state = outer.path().join("new/state");
    let mut command = Command::new("sh");
    command.args(["-c", "umask 000; exec \"$0\" build -- true", env!("CARGO_BIN_EXE_dm-stage")]);
    command
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("DM_STATE_DIR", &state)
        .env(NO_GATEWAY.0, NO_GATEWAY.1)
        .env("DM_EXPORT", "foreground");
    assert!(command.status().unwrap().success());
    let mut folders = vec![outer.path().join("new")];
    let mut files: Vec<PathBuf> = Vec::new();
    while let Some(folder) = folders.pop() {
        assert_eq!(mode(&folder), 0o700, "{}", folder.display());
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    assert!(files.len() >= 4, "{files:?}");
    assert!(files.iter().all(|file| mode(file) == 0o600), "{files:?}");
}

#[test]
fn the_state_of_an_older_version_is_used_and_made_private() {
    let state = state_dir();
    fs::set_permissions(state.path(), Permissions::from_mode(0o755)).unwrap();
    for name in ["journal.jsonl", "journal.lock"] {
        File::create(state.path().join(name))
            .unwrap()
            .set_permissions(Permissions::from_mode(0o644))
            .unwrap();
    }
    assert_eq!(warning(&state), "");
    assert_eq!(journal(state.path()).len(), 1);
    assert!(["journal.jsonl", "journal.lock"].iter().all(|name| mode(&state.path().join(name)) == 0o600));
}

#[test]
fn a_folder_that_others_own_or_can_write_to_is_not_used() {
    let state = state_dir();
    fs::set_permissions(state.path(), Permissions::from_mode(0o777)).unwrap();
    let text = warning(&state);
    assert!(text.contains("cannot write the journal") && text.contains("others can write to"), "{text}");
    if is_root() {
        let state = state_dir();
        chown(state.path(), Some(65534), None).unwrap();
        assert!(warning(&state).contains("belongs to user 65534"));
        assert!(!state.path().join("journal.jsonl").exists());
    }
}

fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

#[test]
fn links_and_pipes_in_it_are_left_alone() {
    let state = state_dir();
    let elsewhere = state_dir();
    let victim = elsewhere.path().join("victim");
    File::create(&victim).unwrap();
    symlink(&victim, state.path().join("gateway.down")).unwrap();
    let mut command = dm_stage(&state);
    command.env(NO_GATEWAY.0, NO_GATEWAY.1).args(["build", "--", "true"]);
    let output = run(command);
    assert!(output.status.success());
    assert_eq!(victim.metadata().unwrap().len(), 0);

    let state = state_dir();
    symlink(&victim, state.path().join("journal.jsonl")).unwrap();
    assert!(warning(&state).contains("journal.jsonl is a link"));
    assert_eq!(victim.metadata().unwrap().len(), 0);

    let state = state_dir();
    assert!(Command::new("mkfifo").arg(state.path().join("journal.jsonl")).status().unwrap().success());
    assert!(warning(&state).contains("journal.jsonl is not a regular file"));
}

/// A process that holds the lock on this file until its stdin closes.
fn hold(lock: &Path) -> std::process::Child {
    let mut command = Command::new("flock");
    command
        .arg("-x")
        .arg(lock)
        .args(["-c", "echo locked; exec cat"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "locked\n");
    child
}

#[test]
fn a_lock_that_somebody_holds_costs_the_budget_and_a_warning() {
    let state = state_dir();
    let lock = state.path().join("journal.lock");
    let mut holder = hold(&lock);
    let mut command = dm_stage(&state);
    command.env("DM_EXPORT_BUDGET", "100ms").args(["build", "--", "sh", "-c", "exit 3"]);
    let output = run(command);
    assert_eq!(output.status.code(), Some(3));
    let text = stderr(&output);
    let expected = format!("process {} holds the lock {}: waited 50ms", holder.id(), lock.display());
    assert!(text.contains(&expected), "{text}");
    drop(holder.stdin.take());
    holder.wait().unwrap();
}

#[test]
fn a_signal_ends_the_wait_for_a_lock() {
    let state = state_dir();
    let lock = state.path().join("journal.lock");
    let mut holder = hold(&lock);
    let mut command = dm_stage(&state);
    // The command ends, and dm-stage waits for the lock, for an hour if need be.
    command.env("DM_EXPORT_BUDGET", "2h").args(["build", "--", "echo", "done"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    // Every signal asks again: the first may come before the wait has begun.
    let asking = format!("while kill -TERM {}; do sleep 0.05; done", child.id());
    let mut asking = Command::new("sh").args(["-c", &asking]).stderr(Stdio::null()).spawn().unwrap();
    let output = child.wait_with_output().unwrap();
    asking.wait().unwrap();
    assert!(stderr(&output).contains("a signal ended the wait"), "{output:?}");
    drop(holder.stdin.take());
    holder.wait().unwrap();
}

#[test]
fn damage_in_the_journal_is_reported_and_harmless() {
    let state = state_dir();
    assert_eq!(warning(&state), "");
    let path = state.path().join("journal.jsonl");
    let mut file = File::options().append(true).open(&path).unwrap();
    file.write_all(b"{\"v\":1,\0}\n").unwrap();
    // A hole of 10 GB, without a line feed.
    file.set_len(10 << 30).unwrap();
    assert_eq!(warning(&state), "");
    let mut timeline = Command::new("sh");
    timeline.args(["-c", "ulimit -v 500000; exec \"$0\" --timeline", env!("CARGO_BIN_EXE_dm-stage")]);
    timeline.env_clear().env("DM_STATE_DIR", state.path());
    let output = run(timeline);
    assert!(output.status.success(), "{output:?}");
    let text = stderr(&output);
    assert!(text.contains("the beginning of ") && text.contains("too much to read"), "{text}");
}

#[test]
fn the_page_of_the_run_is_recorded_without_secrets() {
    let state = state_dir();
    let url = "https://u:hunter2AAA@ci.example/run?token=qtokDDDDDD&buildId=7#t=x";
    assert!(
        dm_stage(&state).env("DM_RUN_URL", url).args(["build", "--", "true"]).status().unwrap().success()
    );
    assert_eq!(journal(state.path())[0]["run_url"], "https://***@ci.example/run?token=***&buildId=7");
}

#[test]
fn the_secrets_of_a_ci_job_do_not_reach_the_journal() {
    let state = state_dir();
    let script = "echo \"$GPG_PASSPHRASE $MYSQL_PWD $SENTRY_DSN $DATABASE_URL\" >&2
        echo 'GET https://h/x?token=tok123456 Password=p4ssword; postgres://u:sl/a@sh@h/db' >&2; exit 1";
    let mut command = dm_stage(&state);
    command.env("GPG_PASSPHRASE", "correct horse").env("MYSQL_PWD", "mysql-pass").env("PWD_NOT", "x");
    command.env("SENTRY_DSN", "https://0123abcd@sentry.io/1").env("DATABASE_URL", "mysql://u:d4ta/b@h/db");
    command.args(["build", "--tail", "9", "--", "sh", "-c", script]).stderr(Stdio::null());
    assert_eq!(command.status().unwrap().code(), Some(1));
    let tail = journal(state.path())[0]["stderr_tail"].clone();
    let expected = serde_json::json!([
        "*** *** *** mysql://u:***@h/db",
        "GET https://h/x?token=*** Password=***; postgres://u:***@h/db"
    ]);
    assert_eq!(tail, expected);
}
