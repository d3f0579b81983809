//! The Test Anything Protocol, version 14.

use std::fmt::Write;

use common::records::Test;

use crate::verdict::{Ended, Verdict};

/// The version and the plan. The plan is what shows a reader that the producer died.
pub fn begin(tests: usize) -> String {
    let why = if tests == 0 { " # SKIP the suite has no tests" } else { "" };
    format!("TAP version 14\n1..{tests}{why}\n")
}

/// One test, with a YAML block.
pub fn test(test: &Test) -> String {
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

/// Nothing after a whole run; else that the rest of the plan will not come, and why.
pub fn end(verdict: &Verdict) -> String {
    match &verdict.ended {
        Ended::Whole | Ended::Unread => String::new(),
        // What was not finished is told as skipped, and would be taken for good.
        Ended::Deadline => "Bail out! The deadline came first\n".to_owned(),
        Ended::Stopped(signal) => format!("Bail out! Stopped by signal {signal}\n"),
        Ended::Broken(why) => format!("Bail out! {}\n", in_one_line(why)),
    }
}

/// A name in which nothing is a directive, and which is one line.
pub fn escape(name: &str) -> String {
    in_one_line(&name.replace('\\', "\\\\").replace('#', "\\#"))
}

fn in_one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() || "\u{2028}\u{2029}".contains(c) { ' ' } else { c }).collect()
}

/// A YAML string in double quotes.
fn quoted(text: &str) -> String {
    // What JSON writes is YAML as well, but for characters that YAML does not count as printable.
    format!("\"{}\"", in_one_line(text).replace('\\', "\\\\").replace('"', "\\\""))
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

    #[test]
    fn a_test_is_a_line_and_a_block() {
        assert_eq!(test(&a_test("health", None)), "ok 7 - health\n  ---\n  duration_ms: 12\n  ...\n");
        assert_eq!(
            test(&a_test("50% # SKIP a\\b", Some("status 500: \"C:\\x\""))),
            "not ok 7 - 50% \\# SKIP a\\\\b\n  ---\n  message: \"status 500: \\\"C:\\\\x\\\"\"\n  severity: fail\n  \
             reason: bad_status\n  duration_ms: 12\n  ...\n"
        );
    }

    #[test]
    fn a_plan_says_how_many_and_why_none() {
        assert_eq!(begin(3), "TAP version 14\n1..3\n");
        assert_eq!(begin(0), "TAP version 14\n1..0 # SKIP the suite has no tests\n");
    }

    #[test]
    fn a_run_that_is_broken_off_bails_out() {
        let end = |ended| end(&Verdict { tests: Vec::new(), ended, took: None, flaky_fails: false });
        assert_eq!(end(Ended::Whole), "");
        assert_eq!(end(Ended::Deadline), "Bail out! The deadline came first\n");
        assert_eq!(end(Ended::Stopped(15)), "Bail out! Stopped by signal 15\n");
        assert_eq!(end(Ended::Broken("a\nb".to_owned())), "Bail out! a b\n");
    }

    proptest! {
        #[test]
        fn any_name_is_one_line_and_can_be_read_back(name in "\\PC{0,40}|(?s).{0,40}|[#\\\\ \n]{0,12}") {
            let text = test(&a_test(&name, Some(&name)));
            prop_assert_eq!(text.lines().count(), 7);
            prop_assert!(!text.contains('\r'));
            let escaped = text.lines().next().and_then(|line| line.strip_prefix("not ok 7 - ")).unwrap();
            let mut read = String::new();
            let mut chars = escaped.chars();
            while let Some(c) = chars.next() {
                prop_assert_ne!(c, '#', "a directive would begin here");
                read.push(if c == '\\' { chars.next().unwrap() } else { c });
            }
            prop_assert_eq!(read, in_one_line(&name));
        }
    }
}
