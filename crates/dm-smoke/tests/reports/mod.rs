//! The formats of the reports, report files, annotations and colours.

use predicates::prelude::*;
use predicates::str::{contains, is_empty};

use crate::shell;
use crate::support::{PATIENCE, Place, records, tests};

#[test]
fn tap_can_be_parsed() {
    let suite =
        shell("50% # SKIP it \\ here", "true", "") + &shell("bad # TODO", "echo \"a: #b\"; exit 1", "");
    let result = Place::with_suite(&suite).smoke(&["--format", "tap"]).code(1);
    let text = String::from_utf8(result.get_output().stdout.clone()).unwrap();
    assert!(text.starts_with("TAP version 14\n1..2\nok 1 - 50% \\# SKIP it \\\\ here\n  ---\n"), "{text}");
    assert!(text.contains("\nnot ok 2 - bad \\# TODO\n  ---\n  message: \"sh: exit code 1"), "{text}");

    // Perl's own parser, if installed. Many installations know only version 13, which is the same for this stream.
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("smoke.tap");
    common::fs::atomic::write(&file, text.replace("version 14", "version 13").as_bytes()).unwrap();
    if which("prove") {
        assert_cmd::Command::new("prove").args(["--exec", "cat"]).arg(&file).assert().code(1).stdout(
            contains("Failed 1/2 subtests")
                .and(contains("Parse errors").not())
                .and(contains("TODO passed").not()),
        );
    }
}

#[test]
fn one_run_writes_human_output_and_report_files() {
    let place = Place::with_suite(&(shell("good", "echo >> runs", "") + &shell("bad & worse", "exit 3", "")));
    place
        .smoke(&["--format", "human", "--report", "junit=smoke.xml", "--report", "jsonl=smoke.jsonl"])
        .code(1)
        .stdout(contains("1 passed, 1 failed in "));
    let read = |name| std::fs::read_to_string(place.path(name)).unwrap();
    let xml = read("smoke.xml");
    assert!(
        xml.contains("<testsuite name=\"smoke\" tests=\"2\" skipped=\"0\" errors=\"0\" failures=\"1\""),
        "{xml}"
    );
    assert!(xml.contains("<testcase name=\"bad &amp; worse\""), "{xml}");
    assert_eq!(tests(&records(read("smoke.jsonl").as_bytes())).len(), 2);
    assert_eq!(read("runs"), "\n", "the tests ran once");
    let result = place.smoke(&["--format", "junit"]).code(1);
    let xml = String::from_utf8(result.get_output().stdout.clone()).unwrap();
    assert!(xml.starts_with("<?xml") && xml.trim_end().ends_with("</testsuites>"), "{xml}");
}

#[test]
fn annotations_go_to_stderr_and_leave_stdout_unchanged() {
    let place = Place::with_suite(&(shell("good", "true", "") + &shell("bad: it, is", "exit 3", "")));
    let result = place.smoke(&["--annotate"]).code(1).stderr(
        "::error file=smoke.toml,line=6,title=bad%3A it%2C is::sh: exit code 3, expected exit code 0\n",
    );
    assert_eq!(tests(&records(&result.get_output().stdout)).len(), 2);
}

#[test]
fn progress_is_shown_only_on_terminals() {
    let place = Place::with_suite(&shell("good", "true", ""));
    place.smoke(&["--format", "human"]).code(0).stdout(contains("\u{1b}").not()).stderr(is_empty());
}

#[test]
fn a_report_can_go_to_a_pipe() {
    let place = Place::with_suite(&shell("good", "true", ""));
    let result = place.smoke(&["--format", "human", "--report", "tap=/dev/stdout"]).code(0);
    result.stdout(contains("TAP version 14\n1..1\nok 1 - good\n").and(contains("1 passed in ")));
}

#[test]
fn an_unwritable_report_hides_no_failure() {
    let place = Place::with_suite(&shell("bad", "exit 3", ""));
    place.smoke(&["--report", "junit=."]).code(1).stderr(contains("cannot write the report ."));
    let place = Place::with_suite(&shell("good", "true", ""));
    place.smoke(&["--report", "junit=."]).code(5).stderr(contains("cannot write the report ."));
}

#[test]
fn results_have_colours_if_forced() {
    let place = Place::with_suite(&(shell("good", "true", "") + &shell("bad", "false", "")));
    let run = |variables: &[&str]| {
        let mut command = place.command();
        command.args(["--format", "human"]).envs(variables.iter().map(|name| (name, "1")));
        assert_cmd::Command::from_std(command).timeout(PATIENCE).assert().code(1)
    };
    let coloured = contains("\u{1b}[32mok   \u{1b}[0m good").and(contains("\u{1b}[31mFAIL \u{1b}[0m bad"));
    // The log of a CI run shows colours although it is no terminal.
    run(&["CLICOLOR_FORCE"]).stdout(coloured);
    let plain = contains("ok    good").and(contains("FAIL  bad")).and(contains("\u{1b}").not());
    run(&["CLICOLOR_FORCE", "NO_COLOR"]).stdout(plain);
}

fn which(program: &str) -> bool {
    ["/usr/bin", "/usr/local/bin"].iter().any(|folder| std::path::Path::new(folder).join(program).exists())
}
