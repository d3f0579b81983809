use super::*;

use common::event::TestResult::{self, Error, Fail, Flaky, Pass, Skip};
use proptest::prelude::*;

use crate::import::ImportedReport;
use crate::mutation;

fn results(text: &str) -> Vec<(String, TestResult, String)> {
    let tests = parse(text).tests.into_iter();
    tests.map(|test| (test.name, test.result, test.message.unwrap_or_default())).collect()
}

fn list(tests: &[(&str, TestResult, &str)]) -> Vec<(String, TestResult, String)> {
    tests.iter().map(|(name, result, message)| ((*name).to_owned(), *result, (*message).to_owned())).collect()
}

#[test]
fn a_document_that_ends_early_or_is_none_is_broken() {
    let incomplete = |text: &str| parse(text).incomplete.unwrap_or_default();
    assert!(incomplete("<testsuites><testsuite><testcase name='a'/>").starts_with("ends too early"));
    assert!(incomplete("<testsuites><testsuite").starts_with("not XML"));
    assert!(incomplete("<html></html>").starts_with("not JUnit XML"));
    assert!(incomplete("").starts_with("not JUnit XML"));
    assert!(incomplete("<testsuites></testsuite>").starts_with("not XML"));
    assert_eq!(parse("<testsuites><testsuite><testcase name='a'/>").tests.len(), 1);
    assert_eq!(parse("<testsuite name='x'/>"), ImportedReport::default());
}

#[test]
fn an_error_is_worse_than_a_skip_which_explains_a_failure() {
    for (element, result) in [
        ("<skipped/><error message='in teardown'/>", Error),
        ("<error message='in teardown'/><skipped/>", Error),
        ("<failure message='to do'/><skipped/>", Skip),
        ("<skipped/><failure message='to do'/>", Skip),
        ("<flakyFailure/><failure/>", Fail),
    ] {
        let text = format!("<testsuite failures='1'><testcase name='t'>{element}</testcase></testsuite>");
        assert_eq!(results(&text).len(), 1, "{element}");
        assert_eq!(parse(&text).tests[0].result, result, "{element}");
    }
}

#[test]
fn a_failure_that_only_the_suite_announces_is_a_failure() {
    let passed = "<testcase name='t'/>";
    for (text, expected) in [
        (
            format!("<testsuite name='s' failures='0' errors='1'>{passed}<system-err>no answer</system-err></testsuite>"),
            list(&[("t", Pass, ""), ("s", Error, "1 failure announced, but none in the tests: no answer")]),
        ),
        (
            format!("<testsuites Failures='1,002' name='all'><testsuite>{passed}</testsuite></testsuites>"),
            list(&[("t", Pass, ""), ("all", Error, "1002 failures announced, but none in the tests")]),
        ),
        (
            format!("<testsuite name='s' status='FAILED'>{passed}</testsuite>"),
            list(&[("t", Pass, ""), ("s", Error, "1 failure announced, but none in the tests")]),
        ),
        (
            format!("<testsuite name='s' errors='1'><error type='setup'>no database</error>{passed}</testsuite>"),
            list(&[("s", Error, "no database"), ("t", Pass, "")]),
        ),
        // The outer suite counts what the inner one announces.
        (
            "<testsuites errors='1'><testsuite errors='1' package='p'/></testsuites>".to_owned(),
            list(&[("p", Error, "1 failure announced, but none in the tests")]),
        ),
        // A producer that announces less than it contains.
        (
            "<testsuite failures='0'><testcase name='t'><failure message='why'/></testcase></testsuite>".to_owned(),
            list(&[("t", Fail, "why")]),
        ),
        // Each failed assertion counts.
        (
            "<testsuite failures='2'><testcase name='t'><failure>a</failure><failure>b</failure></testcase></testsuite>"
                .to_owned(),
            list(&[("t", Fail, "a")]),
        ),
        (
            "<testsuite failures='1' status='failed'><testcase name='t' status='failed'/></testsuite>".to_owned(),
            list(&[("t", Fail, "")]),
        ),
        (format!("<testsuite failures='many' errors='-1'>{passed}</testsuite>"), list(&[("t", Pass, "")])),
    ] {
        assert_eq!(results(&text), expected, "{text}");
    }
    // Also in a document that ends too early.
    let report = parse("<testsuites failures='1'><testsuite><testcase name='t'/>");
    assert!(report.incomplete.is_some() && report.tests.len() == 2, "{report:?}");
}

