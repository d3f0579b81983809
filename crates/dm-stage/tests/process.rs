//! dm-stage and its child processes: none is left behind, and nothing changes for them.
#![expect(clippy::unwrap_used, reason = "a panic is a failed test")]

mod support;

use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use support::{dm_stage, journal, state_dir};

/// The last event of the journal.
fn event(state: &TempDir) -> Value {
    journal(state.path()).pop().unwrap()
}

/// Starts the command, and reads the first line of its stdout.
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
    testkit::process::is_alive(pid.parse().unwrap())
}

/// Waits for the end of a process that is not our child.
fn wait_for_end_of(pid: &str) {
    if Path::new(&format!("/proc/{pid}")).exists() {
        let waited = Command::new("timeout").args(["120", "tail", "--pid", pid, "-f", "/dev/null"]).status();
        assert!(waited.unwrap().success(), "process {pid} is still there");
    }
}

#[test]
fn a_time_limit_leaves_no_process_behind() {
    let state = state_dir();
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
        .args(["build", "--timeout", "3s", "--kill-after", "100ms", "--", "sh", "-c", &script])
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
    let state = state_dir();
    let script = "sleep 300 & echo $!";
    let (mut child, background) = first_line(dm_stage(&state).args(["build", "--", "sh", "-c", script]));
    assert!(child.wait().unwrap().success());
    assert!(is_alive(&background));
    shell(&format!("kill {background}"));
}

#[test]
fn a_command_gets_term_if_its_wrapper_is_killed() {
    let script = "echo $$; while :; do sleep 0.1; done";
    let (mut wrapper, command) = first_line(dm_stage(&state_dir()).args(["build", "--", "sh", "-c", script]));
    wrapper.kill().unwrap();
    wrapper.wait().unwrap();
    wait_for_end_of(&command);

    let (mut wrapper, command) =
        first_line(dm_stage(&state_dir()).args(["build", "--may-outlive", "--", "sh", "-c", script]));
    wrapper.kill().unwrap();
    wrapper.wait().unwrap();
    assert!(is_alive(&command));
    shell(&format!("kill {command}"));
}

#[test]
fn blocked_and_ignored_signals_stay_so_for_the_command() {
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
fn as_pid_1_it_leaves_no_zombies_and_exits_with_128_plus_n() {
    let state = state_dir();
    let container = ["--user", "--map-root-user", "--pid", "--fork", "--mount-proc"];
    if !Command::new("unshare")
        .args(container)
        .arg("true")
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|it| it.success())
    {
        eprintln!("skipped: this machine does not allow namespaces");
        return;
    }
    // PID 1 has to reap a process whose parent has ended.
    let script = "(sleep 0.1 &)
        while cat /proc/[0-9]*/stat 2>/dev/null | grep -q '(sleep)'; do :; done
        kill -TERM $$";
    let status = Command::new("unshare")
        .args(container)
        .arg(env!("CARGO_BIN_EXE_dm-stage"))
        .args(["build", "--timeout", "2m", "--", "sh", "-c", script])
        .env("DM_STATE_DIR", state.path())
        .status()
        .unwrap();
    assert_eq!(status.code(), Some(143));
    assert_eq!(event(&state)["signal"], 15);
}

#[test]
fn a_failure_is_retried_and_each_attempt_is_recorded() {
    let state = state_dir();
    let tried = state.path().join("tried");
    let script = format!("echo $DM_ATTEMPT >> {0}; test $(wc -l < {0}) = 3 || exit 7", tried.display());
    let run = |retries: &str| {
        let args = ["build", "--retries", retries, "--retry-delay", "10ms", "--", "sh", "-c", &script];
        dm_stage(&state).args(args).stderr(Stdio::piped()).spawn().unwrap().wait_with_output().unwrap()
    };
    let output = run("1");
    assert_eq!(output.status.code(), Some(7));
    assert_eq!(
        String::from_utf8(output.stderr).unwrap(),
        "dm-stage: build: attempt 1 of 2 failed: exit code 7; retrying in 10ms\n"
    );
    assert_eq!((&event(&state)["status"], &event(&state)["exit_code"]), (&"failure".into(), &7.into()));

    assert_eq!(run("5").status.code(), Some(0));
    let only = event(&state);
    assert_eq!((&only["status"], &only["attempts"]), (&"success".into(), &Value::Null));
    assert_eq!(std::fs::read_to_string(&tried).unwrap(), "\n2\n\n");

    std::fs::remove_file(&tried).unwrap();
    assert_eq!(run("5").status.code(), Some(0));
    let event = event(&state);
    let attempts = event["attempts"].as_array().unwrap();
    assert_eq!(attempts.len(), 3);
    assert_eq!((&attempts[0]["exit_code"], &attempts[0]["error_type"]), (&7.into(), &"exit_code".into()));
    assert_eq!((&attempts[2]["exit_code"], &attempts[2]["error_type"]), (&0.into(), &Value::Null));
    assert!(event["duration_s"].as_f64().unwrap() >= 0.02, "{event}");
}

