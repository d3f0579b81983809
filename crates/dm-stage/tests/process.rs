//! dm-stage and the processes below it: nothing is left behind, and nothing is changed for them.
#![expect(clippy::unwrap_used, reason = "a panic is a failed test")]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

fn dm_stage(state: &TempDir) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dm-stage"));
    command.env("DM_STATE_DIR", state.path()).env("PUSHGATEWAY_URL", "disabled");
    command
}

fn state() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn event(state: &TempDir) -> Value {
    let text = std::fs::read_to_string(state.path().join("journal.jsonl")).unwrap();
    serde_json::from_str(text.lines().last().unwrap()).unwrap()
}

/// Starts it, and reads the first line that it says.
fn first_line(command: &mut Command) -> (Child, String) {
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    (child, line.trim().to_owned())
}

fn shell(script: &str) {
    assert!(Command::new("sh").args(["-c", script]).status().unwrap().success(), "{script}");
}

fn is_alive(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    !stat.is_empty() && !stat.contains(") Z ")
}

/// Waits for the end of a process that is not ours.
fn wait_for_the_end_of(pid: &str) {
    if Path::new(&format!("/proc/{pid}")).exists() {
        let waited = Command::new("timeout").args(["20", "tail", "--pid", pid, "-f", "/dev/null"]).status();
        assert!(waited.unwrap().success(), "process {pid} is still there");
    }
}

#[test]
fn after_a_time_limit_nothing_is_left_wherever_it_went() {
    let state = state();
    let pids = state.path().join("pids");
    let script = format!(
        "trap '' TERM
         sleep 300 & echo $! >> {0}
         setsid sh -c 'trap \"\" TERM; echo $$ >> {0}; while :; do sleep 0.1; done' &
         (sh -c 'echo $$ >> {0}; exec sleep 300' &)
         while [ \"$(wc -l < {0})\" -lt 3 ]; do sleep 0.01; done
         echo $$ >> {0}
         while :; do sleep 0.1; done",
        pids.display()
    );
    let status = dm_stage(&state)
        .args(["build", "--timeout", "1s", "--kill-after", "100ms", "--", "sh", "-c", &script])
        .status()
        .unwrap();
    assert_eq!(status.code(), Some(124));
    let pids = std::fs::read_to_string(pids).unwrap();
    assert_eq!(pids.lines().count(), 4, "{pids}");
    for pid in pids.lines() {
        assert!(!is_alive(pid), "process {pid} is still there");
    }
    assert_eq!(event(&state)["status"], "timeout");
}

#[test]
fn a_background_process_that_holds_the_pipe_does_not_delay_the_end() {
    let state = state();
    let script = "sleep 300 & echo $!";
    let (mut child, background) = first_line(dm_stage(&state).args(["build", "--", "sh", "-c", script]));
    assert!(child.wait().unwrap().success());
    assert!(is_alive(&background));
    shell(&format!("kill {background}"));
}

#[test]
fn a_command_whose_wrapper_is_killed_is_told_to_end() {
    let script = "echo $$; while :; do sleep 0.1; done";
    let (mut wrapper, command) = first_line(dm_stage(&state()).args(["build", "--", "sh", "-c", script]));
    wrapper.kill().unwrap();
    wrapper.wait().unwrap();
    wait_for_the_end_of(&command);

    let (mut wrapper, command) =
        first_line(dm_stage(&state()).args(["build", "--may-outlive", "--", "sh", "-c", script]));
    wrapper.kill().unwrap();
    wrapper.wait().unwrap();
    assert!(is_alive(&command));
    shell(&format!("kill {command}"));
}

#[test]
fn signals_that_the_caller_blocks_or_ignores_stay_so_and_the_end_is_seen_all_the_same() {
    // SIGCHLD and SIGUSR1 are blocked, SIGHUP is ignored.
    let caller = "use POSIX; sigprocmask(SIG_BLOCK, POSIX::SigSet->new(SIGCHLD, SIGUSR1)); $SIG{HUP} = 'IGNORE'; exec @ARGV";
    let signals = "grep -E '^Sig(Blk|Ign):' /proc/self/status";
    let run = |command: &[&str]| {
        let mut perl = Command::new("perl");
        perl.args(["-e", caller]).args(command).args(["grep", "-E", "^Sig(Blk|Ign):", "/proc/self/status"]);
        let child = perl.stdout(Stdio::piped()).spawn().unwrap();
        String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap()
    };
    let bare = run(&[]);
    assert!(bare.contains("SigBlk:\t0000000000010200"), "{bare}");
    assert_eq!(run(&[env!("CARGO_BIN_EXE_dm-stage"), "build", "--"]), bare, "{signals}");
}

#[test]
fn as_the_first_process_of_a_container_it_leaves_no_zombies_and_says_a_signal_by_128_plus_n() {
    let state = state();
    let container = ["--user", "--map-root-user", "--pid", "--fork", "--mount-proc"];
    if !Command::new("unshare")
        .args(container)
        .arg("true")
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|it| it.success())
    {
        eprintln!("skipped: no namespaces can be made here");
        return;
    }
    // A process whose parent has ended is the first process's to take leave of.
    let script = "(sleep 0.1 &)
        while cat /proc/[0-9]*/stat 2>/dev/null | grep -q '(sleep)'; do :; done
        kill -TERM $$";
    let status = Command::new("unshare")
        .args(container)
        .arg(env!("CARGO_BIN_EXE_dm-stage"))
        .args(["build", "--timeout", "20s", "--", "sh", "-c", script])
        .env("DM_STATE_DIR", state.path())
        .status()
        .unwrap();
    assert_eq!(status.code(), Some(143));
    assert_eq!(event(&state)["signal"], 15);
}
