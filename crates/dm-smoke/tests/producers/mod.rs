//! The reports of real runners: recorded ones, with the runner's version in the name of the file, and some that the test
//! makes itself.

use std::fmt::Write as _;
use std::path::Path;

use assert_cmd::Command;
use predicates::prelude::*;
use predicates::str::contains;

use crate::import::import;
use crate::support::{PATIENCE, Place};

#[test]
fn each_recorded_report_is_understood() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let mut names: Vec<_> =
        folder.read_dir().unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    let mut outputs = String::new();
    for name in names {
        let place = Place::with_suite("");
        let from = if Path::new(&name).extension().is_some_and(|extension| extension == "xml") {
            "--from-junit"
        } else {
            "--from-tap"
        };
        let path = folder.join(&name).display().to_string();
        let output = import(&place, &[from, &path, "--format", "human"], "");
        let output = output.get_output();
        let stdout = String::from_utf8(output.stdout.clone()).unwrap();
        writeln!(outputs, "{name}: exit code {}\n{stdout}", output.status.code().unwrap()).unwrap();
    }
    insta::assert_snapshot!(outputs);
}

#[test]
fn perl_and_prove() {
    let place = Place::with_suite("");
    let write =
        |name: &str, text: &str| common::fs::atomic::write(&place.path(name), text.as_bytes()).unwrap();
    write("good.t", "use Test::More; ok(1, 'good'); done_testing;");
    write("bad.t", "use Test::More tests => 2; ok(1, 'good'); is(1, 2, 'is two');");
    write("dies.t", "use Test::More tests => 1; ok(1, 'good'); exit 3;");
    let output = |program: &str, args: &[&str]| {
        let mut command = Command::new(program);
        command.args(args).current_dir(place.path(".")).env_remove("HARNESS_OPTIONS").timeout(PATIENCE);
        String::from_utf8(command.output().unwrap().stdout).unwrap()
    };
    let imported =
        |text: &str, code| import(&place, &["--from-tap", "-", "--format", "human"], text).code(code);
    imported(&output("perl", &["good.t"]), 0).stdout(contains("ok    good (0ms)\n1 passed\n"));
    imported(&output("perl", &["bad.t"]), 1).stdout(contains("FAIL  is two (0ms)\n"));
    imported(&output("prove", &["-v", "good.t"]), 0).stdout(contains("ok    good.t: good (0ms)\n1 passed\n"));
    imported(&output("prove", &["-v", "good.t", "bad.t"]), 1)
        .stdout(contains("ok    good.t: good").and(contains("FAIL  bad.t: is two")));
    // All tests passed, but prove knows that the program did not.
    imported(&output("prove", &["-v", "dies.t"]), 5).stderr(contains("prove says \"Result: FAIL\""));
}

#[test]
fn node() {
    let place = Place::with_suite("");
    let tests = "const { test } = require('node:test');\n\
                 test('good', () => {});\n\
                 test('group', async (t) => { await t.test('bad', () => { throw new Error('no database'); }); });\n\
                 test('left out', { skip: 'not today' }, () => {});\n";
    common::fs::atomic::write(&place.path("a.test.cjs"), tests.as_bytes()).unwrap();
    for (reporter, from, bad) in [("tap", "--from-tap", "group"), ("junit", "--from-junit", "test: bad")] {
        let reporter = format!("--test-reporter={reporter}");
        let run = Command::new("node")
            .args(["--test", &reporter, "a.test.cjs"])
            .current_dir(place.path("."))
            .timeout(PATIENCE)
            .output();
        let report = String::from_utf8(run.unwrap().stdout).unwrap();
        let told = import(&place, &[from, "-", "--format", "human", "--runner-exit", "1"], &report).code(1);
        told.stdout(contains(format!("FAIL  {bad}")).and(contains("no database")).and(contains("left out")));
    }
}
