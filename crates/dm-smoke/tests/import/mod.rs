//! Stories of other runners' results. The fixtures are their real output; the versions are in the names.

use std::path::Path;

use common::event::TestResult::{Error, Fail, Pass, Skip};
use common::event::{Detail, Status, TestResult};
use common::records::Record;
use predicates::prelude::*;
use predicates::str::contains;

use crate::support::{Place, records, tests};

fn fixture(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name).display().to_string()
}

/// The tool without a suite.
pub(crate) fn import(place: &Place, args: &[&str], stdin: &str) -> assert_cmd::assert::Assert {
    let mut command = assert_cmd::Command::from_std(place.without_suite());
    command.args(args).write_stdin(stdin).assert()
}

fn results(format: &str, name: &str, code: i32) -> Vec<(String, TestResult, Option<String>)> {
    let place = Place::with_suite("");
    let imported = import(&place, &[format, &fixture(name)], "").code(code);
    let records = records(&imported.get_output().stdout);
    assert!(matches!(records.last(), Some(Record::End { exit: 1, .. })), "{records:?}");
    let Detail::Smoke { results, .. } = place.event().detail else { panic!("no smoke event") };
    let counted: u64 = results.iter().map(|(_, tests)| tests).sum();
    assert_eq!(counted, tests(&records).len() as u64);
    tests(&records).iter().map(|test| (test.name.clone(), test.result, test.message.clone())).collect()
}

fn wanted(list: &[(&str, TestResult, Option<&str>)]) -> Vec<(String, TestResult, Option<String>)> {
    list.iter().map(|(name, result, why)| ((*name).to_owned(), *result, why.map(str::to_owned))).collect()
}

#[test]
fn node() {
    let unequal = "Expected values to be strictly equal: 1 !== 2";
    assert_eq!(
        results("--from-tap", "node-20.20.2.tap", 1),
        wanted(&[
            ("adds", Pass, None),
            ("fails & is <odd>", Fail, Some(unequal)),
            ("skipped # one", Skip, Some("not today")),
            ("to do", Skip, None),
            ("group", Fail, Some("inner bad: boom")),
        ])
    );
    assert_eq!(
        results("--from-junit", "node-20.20.2.junit.xml", 1),
        wanted(&[
            ("test: adds", Pass, None),
            ("test: fails & is <odd>", Fail, Some("Expected values to be strictly equal:1 !== 2")),
            ("test: skipped # one", Skip, Some("not today")),
            ("test: to do", Skip, Some("true")),
            ("test: inner good", Pass, None),
            ("test: inner bad", Fail, Some("boom")),
        ])
    );
}

#[test]
fn pytest() {
    let imported = results("--from-junit", "pytest-9.2.0.junit.xml", 1);
    let kinds: Vec<_> = imported.iter().map(|(name, result, _)| (name.as_str(), *result)).collect();
    assert_eq!(
        kinds,
        [
            ("test_t: test_adds", Pass),
            ("test_t: test_fails", Fail),
            ("test_t: test_skipped", Skip),
            ("test_t: test_expected", Skip),
            ("test_t: test_error", Error)
        ]
    );
    assert!(
        imported[1].2.as_deref().unwrap().starts_with("AssertionError: assert {'status': 'down'}"),
        "{imported:?}"
    );
    assert_eq!(imported[4].2.as_deref(), Some("failed on setup with \"RuntimeError: no database\""));
}

#[test]
fn bats() {
    let imported = results("--from-tap", "bats-1.8.2.tap", 1);
    let why = "(in test file t.bats, line 2) `@test \"fails & is <odd>\" { echo \"some output\"; [ 1 -eq 2 ]; }' failed some output";
    let why = Some(why);
    assert_eq!(
        imported,
        wanted(&[
            ("adds", Pass, None),
            ("fails & is <odd>", Fail, why),
            ("left out", Skip, Some("not today"))
        ])
    );
    let imported = results("--from-junit", "bats-1.8.2.junit.xml", 1);
    assert_eq!(imported[1].0, "t.bats: fails & is <odd>");
    assert!(imported[1].2.as_deref().unwrap().starts_with("(in test file t.bats, line 2) `"), "{imported:?}");
}

