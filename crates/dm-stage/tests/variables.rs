//! Variables with a wrong value: a command that runs without the tool also runs with it.
#![expect(clippy::unwrap_used, reason = "a panic is a failed test")]
#![expect(clippy::disallowed_methods, reason = "the commands run here start nothing that holds a pipe")]

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::process::Output;

use testkit::bin::Machine;

fn run(machine: &Machine, words: &[&str], variables: &[(&str, &OsStr)]) -> (Option<i32>, String) {
    let mut command = machine.tool("dm-stage");
    command.args(words).envs(variables.iter().copied());
    let Output { status, stderr, .. } = command.output().unwrap();
    (status.code(), String::from_utf8(stderr).unwrap())
}

#[test]
fn no_variable_about_showing_or_recording_keeps_a_command_from_running() {
    let not_text = OsStr::from_bytes(b"\xff\xfe");
    for (name, value) in [
        ("DM_OUTPUT", OsStr::new("quiet")),
        ("DM_SUMMARY_LINE", OsStr::new("sometimes")),
        ("DM_GITHUB", OsStr::new("everything")),
        ("DM_NOTIFY_URL", OsStr::new("carrier-pigeon")),
        ("DM_DASHBOARD_URL", not_text),
        ("PUSHGATEWAY_TOKEN", not_text),
        ("PUSHGATEWAY_URL", not_text),
        ("DM_STATE_DIR", not_text),
        ("DM_TEXTFILE", not_text),
    ] {
        let machine = Machine::new();
        let machine = {
            let home = machine.folder().display().to_string();
            machine.with("HOME", &home)
        };
        let words = ["deployment", "--", "sh", "-c", "exit 3"];
        let (code, stderr) = run(&machine, &words, &[(name, value)]);
        assert_eq!(code, Some(3), "{name}: {stderr}");
        assert!(stderr.lines().count() == 1 && stderr.contains(name), "{name}: {stderr}");
    }
    // Two of them at once, and both are named.
    let both = [("DM_OUTPUT", OsStr::new("quiet")), ("DM_GITHUB", OsStr::new("everything"))];
    let (code, stderr) = run(&Machine::new(), &["build", "--", "true"], &both);
    assert!(code == Some(0) && stderr.contains("DM_OUTPUT is ignored"), "{stderr}");
    assert!(stderr.contains("DM_GITHUB is ignored") && !stderr.contains("unexpected"), "{stderr}");
}

#[test]
fn a_verdict_does_not_depend_on_how_it_is_recorded_but_on_the_ledger() {
    let not_text = OsStr::from_bytes(b"\xff\xfe");
    for (name, code) in [("PUSHGATEWAY_TOKEN", 0), ("DM_STATE_DIR", 2)] {
        let machine = Machine::new();
        let mut rollback = machine.tool("dm-rollback");
        let output =
            rollback.args(["--mark-good", "--app-version", "1"]).env(name, not_text).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{name}: {output:?}");
    }
}

#[test]
fn a_label_in_a_variable_is_changed_and_on_the_command_line_it_is_wrong_usage() {
    let long = "preview/".repeat(20);
    for (name, value, problem) in [
        ("DM_ENVIRONMENT", OsStr::new(&long), "is 160 bytes long"),
        ("DM_VERSION", OsStr::new("1\n2"), "contains a control character"),
        ("DM_SERVICE", OsStr::from_bytes(b"caf\xe9"), "is not UTF-8"),
    ] {
        let machine = Machine::new();
        let (code, stderr) = run(&machine, &["build", "--", "true"], &[(name, value)]);
        assert!(code == Some(0) && stderr.contains(&format!("{name} {problem}")), "{stderr}");
        assert_eq!(machine.journal().len(), 1);
    }
    let machine = Machine::new();
    let environments = [long.clone() + "a", long.clone() + "b"];
    for environment in &environments {
        run(&machine, &["build", "--", "true"], &[("DM_ENVIRONMENT", OsStr::new(environment))]);
    }
    let recorded: Vec<String> =
        machine.journal().iter().map(|event| event["environment"].to_string()).collect();
    assert_ne!(recorded[0], recorded[1], "two environments stay two");

    let (code, stderr) = run(&machine, &["build", "--environment", &long, "--", "true"], &[]);
    assert_eq!(code, Some(125), "{stderr}");
    assert!(stderr.contains("for '--environment <NAME>': is 160 bytes long; the maximum is 128"), "{stderr}");
}

#[test]
fn what_is_wrong_on_the_command_line_is_still_an_error() {
    let wrong = [("DM_OUTPUT", OsStr::new("quiet"))];
    let (code, stderr) = run(&Machine::new(), &["build", "--timeout", "soon", "--", "true"], &wrong);
    assert!(code == Some(125) && stderr.contains("--timeout"), "{stderr}");
    let (code, stderr) = run(&Machine::new(), &["build", "--output", "quiet", "--", "true"], &[]);
    assert!(code == Some(125) && stderr.contains("must be live"), "{stderr}");
    // What somebody demands is not ignored.
    let (code, _) =
        run(&Machine::new(), &["build", "--", "true"], &[("DM_REQUIRE_EXPORT", OsStr::new("maybe"))]);
    assert_eq!(code, Some(125));
}
