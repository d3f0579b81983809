//! The command line of dm-rollback, on recorded streams. The tests of the workspace cover the live chain.
#![expect(clippy::unwrap_used, reason = "a panic is a failed test")]

use assert_cmd::Command;
use assert_cmd::assert::Assert;
use chrono::{SecondsFormat, TimeDelta};
use common::clock::{Clock, SystemClock};
use predicates::prelude::*;
use predicates::str::contains;
use serde_json::Value;
use tempfile::TempDir;

const START: &str = r#"{"v":1,"type":"start","tool":"dm-health","run":"r","service":"api","environment":"production","deployment":"d-42","ts":"2026-01-01T00:00:00.000Z"}"#;

/// A stream of requests that a server counted in the last minute. It names no URL that could be probed again.
fn counted(total: u64, errors: u64) -> String {
    // In five windows, because errors in one window prove nothing.
    let share = |all: u64, window: u64| all * (window + 1) / 5 - all * window / 5;
    let begin = SystemClock.now() - TimeDelta::seconds(60);
    let window = |window: u64| {
        let ts = begin + TimeDelta::seconds(10 * window.cast_signed());
        format!(
            r#"{{"v":1,"type":"count","ts":"{}","window_ms":10000,"src":"nginx","total":{},"errors":{}}}"#,
            ts.to_rfc3339_opts(SecondsFormat::Millis, true),
            share(total, window),
            share(errors, window)
        )
    };
    let counts: Vec<String> = (0..5).map(window).collect();
    format!("{START}\n{}\n{}\n", counts.join("\n"), end(0, 5))
}

fn end(exit: u8, records: u64) -> String {
    format!(r#"{{"v":1,"type":"end","ts":"2026-01-01T00:01:00.000Z","exit":{exit},"records":{records}}}"#)
}

fn dm_rollback(state: &TempDir) -> Command {
    isolated(env!("CARGO_BIN_EXE_dm-rollback"), state)
}

/// The tool, or a shell that starts it, without the environment of the test: CI has other rules.
fn isolated(program: &str, state: &TempDir) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("PATH", "/usr/local/bin:/usr/bin:/bin").env("DM_STATE_DIR", state.path());
    command.env("DM_SERVICE", "api").env("DM_ENVIRONMENT", "production").env("DM_VERSION", "2.0");
    command.current_dir(state.path());
    command
}

/// The result for this stream, with a rollback command that leaves a trace.
fn judge(state: &TempDir, stream: &str) -> Assert {
    let trace = "echo \"$DM_DEPLOYMENT_ID $DM_FAILED_VERSION\" >> trace; echo printed by the command";
    dm_rollback(state).args(["--if-error-rate", "5", "--", "sh", "-c", trace]).write_stdin(stream).assert()
}

fn verdict(assert: &Assert) -> Value {
    let text = String::from_utf8(assert.get_output().stdout.clone()).unwrap();
    let records: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let [start, verdict, end] = records.try_into().unwrap();
    assert_eq!((&start["type"], &end["type"], &end["records"]), (&"start".into(), &"end".into(), &1.into()));
    assert_eq!(end["exit"], assert.get_output().status.code().unwrap());
    verdict
}

