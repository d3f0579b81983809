//! The Test Anything Protocol, version 14.

use std::fmt::Write;

use common::records::Test;

use crate::verdict::{RunEnd, Verdict};

/// The version and the plan. If this tool dies, the plan shows a reader that tests are missing.
pub(crate) fn begin(tests: usize) -> String {
    let directive = if tests == 0 { " # SKIP the suite has no tests" } else { "" };
    format!("TAP version 14\n1..{tests}{directive}\n")
}

/// The line of a test, with a YAML block.
pub(crate) fn test(test: &Test) -> String {
    use common::event::TestResult::{Error, Fail, Flaky, Pass, Skip};
    let (ok, directive) = match test.result {
        Pass | Flaky => ("ok", ""),
        Skip => ("ok", " # SKIP"),
        Fail | Error => ("not ok", ""),
    };
    let mut lines = format!("{ok} {} - {}{directive}\n  ---\n", test.seq, escape(&test.name));
    // Writing to a String cannot fail.
    if let Some(message) = &test.message {
        let _ = writeln!(lines, "  message: {}", quoted(message));
    }
    if let Some(reason) = test.reason {
        let _ = writeln!(lines, "  severity: {}\n  reason: {reason}", test.result);
    }
    let _ = writeln!(lines, "  duration_ms: {}\n  ...", test.duration_ms);
    lines
}

/// Nothing after a complete run. Otherwise a line that says why the rest of the plan is missing.
pub(super) fn end(verdict: &Verdict) -> String {
    match &verdict.end {
        RunEnd::Completed | RunEnd::OutputClosed => String::new(),
        // Unfinished tests are reported as skipped, which a reader would count as passed.
        RunEnd::Deadline => "Bail out! The deadline expired\n".to_owned(),
        RunEnd::Signal(signal) => format!("Bail out! Stopped by signal {signal}\n"),
        RunEnd::Error(why) => format!("Bail out! {}\n", on_one_line(why)),
    }
}

/// A name on one line, escaped so that no part of it reads as a directive.
fn escape(name: &str) -> String {
    on_one_line(&name.replace('\\', "\\\\").replace('#', "\\#"))
}

fn on_one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() || "\u{2028}\u{2029}".contains(c) { ' ' } else { c }).collect()
}

/// A YAML string in double quotes.
fn quoted(text: &str) -> String {
    // JSON is YAML, except for characters that YAML does not count as printable.
    format!("\"{}\"", on_one_line(text).replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    use common::event::{Reason, TestResult};
    use proptest::prelude::*;

    fn a_test(name: &str, message: Option<&str>) -> Test {
        Test {
            seq: 7,
            ts: chrono::DateTime::UNIX_EPOCH,
            name: name.to_owned(),
            result: if message.is_some() { TestResult::Fail } else { TestResult::Pass },
            attempts: 1,
            duration_ms: 12,
            reason: message.map(|_| Reason::BadStatus),
            message: message.map(str::to_owned),
        }
    }

    proptest! {
        #[test]
        fn any_name_is_one_line_and_can_be_parsed_back(name in "\\PC{0,40}|(?s).{0,40}|[#\\\\ \n]{0,12}") {
            let text = test(&a_test(&name, Some(&name)));
            prop_assert_eq!(text.lines().count(), 7);
            prop_assert!(!text.contains('\r'));
            let escaped = text.lines().next().and_then(|line| line.strip_prefix("not ok 7 - ")).unwrap();
            let mut parsed = String::new();
            let mut chars = escaped.chars();
            while let Some(c) = chars.next() {
                prop_assert_ne!(c, '#', "a directive would begin here");
                parsed.push(if c == '\\' { chars.next().unwrap() } else { c });
            }
            prop_assert_eq!(parsed, on_one_line(&name));
        }
    }
}
