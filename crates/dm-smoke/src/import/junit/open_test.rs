//! A test whose elements are being read.

use common::event::TestResult;
use quick_xml::events::BytesStart;

use super::attribute::first;
use super::suite::Failures;
use super::{MAX_TEXT, word};
use crate::import::{ImportedTest, duration};

/// An open `testcase`.
#[derive(Debug)]
pub(super) struct OpenTest {
    pub(super) test: ImportedTest,
    /// The result that its attributes state.
    stated: Option<TestResult>,
    /// Its failures and errors.
    found: Failures,
    /// A message that says little, for a failure without a text.
    weak_message: Option<String>,
    /// Its outputs, for a failure without a message.
    output: String,
}

impl OpenTest {
    /// A test, as its first tag describes it.
    pub(super) fn new(element: &BytesStart<'_>) -> Self {
        let name = first(element, &["name"]).unwrap_or_default();
        let class = first(element, &["classname"]).filter(|class| !class.is_empty());
        let stated =
            ["status", "result", "outcome"].map(|attribute| word::result(&first(element, &[attribute])?));
        let test = ImportedTest {
            name: class.map_or_else(|| name.clone(), |class| format!("{class}: {name}")),
            result: TestResult::Pass,
            duration: first(element, &["time"]).map(|time| duration::parse(&time)).unwrap_or_default(),
            message: None,
        };
        Self {
            test,
            stated: stated.into_iter().flatten().max_by_key(|result| precedence(*result)),
            found: Failures::default(),
            weak_message: None,
            output: String::new(),
        }
    }

    /// Adds an element that tells a result. Returns whether it is the one that counts.
    pub(super) fn add(&mut self, result: TestResult, message: Option<String>) -> bool {
        match result {
            TestResult::Fail => self.found.failures += 1,
            TestResult::Error => self.found.errors += 1,
            _ => {}
        }
        // Skipped overrides a failure: a pending test has both. An error overrides skipped: the teardown of a skipped
        // test can fail.
        let counts = precedence(result) > precedence(self.test.result);
        if counts {
            let is_missing = message.as_deref().is_some_and(word::tells_missing_program);
            self.test.result = if is_missing { TestResult::Error } else { result };
            let (message, weak) = if message.as_deref().is_some_and(word::is_informative) {
                (message, None)
            } else {
                (None, message)
            };
            self.test.message = message;
            self.weak_message = weak;
        }
        counts
    }

    /// Adds a part of an output.
    pub(super) fn add_output(&mut self, text: &str) {
        if self.output.len() < MAX_TEXT {
            self.output.push_str(text);
        }
    }

    /// The test with its final result, and its failures and errors.
    pub(super) fn end(mut self) -> (ImportedTest, Failures) {
        match (self.stated, self.test.result) {
            (Some(stated), TestResult::Pass) => self.test.result = stated,
            (Some(stated), TestResult::Flaky) if is_failure(stated) => self.test.result = stated,
            _ => {}
        }
        if is_failure(self.test.result) {
            let texts = [self.test.message, self.weak_message, Some(self.output)];
            self.test.message = texts.into_iter().flatten().find(|text| !text.trim().is_empty());
        }
        if is_failure(self.test.result) && self.found.failures + self.found.errors == 0 {
            self.found.failures = 1;
        }
        (self.test, self.found)
    }
}

/// Whether the result is a failure of the test or around it.
pub(super) fn is_failure(result: TestResult) -> bool {
    matches!(result, TestResult::Fail | TestResult::Error)
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
