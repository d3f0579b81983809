//! What a log shows of a stage with `--output`.
#![expect(clippy::unwrap_used, reason = "a panic is a failed test")]
#![expect(
    clippy::disallowed_methods,
    reason = "the commands of these stages leave nothing that holds a pipe"
)]

mod support;

use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::process::{Output, Stdio};

use tempfile::TempDir;
use testkit::terminal::Terminal;

use support::{dm_stage, journal, state_dir};

fn run(state: &TempDir, arguments: &[&str], script: &str) -> Output {
    dm_stage(state).arg("build").args(arguments).args(["--", "sh", "-c", script]).output().unwrap()
}

/// Stdout and stderr, without the duration.
fn shown(output: &Output) -> (String, String) {
    let [stdout, stderr] = [&output.stdout, &output.stderr].map(|it| String::from_utf8(it.clone()).unwrap());
    let timed = regex_lite::Regex::new("(?m)^((?:ok|FAILED|CANCELLED) +shop build) [0-9.ms]+").unwrap();
    (stdout, timed.replace_all(&stderr, "$1 T").into_owned())
}

#[test]
fn a_stage_that_succeeds_is_one_line() {
    let state = state_dir();
    let output = run(&state, &["--output", "on-failure"], "echo noise; echo more >&2; cat");
    assert!(output.status.success());
    assert_eq!(shown(&output), (String::new(), "ok      shop build T\n".to_owned()));
    let [event] = journal(state.path()).try_into().unwrap();
    assert_eq!((&event["status"], event.get("cause")), (&"success".into(), None));
}

#[test]
fn a_stage_that_fails_shows_the_end_of_its_output_in_order_and_without_secrets() {
    let state = state_dir();
    let script = "i=0; while [ $i -lt 40 ]; do i=$((i+1)); echo out $i; echo err $i >&2; done
        printf '::error::injected\\n\\033[31mred\\033[0m \\007 token %s\\n' $API_TOKEN; exit 2";
    let mut command = dm_stage(&state);
    command.env("API_TOKEN", "s3cr3t-value").args([
        "build",
        "--output",
        "on-failure",
        "--",
        "sh",
        "-c",
        script,
    ]);
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let (stdout, stderr) = shown(&output);
    let lines: Vec<&str> = stderr.lines().collect();
    assert_eq!((stdout.as_str(), lines[0]), ("", "FAILED  shop build T: exit code 2"));
    assert_eq!(lines[1..3], ["  | out 27", "  | err 27"]);
    assert_eq!(lines[29..], ["  | ::error::injected", "  | red  token ***"], "{stderr}");
    let [event] = journal(state.path()).try_into().unwrap();
    assert_eq!(event["cause"], "exit code 2: red  token ***");
    let kept = event["stderr_tail"].as_array().unwrap();
    assert_eq!(
        (kept.len(), kept[0].as_str(), kept[19].as_str()),
        (20, Some("out 32"), Some("red  token ***"))
    );
}

#[test]
fn the_tail_sets_how_many_lines_are_shown_and_recorded() {
    let state = state_dir();
    let arguments = ["--output", "on-failure", "--tail", "2"];
    let output = run(&state, &arguments, "echo one; echo two >&2; echo three; exit 1");
    assert_eq!(shown(&output).1, "FAILED  shop build T: exit code 1\n  | two\n  | three\n");
    assert_eq!(journal(state.path())[0]["stderr_tail"], serde_json::json!(["two", "three"]));
}

#[test]
fn the_result_is_also_printed_below_live_output() {
    let state = state_dir();
    let output = run(&state, &["--output", "with-result"], "echo noise; echo trouble >&2; exit 3");
    let expected = ("noise\n".to_owned(), "trouble\nFAILED  shop build T: exit code 3\n".to_owned());
    assert_eq!((output.status.code(), shown(&output)), (Some(3), expected));
    let skipped = dm_stage(&state).args(["docs", "--output=with-result", "--skip", "no change"]).output();
    assert_eq!(String::from_utf8(skipped.unwrap().stderr).unwrap(), "skipped shop docs: no change\n");
}