#[test]
fn hurl() {
    let imported = results("--from-junit", "hurl-8.0.1.junit.xml", 1);
    assert_eq!(
        imported,
        wanted(&[
            ("health.hurl", Pass, None),
            (
                "orders.hurl",
                Fail,
                Some(
                    "Assert status code --> orders.hurl:2:6 | | GET http://127.0.0.1:8097/orders 2 | HTTP 200 \
                     | ^^^ actual value is <404> |"
                )
            ),
            (
                "refused.hurl",
                Error,
                Some(
                    "HTTP connection --> refused.hurl:1:5 | 1 | GET http://127.0.0.1:1/health | \
                     ^^^^^^^^^^^^^^^^^^^^^^^^^ (7) Failed to connect to 127.0.0.1 port 1 after 1 ms: Couldn't connect \
                     to server |"
                )
            ),
        ])
    );
    let imported = results("--from-tap", "hurl-8.0.1.tap", 1);
    let wanted =
        wanted(&[("health.hurl", Pass, None), ("orders.hurl", Fail, None), ("refused.hurl", Fail, None)]);
    assert_eq!(imported, wanted);
}

#[test]
fn go_test() {
    let imported = results("--from-junit", "gotestsum-1.8.2.junit.xml", 1);
    let kinds: Vec<_> = imported.iter().map(|(name, result, _)| (name.as_str(), *result)).collect();
    assert_eq!(
        kinds,
        [
            ("example.org/shop: TestFails", Fail),
            ("example.org/shop: TestGroup/bad", Fail),
            ("example.org/shop: TestGroup", Fail),
            ("example.org/shop: TestSkipped", Skip),
            ("example.org/shop: TestAdds", Pass),
            ("example.org/shop: TestGroup/good", Pass),
            ("example.org/shop/broken: TestPanics", Fail),
        ]
    );
    let why = "=== RUN TestFails shop_test.go:8: status 503, want <200> & \"ok\" --- FAIL: TestFails (0.00s)";
    assert_eq!(imported[0].2.as_deref(), Some(why));
}

#[test]
fn what_this_tool_writes_it_reads() {
    let place =
        Place::with_suite(&(crate::shell("good", "true", "") + &crate::shell("bad # x", "exit 3", "")));
    for (format, from, prefix) in [("tap", "--from-tap", ""), ("junit", "--from-junit", "smoke: ")] {
        let imported = place.smoke(&["--format", format]).code(1);
        let text = String::from_utf8(imported.get_output().stdout.clone()).unwrap();
        let imported = import(&place, &[from, "-", "--name", "again", "--format", "human"], &text).code(1);
        imported.stdout(
            contains(format!("ok    {prefix}good ("))
                .and(contains(format!("FAIL  {prefix}bad # x (")))
                .and(contains("sh: exit code 3, expected exit code 0\n"))
                .and(contains("1 passed, 1 failed in ")),
        );
    }
}

#[test]
fn a_runner_that_did_not_finish_proves_nothing() {
    let place = Place::with_suite("");
    let table = [
        ("--from-tap", "1..3\nok 1 - a\n", "stdin: the plan is 3 tests, but the report has 1"),
        ("--from-tap", "", "stdin: there is no plan"),
        ("--from-junit", "<testsuites><testsuite><testcase name='a'/>", "stdin: ends too early"),
        ("--from-junit", "segmentation fault", "stdin: not JUnit XML"),
    ];
    for (from, text, reason) in table {
        import(&place, &[from, "-", "--name", "x"], text).code(5).stderr(contains(reason));
    }
    import(&place, &["--from-junit", "none.xml"], "")
        .code(5)
        .stdout(contains("\"exit\":5"))
        .stderr(contains("none.xml: cannot read it: No such file"));
    let place = Place::with_suite("");
    import(&place, &["--from-tap", "-", "--name", "x"], "1..0 # SKIP nothing to do\n").code(4);
    assert_eq!(place.event().status, Status::Error);
}

#[test]
fn results_from_stdin_need_no_name() {
    for (from, text, name) in [
        ("--from-tap", "1..1\nok 1 - a\n", "tap"),
        ("--from-junit", "<testsuites><testsuite><testcase name='a'/></testsuite></testsuites>", "junit"),
        ("--from-tap", "\u{feff}1..1\nok 1 - a\n", "tap"),
        ("--from-junit", "\u{feff}<testsuite><testcase name='a'/></testsuite>", "junit"),
    ] {
        let place = Place::with_suite("");
        import(&place, &[from, "-"], text).code(0);
        let Detail::Smoke { suite, .. } = place.event().detail else { panic!("{from}") };
        assert_eq!(suite.as_str(), name);
    }
}

