//! Failures as annotations for GitHub Actions. They are workflow commands, which a runner reads from stderr as well as from
//! stdout, so that they do not disturb the format on stdout.

use std::path::Path;

use common::event::TestResult;
use common::github_actions::annotation;
use common::records::Test;

/// The annotation of a test, or `None` if it did not fail. `place` is the suite file and the test's line in it.
pub(crate) fn for_test(test: &Test, place: Option<(&Path, usize)>) -> Option<String> {
    let level = match test.result {
        TestResult::Fail | TestResult::Error => "error",
        TestResult::Flaky => "warning",
        TestResult::Pass | TestResult::Skip => return None,
    };
    let message = test.message.as_deref().unwrap_or(test.result.as_str());
    Some(annotation(level, place, &test.name, message) + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use common::term::text::is_unsafe;

    use proptest::prelude::*;

    fn test(name: &str, result: TestResult, message: Option<&str>) -> Test {
        Test {
            seq: 1,
            ts: chrono::DateTime::UNIX_EPOCH,
            name: name.to_owned(),
            result,
            attempts: 1,
            duration_ms: 1,
            reason: None,
            message: message.map(str::to_owned),
        }
    }

    proptest! {
        #[test]
        fn any_text_becomes_one_command_on_one_line(name in "(?s).{0,30}", message in "(?s).{0,30}|(::|%|\n|\r|,){0,12}") {
            let text = for_test(&test(&name, TestResult::Error, Some(&message)), None).unwrap();
            prop_assert_eq!(text.matches(['\n', '\r']).count(), 1);
            let (head, _) = text.trim_start_matches("::").split_once("::").unwrap();
            let unescaped = head.replace("%3A", ":").replace("%2C", ",").replace("%0A", "\n").replace("%0D", "\r");
            // What acts on a terminal becomes a space; lines stay lines.
            let shown = name.replace(|c| is_unsafe(c) && c != '\n' && c != '\r', " ");
            prop_assert_eq!(unescaped.replace("%25", "%"), format!("error title={shown}"));
        }
    }
}