#[test]
fn the_variable_is_for_the_stages_of_a_deployment_and_not_for_the_whole() {
    let state = state_dir();
    let inner = format!("echo before; {} build -- echo noise", env!("CARGO_BIN_EXE_dm-stage"));
    let mut command = dm_stage(&state);
    command.env("DM_OUTPUT", "on-failure").args(["deployment", "--", "sh", "-c", &inner]);
    let output = command.output().unwrap();
    assert_eq!(shown(&output), ("before\n".to_owned(), "ok      shop build T\n".to_owned()));
    let refused =
        dm_stage(&state).args(["deployment", "--output=on-failure", "--", "true"]).output().unwrap();
    assert_eq!(refused.status.code(), Some(125));
    assert!(shown(&refused).1.contains("--output is for one stage"), "{refused:?}");
    let empty =
        dm_stage(&state).env("DM_OUTPUT", "").args(["build", "--", "echo", "noise"]).output().unwrap();
    assert_eq!(shown(&empty), ("noise\n".to_owned(), String::new()));
}

#[test]
fn a_signal_reaches_a_command_whose_output_is_kept() {
    let state = state_dir();
    let ready = state.path().join("ready");
    assert!(std::process::Command::new("mkfifo").arg(&ready).status().unwrap().success());
    // Without a child: the shell would report the end of one, if the signal came while it ran.
    let script = format!("trap 'echo bye; exit 7' TERM; echo on > {}; while :; do :; done", ready.display());
    let arguments = ["build", "--output", "on-failure", "--", "sh", "-c", &script];
    let child = dm_stage(&state).args(arguments).stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(std::fs::File::open(&ready).unwrap()).read_line(&mut line).unwrap();
    let kill = format!("kill -TERM {}", child.id());
    assert!(std::process::Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(7));
    assert_eq!(shown(&output).1, "CANCELLED shop build T: exit code 7\n  | bye\n");
    let killed = run(&state, &["--output", "on-failure"], "kill -KILL $$");
    assert_eq!(killed.status.signal(), Some(9));
    assert_eq!(shown(&killed).1, "FAILED  shop build T: killed by signal 9\n");
}

#[test]
fn a_background_process_does_not_delay_the_end() {
    let state = state_dir();
    let pid = state.path().join("pid");
    let script = format!("sleep 300 & echo $! > {}", pid.display());
    assert!(run(&state, &["--output", "on-failure"], &script).status.success());
    let kill = format!("kill {}", std::fs::read_to_string(pid).unwrap());
    assert!(std::process::Command::new("sh").args(["-c", &kill]).status().unwrap().success());
}

#[test]
fn in_github_actions_masks_and_annotations_reach_the_runner() {
    let state = state_dir();
    let script = "echo noise; echo ::add-mask::s3cret; echo ::warning::old >&2; echo ::group::x";
    let mut command = dm_stage(&state);
    command.env("GITHUB_ACTIONS", "true");
    command.args(["build", "--output", "on-failure", "--", "sh", "-c", script]);
    let expected = "::add-mask::s3cret\n::warning::old\nok      shop build T\n".to_owned();
    assert_eq!(shown(&command.output().unwrap()), (String::new(), expected));
}

#[test]
fn on_a_terminal_a_status_line_shows_progress_and_a_question_finds_no_answer() {
    let state = state_dir();
    let mut command = dm_stage(&state);
    let script = "read answer || echo nobody answers; sleep 0.1; exit 4";
    command.args(["build", "--output", "on-failure", "--", "sh", "-c", script]);
    let mut terminal = Terminal::start(&command);
    terminal.wait_for("build 0ms");
    terminal.wait_for("FAILED");
    terminal.wait_for("exit code 4");
    let (rest, status) = terminal.end();
    assert!(rest.contains("  | nobody answers"), "{rest:?}");
    assert_eq!(status.code(), Some(4));
}
