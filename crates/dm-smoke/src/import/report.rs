//! The content of a report that another runner wrote.

use std::time::Duration;

use common::event::TestResult;

/// The content of a report.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct ImportedReport {
    /// The tests in the report.
    pub(crate) tests: Vec<ImportedTest>,
    /// Why the report may lack tests: the runner did not finish, or the file cannot be read.
    pub(crate) incomplete: Option<String>,
}

/// One test of another runner.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ImportedTest {
    /// The name of the test.
    pub(crate) name: String,
    /// The result.
    pub(crate) result: TestResult,
    /// The duration; zero if the report has none.
    pub(crate) duration: Duration,
    /// Why the test failed or was skipped.
    pub(crate) message: Option<String>,
}

impl ImportedReport {
    /// A report that cannot be read.
    pub(crate) fn unreadable(reason: String) -> Self {
        Self { tests: Vec::new(), incomplete: Some(reason) }
    }
}