#[test]
fn only_the_named_failures_are_retried() {
    let state = state_dir();
    let run = |flags: &[&str], script: &str| {
        let mut command = dm_stage(&state);
        command
            .args(["build", "--retries", "1", "--retry-delay", "1ms..2ms"])
            .args(flags)
            .args(["--", "sh", "-c", script]);
        let output = command.stderr(Stdio::piped()).spawn().unwrap().wait_with_output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        (
            output.status.code(),
            stderr.contains("retrying in"),
            stderr.contains("is none of the failures to retry"),
        )
    };
    let codes = ["--retry-exit", "75,124"];
    assert_eq!(run(&codes, "exit 75"), (Some(75), true, false));
    assert_eq!(run(&codes, "exit 1"), (Some(1), false, true));
    let pattern = ["--retry-pattern", "reset by peer"];
    assert_eq!(run(&pattern, "echo connection reset by peer >&2; exit 1"), (Some(1), true, false));
    assert_eq!(run(&pattern, "echo no such host >&2; exit 1"), (Some(1), false, true));
}

#[test]
fn the_signal_at_the_time_limit_can_be_chosen() {
    let state = state_dir();
    // The shell has set its trap before the limit expires, or it dies of the signal, which is 124 too.
    let script = "trap 'echo asked > $0; exit 3' INT; while :; do sleep 0.01; done";
    let asked = state.path().join("asked");
    let output = dm_stage(&state)
        .args(["build", "--timeout", "3s", "--signal", "INT", "--", "sh", "-c", script])
        .arg(&asked)
        .status()
        .unwrap();
    assert_eq!(output.code(), Some(124));
    assert_eq!(std::fs::read_to_string(&asked).unwrap(), "asked\n");
}

#[test]
fn a_limit_of_the_size_of_files_ends_only_the_recording() {
    let state = state_dir();
    let tool = env!("CARGO_BIN_EXE_dm-stage");
    let run = |script: &str| {
        let mut shell = Command::new("bash");
        shell.current_dir(state.path());
        shell
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("DM_STATE_DIR", state.path())
            .env("DM_SERVICE", "shop");
        let output = shell.args(["-c", script, tool]).stderr(Stdio::piped()).spawn().unwrap();
        let output = output.wait_with_output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, stderr) = run("ulimit -f 0; \"$0\" build -- true");
    assert_eq!(code, Some(0), "{stderr}");
    assert!(stderr.contains("File too large"), "{stderr}");
    // The command itself is ended by the signal, as without the wrapper: 128 + 25.
    let (code, stderr) = run("ulimit -f 0; \"$0\" build -- dd if=/dev/zero of=big count=1 2> /dev/null");
    assert_eq!(code, Some(153), "{stderr}");
}

#[test]
fn a_command_that_cannot_start_is_not_retried_and_signals_end_the_wait() {
    let state = state_dir();
    let status =
        dm_stage(&state).args(["build", "--retries", "3", "--", "no-such-program"]).status().unwrap();
    assert_eq!(status.code(), Some(127));

    let mut child = dm_stage(&state)
        .args(["build", "--retries", "3", "--retry-delay", "1h", "--", "false"])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stderr.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.contains("retrying in 1h"), "{line}");
    shell(&format!("kill -TERM {}", child.id()));
    assert_eq!(child.wait().unwrap().signal(), Some(15));
    assert_eq!(event(&state)["status"], "cancelled");
}

#[test]
fn the_tail_of_stderr_is_masked_and_forwarded_unchanged() {
    let state = state_dir();
    let script = "for i in 1 2 3; do echo line $i >&2; done; echo the token is $API_TOKEN >&2; printf open >&2; exit 1";
    let output = dm_stage(&state)
        .args(["build", "--tail", "3", "--", "sh", "-c", script])
        .env("API_TOKEN", "t0p-s3cret")
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
        .wait_with_output()
        .unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(stderr, "line 1\nline 2\nline 3\nthe token is t0p-s3cret\nopen");
    assert_eq!(event(&state)["stderr_tail"], serde_json::json!(["line 3", "the token is ***", "open"]));
}

