//! A suite, and the failures that it announces.

use std::time::Duration;

use common::event::TestResult;
use quick_xml::events::BytesStart;

use super::MAX_TEXT;
use super::attribute::{count, first};
use super::word;
use crate::import::ImportedTest;

/// An open `testsuite` or `testsuites`.
///
/// A producer reports what went wrong outside its tests only in the counts of the suite, or in an element of the suite.
#[derive(Debug)]
pub(super) struct Suite {
    pub(super) name: String,
    /// What its attributes count.
    announced: Failures,
    /// What its elements contain, also in other suites.
    found: Failures,
    /// Its outputs: they often explain what went wrong outside the tests.
    output: String,
}

/// Counts of failures and errors.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Failures {
    pub(super) failures: u64,
    pub(super) errors: u64,
}

impl Failures {
    fn all(self) -> u64 {
        self.failures.saturating_add(self.errors)
    }

    fn add(&mut self, other: Self) {
        self.failures = self.failures.saturating_add(other.failures);
        self.errors = self.errors.saturating_add(other.errors);
    }
}

impl Suite {
    /// A suite, as its first tag describes it.
    pub(super) fn new(element: &BytesStart<'_>) -> Self {
        let announced = Failures {
            failures: count(element, &["failures", "failed"]),
            errors: count(element, &["errors"]),
        };
        let stated = first(element, &["status", "result", "outcome"]).and_then(|word| word::result(&word));
        let is_failed = matches!(stated, Some(TestResult::Fail | TestResult::Error)) && announced.all() == 0;
        let name = first(element, &["name", "package", "id"]).filter(|name| !name.trim().is_empty());
        Self {
            name: name.unwrap_or_else(|| "the suite".to_owned()),
            announced: Failures { failures: announced.failures + u64::from(is_failed), ..announced },
            found: Failures::default(),
            output: String::new(),
        }
    }

    /// A failure outside the tests. It explains whatever the suite announces.
    pub(super) fn own_failure(&mut self, result: TestResult, message: Option<String>) -> ImportedTest {
        self.found.add(self.announced);
        self.found.errors = self.found.errors.saturating_add(1);
        self.test(result, message)
    }

    /// Adds a part of an output.
    pub(super) fn add_output(&mut self, text: &str) {
        if self.output.len() < MAX_TEXT {
            self.output.push_str(text);
        }
    }

    /// Adds the failures and errors of a test or of another suite in it.
    pub(super) fn add_found(&mut self, found: Failures) {
        self.found.add(found);
    }

    /// Ends the suite. If it announces more failures than it contains, the rest of them is one more failure. Returns also
    /// what the suite contains.
    pub(super) fn end(mut self) -> (Option<ImportedTest>, Failures) {
        let (announced, found) = (self.announced, self.found);
        // Some producers count an error as a failure too.
        let is_short = announced.errors > found.errors || announced.failures > found.all();
        let missing = announced.all().saturating_sub(found.all());
        if !is_short || missing == 0 {
            return (None, found);
        }
        let what = format!(
            "{} failure{} announced, but {} in the tests: {}",
            announced.all(),
            if announced.all() == 1 { "" } else { "s" },
            if found.all() == 0 { "none".to_owned() } else { found.all().to_string() },
            self.output.trim()
        );
        self.found.errors = self.found.errors.saturating_add(missing);
        let test = self.test(TestResult::Error, Some(what.trim_end_matches([':', ' ']).to_owned()));
        (Some(test), self.found)
    }

    fn test(&self, result: TestResult, message: Option<String>) -> ImportedTest {
        ImportedTest { name: self.name.clone(), result, duration: Duration::ZERO, message }
    }
}