#[test]
fn text_of_strangers_acts_on_no_terminal_and_no_ci() {
    const HOSTILE: &str = r"\u001b]0;x\u0007\n::error::pwned\u202e\u2028##[add-mask]x";
    let probes: String = (0..60)
        .map(|second| {
            let ts = SystemClock.now() - TimeDelta::seconds(60 - second);
            format!(
                r#"{{"v":1,"type":"probe","ts":"{}","target":"http://h/","src":"SRC","ok":{},"version":"VERSION"}}"#,
                ts.to_rfc3339_opts(SecondsFormat::Millis, true),
                second < 10
            ) + "\n"
        })
        .collect();
    let test = r#"{"v":1,"type":"test","ts":"NOW","name":"NAME","result":"fail","message":"MESSAGE"}"#
        .to_owned()
        + "\n";
    let now = SystemClock.now().to_rfc3339();
    let smoke = START.replace("dm-health", "dm-smoke").replace("2026-01-01T00:00:00.000Z", &now);
    for (stream, field, condition) in [
        (format!("{START}\n{probes}{}\n", end(0, 60)), "dm-health", "--if-health-fails"),
        (format!("{START}\n{probes}{}\n", end(0, 60)), "\"api\"", "--if-health-fails"),
        (format!("{START}\n{probes}{}\n", end(0, 60)), "production", "--if-health-fails"),
        (format!("{START}\n{probes}{}\n", end(0, 60)), "d-42", "--if-health-fails"),
        (format!("{START}\n{probes}{}\n", end(0, 60)), "SRC", "--if-error-rate=5"),
        (format!("{START}\n{probes}{}\n", end(0, 60)), "VERSION", "--if-error-rate=5"),
        (format!("{smoke}\n{test}{}\n", end(1, 1)), "NAME", "--if-smoke-fails"),
        (format!("{smoke}\n{test}{}\n", end(1, 1)), "MESSAGE", "--if-smoke-fails"),
        (format!("{smoke}\n{test}{}\n", end(1, 1)), "fail", "--if-smoke-fails"),
    ] {
        let quoted = if field.starts_with('"') { format!("\"{HOSTILE}\"") } else { HOSTILE.to_owned() };
        let stream = stream.replacen("NOW", &now, 1).replace(field, &quoted);
        for format in ["human", "jsonl"] {
            let state = tempfile::tempdir().unwrap();
            let summary = state.path().join("summary");
            let mut command = dm_rollback(&state);
            command.env("GITHUB_ACTIONS", "true").env("GITHUB_STEP_SUMMARY", &summary);
            command.args(["--format", format, "--dry-run", "--github", "error,summary", condition]);
            let output = command.write_stdin(stream.clone()).output().unwrap();
            let summary = std::fs::read_to_string(&summary).unwrap_or_default();
            let shown = [&*output.stdout, &output.stderr, summary.as_bytes()].concat();
            let shown = String::from_utf8(shown).unwrap();
            let is_unsafe = |c: char| c != '\n' && (c.is_control() || "\u{202e}\u{2028}".contains(c));
            assert!(!shown.contains(is_unsafe) && !shown.contains("##["), "{field} {format}: {shown:?}");
            assert!(!shown.contains("\n::error::pwned"), "{field} {format}: {shown:?}");
        }
    }
}

#[test]
fn a_usage_error_says_what_to_write() {
    for (flags, advice) in [
        (["--since", "-5m"], "give 5m"),
        (
            ["--since", "2026-01-01T18:00:00"],
            "the time zone is missing: give 2026-01-01T18:00:00Z if it is UTC",
        ),
        (["--bucket", "1ns"], "at least 10ms are needed"),
    ] {
        let state = tempfile::tempdir().unwrap();
        let refused = dm_rollback(&state).args(["--if-error-rate", "5"]).args(flags).assert().code(2);
        refused.stderr(contains(advice));
    }
}

#[test]
fn a_recording_without_requests_neither_rolls_back_nor_keeps() {
    let smoke = START.replace("dm-health", "dm-smoke");
    let passed = r#"{"v":1,"type":"test","ts":"2026-01-01T00:00:30.000Z","name":"checkout","result":"pass"}"#;
    let failed = passed.replace("pass", "fail");
    for (start, test, exit, condition) in [
        (&*smoke, Some(passed), 0, "--if-smoke-fails"),
        (&smoke, Some(&*failed), 1, "--if-smoke-fails"),
        (START, None, 0, "--if-health-fails"),
        (START, None, 1, "--if-health-fails"),
    ] {
        let state = tempfile::tempdir().unwrap();
        let end = end(exit, u64::from(test.is_some()));
        let stream = format!("{start}\n{}{end}\n", test.map(|test| format!("{test}\n")).unwrap_or_default());
        let judged =
            dm_rollback(&state).args([condition, "--", "touch", "trace"]).write_stdin(stream).assert();
        judged.code(3).stderr(contains("the stream is a recording: it ended"));
        assert!(!state.path().join("trace").exists());
    }
}

#[test]
fn few_errors_of_many_requests_keep_the_version() {
    let state = tempfile::tempdir().unwrap();
    let assert =
        judge(&state, &counted(1000, 10)).code(0).stderr(contains("keep: 10 of 1000 requests failed"));
    let verdict = verdict(&assert);
    assert_eq!((&verdict["verdict"], &verdict["rate_percent"]), (&"keep".into(), &1.0.into()));
    assert!(!state.path().join("trace").exists());
}