#[test]
fn a_background_process_that_holds_stderr_does_not_delay_the_end_of_the_tail() {
    let state = state_dir();
    let script = "sleep 300 >/dev/null & echo $!; echo failed >&2; exit 1";
    let args = ["build", "--tail", "1", "--", "sh", "-c", script];
    let (mut child, background) = first_line(dm_stage(&state).args(args).stderr(Stdio::null()));
    assert_eq!(child.wait().unwrap().code(), Some(1));
    assert_eq!(event(&state)["stderr_tail"], serde_json::json!(["failed"]));
    shell(&format!("kill {background}"));
}

#[test]
fn error_patterns_classify_a_failure() {
    let state = state_dir();
    let class = |script: &str| {
        let patterns = [
            "--error-pattern",
            "lock timeout|could not obtain lock=lock_timeout",
            "--error-pattern",
            "x=y=dns",
        ];
        let mut wrapper = dm_stage(&state);
        wrapper.arg("build").args(patterns).args(["--", "sh", "-c", script]).stderr(Stdio::null());
        wrapper.status().unwrap();
        event(&state)["error_type"].clone()
    };
    assert_eq!(class("echo ERROR: could not obtain lock on t >&2; exit 1"), "lock_timeout");
    assert_eq!(class("echo x=y >&2; exit 1"), "dns");
    assert_eq!(class("echo something else >&2; exit 1"), "exit_code");
    assert_eq!(class("echo could not obtain lock >&2"), Value::Null);
    assert_eq!(event(&state)["stderr_tail"], Value::Null);

    for (pattern, cause) in
        [("x", "write REGEX=CLASS"), ("(=dns", "without closing ')'"), ("x=nix", "a reason is one of")]
    {
        let output = dm_stage(&state)
            .args(["build", "--error-pattern", pattern, "--", "true"])
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
            .wait_with_output()
            .unwrap();
        assert_eq!(output.status.code(), Some(125));
        assert!(String::from_utf8_lossy(&output.stderr).contains(cause), "{output:?}");
    }
}

#[test]
fn a_stage_is_skipped_for_a_reason_and_runs_without_one() {
    let state = state_dir();
    let run = |reason: &str| {
        let args = ["build", "--skip", reason, "--", "sh", "-c", "exit 9"];
        dm_stage(&state).args(args).status().unwrap().code()
    };
    assert_eq!(run("nothing changed in web/"), Some(0));
    let skipped = event(&state);
    assert_eq!((&skipped["status"], &skipped["exit_code"]), (&"skipped".into(), &Value::Null));
    assert_eq!(skipped["skip_reason"], "nothing changed in web/");
    assert_eq!(run(""), Some(9));
    assert_eq!(event(&state)["status"], "failure");
}

#[test]
fn github_output_appears_only_in_github_actions() {
    let state = state_dir();
    let summary = state.path().join("summary.md");
    let run = |variables: &[(&str, &str)], script: &str| {
        let output = dm_stage(&state)
            .args(["build", "--github", "group,error,summary", "--", "sh", "-c", script])
            .env_remove("GITHUB_ACTIONS")
            .env("DM_SERVICE", "api")
            .env("GITHUB_STEP_SUMMARY", &summary)
            .envs(variables.iter().copied())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
            .wait_with_output()
            .unwrap();
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    assert_eq!(run(&[], "echo out; exit 2"), ("out\n".to_owned(), String::new()));
    assert!(!summary.exists());

    let (stdout, stderr) = run(&[("GITHUB_ACTIONS", "true")], "echo out; exit 2");
    assert_eq!(stdout, "out\n");
    let lines: Vec<&str> = stderr.lines().collect();
    assert_eq!(lines[..2], ["::group::api/build", "::endgroup::"]);
    assert!(
        lines[2].starts_with("::error title=api/build failed after ") && lines[2].ends_with("::exit code 2"),
        "{stderr}"
    );

    let (_, stderr) = run(&[("GITHUB_ACTIONS", "true")], "true");
    assert_eq!(stderr, "::group::api/build\n::endgroup::\n");
    let summary = std::fs::read_to_string(summary).unwrap();
    let rows: Vec<&str> = summary.lines().collect();
    assert_eq!(rows[0], "| stage | status | duration | why |");
    assert!(
        rows[2].starts_with("| api/build | failure | ") && rows[2].ends_with(" | exit code 2 |"),
        "{summary}"
    );
    assert!(rows[3].starts_with("| api/build | success | ") && rows[3].ends_with(" |  |"), "{summary}");
    assert_eq!(rows.len(), 4);
}
