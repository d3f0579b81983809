//! JUnit XML. There is no standard, so the parser requires only suites, test cases and names.

use common::event::TestResult;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesRef, BytesStart, Event};
use quick_xml::{Reader, XmlVersion};

use super::{ImportedReport, ImportedTest, duration};

/// The most bytes of a message that are kept.
const MAX_TEXT: usize = 4096;

/// Parses a JUnit XML document.
pub fn parse(text: &str) -> ImportedReport {
    let mut parser = Parser::default();
    let incomplete = parser.all(&mut Reader::from_str(text)).err();
    ImportedReport { tests: parser.tests, incomplete }
}

#[derive(Default)]
struct Parser {
    tests: Vec<ImportedTest>,
    /// The open test test.
    test: Option<ImportedTest>,
    /// Whether the text belongs to the message of the open test test.
    is_message: bool,
    depth: usize,
    seen_root: bool,
}

impl Parser {
    fn all(&mut self, reader: &mut Reader<&[u8]>) -> Result<(), String> {
        loop {
            let event = reader
                .read_event()
                .map_err(|error| format!("not XML, at byte {}: {error}", reader.error_position()))?;
            match event {
                Event::Start(element) => {
                    self.begin(&element)?;
                    self.depth += 1;
                }
                Event::Empty(element) => {
                    self.begin(&element)?;
                    self.end(element.local_name().as_ref());
                }
                Event::End(element) => {
                    self.depth = self.depth.saturating_sub(1);
                    self.end(element.local_name().as_ref());
                }
                Event::Text(text) => self.text(&String::from_utf8_lossy(&text)),
                Event::CData(text) => self.text(&String::from_utf8_lossy(&text)),
                Event::GeneralRef(entity) => self.text(&resolve(&entity)),
                Event::Eof if self.depth > 0 => {
                    return Err("ends too early: the runner did not finish".to_owned());
                }
                Event::Eof if !self.seen_root => return Err("not JUnit XML".to_owned()),
                Event::Eof => return Ok(()),
                _ => {}
            }
        }
    }

    fn begin(&mut self, element: &BytesStart<'_>) -> Result<(), String> {
        let name = element.local_name();
        if !self.seen_root {
            self.seen_root = matches!(name.as_ref(), b"testsuites" | b"testsuite");
            if !self.seen_root {
                return Err("not JUnit XML: the root is not testsuites or testsuite".to_owned());
            }
        }
        let result = match name.as_ref() {
            b"testcase" => {
                self.test = Some(new_test(element));
                return Ok(());
            }
            b"failure" => TestResult::Fail,
            b"error" => TestResult::Error,
            b"skipped" => TestResult::Skip,
            b"flakyFailure" | b"flakyError" => TestResult::Flaky,
            _ => return Ok(()),
        };
        if let Some(test) = &mut self.test {
            // Skipped overrides a failure: a pending test has both. An error overrides skipped: the teardown of a skipped
            // test can fail.
            if precedence(result) > precedence(test.result) {
                test.result = result;
                test.message = attribute(element, "message").filter(|message| is_informative(message));
                self.is_message = test.message.is_none();
            }
        }
        Ok(())
    }

    fn text(&mut self, text: &str) {
        if let Some(test) = self.test.as_mut().filter(|_| self.is_message) {
            let message = test.message.get_or_insert_default();
            if message.len() < MAX_TEXT {
                message.push_str(text);
            }
        }
    }

    fn end(&mut self, name: &[u8]) {
        self.is_message = false;
        if name == b"testcase" {
            self.tests.extend(self.test.take());
        }
    }
}

/// Go reporters set the message "Failed" on every failure, and put the explanation into the text.
fn is_informative(message: &str) -> bool {
    !matches!(message.trim(), "" | "Failed")
}

/// The character of a reference. Custom entities are not resolved, because they can name files.
fn resolve(entity: &BytesRef<'_>) -> String {
    let character = entity.resolve_char_ref().ok().flatten().map(String::from);
    let named = || Some(resolve_predefined_entity(&entity.decode().ok()?)?.to_owned());
    character.or_else(named).unwrap_or_else(|| " ".to_owned())
}

fn precedence(result: TestResult) -> u8 {
    match result {
        TestResult::Pass => 0,
        TestResult::Flaky => 1,
        TestResult::Fail => 2,
        TestResult::Skip => 3,
        TestResult::Error => 4,
    }
}

fn new_test(element: &BytesStart<'_>) -> ImportedTest {
    let name = attribute(element, "name").unwrap_or_default();
    let class = attribute(element, "classname").filter(|class| !class.is_empty());
    ImportedTest {
        name: class.map_or_else(|| name.clone(), |class| format!("{class}: {name}")),
        result: TestResult::Pass,
        duration: attribute(element, "time").map(|time| duration(&time, 1.0)).unwrap_or_default(),
        message: None,
    }
}

fn attribute(element: &BytesStart<'_>, name: &str) -> Option<String> {
    let attribute = element.try_get_attribute(name).ok()??;
    let value = attribute.normalized_value(XmlVersion::Implicit1_0).ok()?;
    Some(value.chars().take(MAX_TEXT).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::mutation;
    use proptest::prelude::*;

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
            ("<skipped/><error message='in teardown'/>", TestResult::Error),
            ("<error message='in teardown'/><skipped/>", TestResult::Error),
            ("<failure message='to do'/><skipped/>", TestResult::Skip),
            ("<skipped/><failure message='to do'/>", TestResult::Skip),
            ("<flakyFailure/><failure/>", TestResult::Fail),
        ] {
            let text = format!("<testsuite><testcase name='t'>{element}</testcase></testsuite>");
            assert_eq!(parse(&text).tests[0].result, result, "{element}");
        }
    }

    #[test]
    fn entities_of_the_document_are_not_followed() {
        let report = parse(
            "<!DOCTYPE x [<!ENTITY a SYSTEM 'file:///etc/passwd'>]><testsuite><testcase name='t'><failure>&a;</failure>\
             </testcase></testsuite>",
        );
        assert_eq!(report.tests[0].message.as_deref(), Some(" "));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(
            text in "\\PC{0,80}|(<|>|/|testsuite|testcase|failure| name=\"|\"|&lt;|&#0;|<!\\[CDATA\\[|\\]\\]>|x){0,40}",
        ) {
            let _ = parse(&text);
            let _ = parse(&format!("<testsuites>{text}"));
        }

        #[test]
        fn a_real_report_broken_anywhere_is_read_or_refused(text in mutation::of_one(&[
            include_str!("../../tests/fixtures/bats-1.8.2.junit.xml"),
            include_str!("../../tests/fixtures/gotestsum-1.8.2.junit.xml"),
            include_str!("../../tests/fixtures/hurl-8.0.1.junit.xml"),
            include_str!("../../tests/fixtures/node-20.20.2.junit.xml"),
            include_str!("../../tests/fixtures/pytest-9.2.0.junit.xml"),
        ], &["<", ">", "/>", "\"", "&", "&#x1b;", "<![CDATA[", "]]>", "<!--", "<?", "<testcase", "</testcase>", "<failure>"])) {
            let _ = parse(&text);
        }
    }
}