#[test]
fn a_word_tells_the_result_where_no_element_does() {
    for (attributes, elements, result) in [
        ("status='notrun' result='suppressed'", "", Skip),
        ("status='run' result='completed'", "", Pass),
        ("status='Disabled'", "", Skip),
        ("result='IGNORED'", "", Skip),
        ("status='not run'", "<failure/>", Fail),
        ("status='failed'", "", Fail),
        ("result='timed_out'", "", Error),
        ("outcome='Failed'", "<flakyFailure/>", Fail),
        ("status='passed'", "<flakyFailure/>", Flaky),
        ("status='failed'", "<skipped/>", Skip),
        ("", "<ignored/>", Skip),
        ("", "<Failure/>", Fail),
    ] {
        let text = format!("<testsuite><testcase name='t' {attributes}>{elements}</testcase></testsuite>");
        assert_eq!(parse(&text).tests[0].result, result, "{text}");
    }
}

#[test]
fn a_test_in_a_test_hides_no_failure() {
    let text =
        "<testsuite><testcase name='a'><failure message='why'/><testcase name='b'/></testcase></testsuite>";
    assert_eq!(results(text), list(&[("b", Pass, ""), ("a", Fail, "why")]));
}

#[test]
fn a_text_that_is_no_correct_xml_is_shown_as_it_is() {
    let named = |name: &str| {
        parse(&format!("<testsuite><testcase name=\"{name}\"/></testsuite>")).tests[0].name.clone()
    };
    assert_eq!(named("c &nbsp; &lt;d&gt; &#x263a;"), "c &nbsp; <d> ☺");
    assert_eq!(named("nul &#x0; &amp; &bad"), "nul &#x0; & &bad");
    assert_eq!(named("a & b"), "a & b");
    // Custom entities are not resolved: they can name files.
    let report = parse(
        "<!DOCTYPE x [<!ENTITY a SYSTEM 'file:///etc/passwd'>]><testsuite><testcase name='t'><failure>&a; & b</failure>\
         </testcase></testsuite>",
    );
    assert_eq!(report.tests[0].message.as_deref(), Some("&a; & b"));
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(
        text in "\\PC{0,80}|(<|>|/|testsuite|testcase|failure| name=\"| errors=\"9\"|\"|&|&lt;|&#0;|<!\\[CDATA\\[|\\]\\]>|x){0,40}",
    ) {
        let _ = parse(&text);
        let _ = parse(&format!("<testsuites>{text}"));
    }

    #[test]
    fn a_real_report_broken_anywhere_is_read_or_refused(text in mutation::of_one(&[
        include_str!("../../../tests/fixtures/bats-1.8.2.junit.xml"),
        include_str!("../../../tests/fixtures/gotestsum-1.8.2.junit.xml"),
        include_str!("../../../tests/fixtures/hurl-8.0.1.junit.xml"),
        include_str!("../../../tests/fixtures/node-20.20.2.junit.xml"),
        include_str!("../../../tests/fixtures/pytest-9.2.0.junit.xml"),
    ], &["<", ">", "/>", "\"", "&", "&#x1b;", "<![CDATA[", "]]>", "<!--", "<?", "<testcase", "</testcase>", "<failure>"])) {
        let _ = parse(&text);
    }

    #[test]
    fn an_announced_failure_never_passes(failures in 0_u64..4, errors in 0_u64..4, inner in 0_u64..4, cases in 0_usize..3) {
        let text = format!(
            "<testsuites failures='{failures}'><testsuite errors='{errors}'>{}<testsuite failures='{inner}'/></testsuite>\
             </testsuites>",
            "<testcase name='t'/>".repeat(cases),
        );
        let failed = parse(&text).tests.iter().filter(|test| matches!(test.result, Fail | Error)).count();
        prop_assert_eq!(failed > 0, failures + errors + inner > 0);
    }
}