#[test]
fn usage() {
    let place = Place::with_suite("");
    import(&place, &["--from-tap", "-", "--from-junit", "-"], "")
        .code(2)
        .stderr(contains("cannot be used with"));
    import(&place, &["smoke.toml", "--from-tap", "-"], "").code(2).stderr(contains("cannot be used with"));
    import(&place, &[], "").code(2).stderr(contains("required arguments were not provided"));
}

/// A JUnit report of one test, with these attributes of its suite.
fn suite_of_one(name: &str, attributes: &str) -> String {
    format!(
        "<testsuites><testsuite {attributes}><testcase name='{name}' time='1,000.5'/></testsuite></testsuites>"
    )
}

#[test]
fn several_reports_and_patterns_are_one_result() {
    let place = Place::with_suite("");
    let write = |name: &str, bytes: &[u8]| common::fs::atomic::write(&place.path(name), bytes).unwrap();
    std::fs::create_dir(place.path("reports")).unwrap();
    write("reports/TEST-a.xml", suite_of_one("a", "").as_bytes());
    let utf_16 = format!("\u{feff}{}", suite_of_one("grün", ""));
    write("reports/TEST-b.xml", &utf_16.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>());
    write(
        "other.xml",
        b"<?xml version='1.0' encoding='ISO-8859-1'?><testsuite><testcase name='gr\xfcn too'/></testsuite>",
    );
    let imported =
        import(&place, &["--from-junit", "reports/TEST-*.xml", "other.xml", "reports/TEST-a.xml"], "")
            .code(0);
    let imported = records(&imported.get_output().stdout);
    let names: Vec<_> = tests(&imported).iter().map(|test| test.name.clone()).collect();
    assert_eq!(names, ["a", "grün", "grün too"]);
    let event = place.event();
    // The duration is the tests', not the one of the import.
    assert_eq!(event.duration_s, Some(2001.0));
    let Detail::Smoke { suite, .. } = event.detail else { panic!("no smoke event") };
    assert_eq!(suite.as_str(), "junit");

    write("one.tap", b"1..1\nok 1 - a\n");
    write("two.tap", b"1..1\nnot ok 1 - a\n");
    let imported = import(&place, &["--from-tap", "one.tap", "two.tap", "--format", "human"], "").code(1);
    imported.stdout(contains("ok    one: a").and(contains("FAIL  two: a")));
    import(&place, &["--from-tap", "one.tap", "no/*.tap"], "")
        .code(5)
        .stderr(contains("no file matches no/*.tap"));
    import(&place, &["--from-tap", "one.tap", "a[.tap"], "")
        .code(2)
        .stderr(contains("not a pattern of file names"));
}

#[test]
fn the_exit_code_of_the_runner_is_part_of_the_result() {
    let place = Place::with_suite("");
    let good = suite_of_one("a", "");
    import(&place, &["--from-junit", "-", "--runner-exit", "0"], &good).code(0);
    import(&place, &["--from-junit", "-", "--runner-exit", "2"], &good)
        .code(5)
        .stderr(contains("the runner exited with 2, but no test in its report failed"));
    import(&place, &["--from-junit", "-", "--runner-exit", "2"], &suite_of_one("a", "errors='1' name='s'"))
        .code(1);
    import(&place, &["smoke.toml", "--runner-exit", "2"], "").code(2);
}

#[test]
fn the_text_of_a_report_acts_on_no_terminal_and_no_log() {
    let place = Place::with_suite("");
    for text in [
        "<testsuite><testcase></x\n::error::pwned\n\x1b]0;t\x07\u{202e}>",
        "<testsuite name='\u{202e}&#x1b;]0;' errors='1'><system-err>\n::add-mask::x\n##[error]y\x1b[31m</system-err></testsuite>",
        "<testsuite><testcase name='&#10;::error::x'><failure message='::add-mask::x&#x1b;&#10;::error::y'/></testcase></testsuite>",
    ] {
        let imported = import(&place, &["--from-junit", "-", "--format", "human"], text);
        let output = imported.get_output();
        let shown = [output.stdout.clone(), output.stderr.clone()].concat();
        let shown = String::from_utf8(shown).unwrap();
        assert!(!shown.contains(['\x1b', '\x07', '\u{202e}']), "{shown:?}");
        let is_command = |line: &str| line.trim_start().starts_with("::") || line.contains("##[");
        assert!(!shown.lines().any(is_command), "{shown}");
    }
}
