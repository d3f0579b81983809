//! The first failed subtest of a test that is still to come, or that was opened with a brace.

use common::event::TestResult;

use super::MAX_TEXT;
use super::point::Point;

/// A failed subtest.
#[derive(Debug, Default)]
pub(super) struct FailedSubtest {
    indent: usize,
    name: String,
    message: String,
    /// Whether subtests of its own may follow, which say more.
    is_open: bool,
}

impl FailedSubtest {
    /// Notes a test line with this indentation. Returns whether what follows explains the failed subtest.
    pub(super) fn note(known: &mut Option<Self>, indent: usize, point: Point) -> bool {
        if point.result != TestResult::Fail {
            return false;
        }
        let name = match known {
            None => point.name,
            Some(outer) if outer.is_open && indent > outer.indent => {
                format!("{} > {}", outer.name, point.name)
            }
            Some(_) => return false,
        };
        *known = Some(Self { indent, name, message: String::new(), is_open: point.opens_subtest });
        true
    }

    /// Adds an explanation.
    pub(super) fn explain(&mut self, text: &str) {
        if self.message.len() < MAX_TEXT {
            self.message.push_str(text.trim());
            self.message.push(' ');
        }
    }

    /// The message of the test to which the subtest belongs.
    pub(super) fn into_message(self) -> String {
        let message = format!("{}: {}", self.name, self.message.trim());
        message.trim_end_matches([':', ' ']).to_owned()
    }
}
