//! The parser: elements, from the outside to the inside.

use common::event::TestResult;
use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use super::attribute::{first, resolve};
use super::open_test::{OpenTest, is_failure};
use super::suite::Suite;
use super::{MAX_TEXT, word};
use crate::import::{ImportedReport, ImportedTest};

/// Parses a JUnit XML document.
pub(crate) fn parse(text: &str) -> ImportedReport {
    let mut parser = Parser::default();
    let mut reader = Reader::from_str(text);
    reader.config_mut().allow_dangling_amp = true;
    let incomplete = parser.all(&mut reader).err();
    // What the suites announce counts, also if the document ends too early.
    while !parser.suites.is_empty() {
        parser.end_suite();
    }
    ImportedReport { tests: parser.tests, incomplete }
}

#[derive(Default)]
struct Parser {
    tests: Vec<ImportedTest>,
    suites: Vec<Suite>,
    /// The open tests: some producers put one into another.
    open: Vec<OpenTest>,
    text: TextUse,
    depth: usize,
    seen_root: bool,
}

/// What the text belongs to.
#[derive(Default, Clone, Copy, PartialEq)]
enum TextUse {
    #[default]
    Nothing,
    /// The message of the open test, or of the last one.
    Message,
    /// The output of the open test, or of the suite.
    Output,
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
                    self.end(&lowercase(element.local_name().as_ref()));
                }
                Event::End(element) => {
                    self.depth = self.depth.saturating_sub(1);
                    self.end(&lowercase(element.local_name().as_ref()));
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
        let name = lowercase(element.local_name().as_ref());
        let is_suite = matches!(name.as_str(), "testsuites" | "testsuite");
        if !self.seen_root && !is_suite {
            return Err("not JUnit XML: the root is not testsuites or testsuite".to_owned());
        }
        self.seen_root = true;
        match name.as_str() {
            _ if is_suite => self.suites.push(Suite::new(element)),
            "testcase" => self.open.push(OpenTest::new(element)),
            "system-out" | "system-err" => self.text = TextUse::Output,
            name => {
                if let Some(result) = word::element(name) {
                    self.result(result, element);
                }
            }
        }
        Ok(())
    }

    /// An element that tells a result.
    fn result(&mut self, result: TestResult, element: &BytesStart<'_>) {
        let message = first(element, &["message"]);
        let is_informative = message.as_deref().is_some_and(word::is_informative);
        let counts = if let Some(test) = self.open.last_mut() {
            test.add(result, message)
        } else if let (true, Some(suite)) = (is_failure(result), self.suites.last_mut()) {
            self.tests.push(suite.own_failure(result, message.filter(|_| is_informative)));
            true
        } else {
            false
        };
        self.text = if counts && !is_informative { TextUse::Message } else { TextUse::Nothing };
    }

    fn text(&mut self, text: &str) {
        match self.text {
            TextUse::Nothing => {}
            TextUse::Output => match (self.open.last_mut(), self.suites.last_mut()) {
                (Some(open), _) => open.add_output(text),
                (None, Some(suite)) => suite.add_output(text),
                (None, None) => {}
            },
            TextUse::Message => {
                if let Some(test) = self.open.last_mut().map(|open| &mut open.test).or(self.tests.last_mut())
                {
                    let message = test.message.get_or_insert_default();
                    if message.len() < MAX_TEXT {
                        message.push_str(text);
                    }
                }
            }
        }
    }

    fn end(&mut self, name: &str) {
        self.text = TextUse::Nothing;
        match name {
            "testcase" => self.end_test(),
            "testsuite" | "testsuites" => self.end_suite(),
            _ => {}
        }
    }

    fn end_test(&mut self) {
        let Some(open) = self.open.pop() else { return };
        let (mut test, found) = open.end();
        if let Some(suite) = self.suites.last_mut() {
            suite.add_found(found);
            if test.name.trim().is_empty() {
                test.name.clone_from(&suite.name);
            }
        }
        self.tests.push(test);
    }

    fn end_suite(&mut self) {
        let Some(suite) = self.suites.pop() else { return };
        let (rest, found) = suite.end();
        self.tests.extend(rest);
        if let Some(outer) = self.suites.last_mut() {
            outer.add_found(found);
        }
    }
}

fn lowercase(name: &[u8]) -> String {
    String::from_utf8_lossy(name).to_ascii_lowercase()
}