#[test]
fn an_unwritable_stdout_does_not_stop_a_rollback() {
    for (errors, code, traces) in [(60, 12, true), (0, 5, false)] {
        let state = tempfile::tempdir().unwrap();
        let script = "exec \"$0\" --if-error-rate 5 -- sh -c 'echo >> trace' > /dev/full";
        isolated("sh", &state)
            .args(["-c", script, env!("CARGO_BIN_EXE_dm-rollback")])
            .write_stdin(counted(200, errors))
            .assert()
            .code(code)
            .stderr(contains("cannot write to stdout: No space left"));
        assert_eq!(state.path().join("trace").exists(), traces);
    }
}

#[test]
fn the_verdict_is_coloured_by_its_meaning() {
    for (errors, text) in
        [(10, "\u{1b}[32mkeep\u{1b}[0m: 10"), (300, "\u{1b}[1m\u{1b}[31mrollback\u{1b}[0m: 300")]
    {
        let state = tempfile::tempdir().unwrap();
        let mut command = dm_rollback(&state);
        command.env("CLICOLOR_FORCE", "1").args(["--if-error-rate", "5", "--", "true"]);
        let records = contains("\"verdict\"").and(contains("\u{1b}").not());
        command.write_stdin(counted(1000, errors)).assert().stderr(contains(text)).stdout(records);
    }
}

#[test]
fn many_errors_roll_back_and_the_command_gets_the_failed_version() {
    let state = tempfile::tempdir().unwrap();
    let assert = judge(&state, &counted(100, 30)).code(12);
    assert_eq!(verdict(&assert)["verdict"], "rollback");
    let trace = std::fs::read_to_string(state.path().join("trace")).unwrap();
    assert_eq!(trace, "d-42 2.0\n", "the deployment of the stream, the version of the environment");
    // Nothing can be measured again, so a person has to check.
    assert.stderr(contains("printed by the command").and(contains("NOT verified: the stream ended before")));
    let text = std::fs::read_to_string(state.path().join("journal.jsonl")).unwrap();
    let event: Value = serde_json::from_str(text.trim()).unwrap();
    assert_eq!((&event["result"], &event["deployment"]), (&"unverified".into(), &"d-42".into()));
    assert_eq!(event["error_type"], "rollback_failed");
}

#[test]
fn too_little_data_is_inconclusive() {
    let state = tempfile::tempdir().unwrap();
    for (total, errors, why) in
        [(0, 0, "no request"), (9, 9, "too few to judge"), (89, 0, "at least 90 are needed")]
    {
        let verdict = verdict(&judge(&state, &counted(total, errors)).code(3));
        assert!(verdict["why"].as_str().unwrap().contains(why), "{total} {errors}: {verdict}");
    }
    assert!(!state.path().join("trace").exists());
}

#[test]
fn a_damaged_stream_does_not_roll_back() {
    let state = tempfile::tempdir().unwrap();
    // Worse than allowed, but not proven: reading stops as soon as the errors are proof.
    let bad = counted(20, 2);
    let without_end = bad.lines().take(6).collect::<Vec<_>>().join("\n");
    for (stream, why) in [
        (String::new(), "stdin is empty"),
        (without_end.clone(), "producer died"),
        (format!("{without_end}\n{{\"v\":1,\"ty"), "not a record"),
        (format!("{without_end}\n{}\n", end(0, 7)), "wrote 7 records and 5 arrived"),
        (bad.replace("\"v\":1", "\"v\":9"), "format version 9"),
        (format!("{bad}{bad}"), "more than one producer"),
        (bad.replace('\n', &format!("\n{START}\n")), "starts twice"),
        (format!("{START}\n{}{}", &bad[..90], &bad[60..]), "not a record"),
        ("\u{0}\u{1}\n".repeat(9), "not a record"),
        ("x".repeat(3_000_000), "longer than"),
        (counted(5, 6), "2 errors in 1 requests"),
    ] {
        let assert = judge(&state, &stream).code(3);
        let verdict = verdict(&assert);
        assert_eq!(verdict["verdict"], "inconclusive");
        assert!(verdict["why"].as_str().unwrap().contains(why), "{verdict}");
    }
    assert!(!state.path().join("trace").exists());
}

#[test]
fn a_reader_that_goes_away_does_not_stop_a_rollback() {
    let state = tempfile::tempdir().unwrap();
    let script = format!(
        "printf '%s' '{}' | {} --if-error-rate 5 -- sh -c 'echo done > trace' | true; echo ${{PIPESTATUS[1]}}",
        counted(100, 100),
        env!("CARGO_BIN_EXE_dm-rollback")
    );
    isolated("bash", &state).args(["-c", &script]).assert().success().stdout("12\n");
    assert!(state.path().join("trace").exists());
}
